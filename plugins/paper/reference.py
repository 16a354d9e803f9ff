"""The paper's reported figures (``results/reference/paper.csv``), for comparison with measured rows."""

from __future__ import annotations

import csv
import importlib.resources
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rtbench.api import BadInputError, Record, convert

if TYPE_CHECKING:
    from rtbench.api import CellResult, LeaderboardRow

METHODS = {
    "zs": "zero-shot",
    "zs_cot": "zero-shot-cot",
    "fs_cot": "few-shot-cot",
    "ft": "fine-tune",
    "ft_cot": "fine-tune-cot",
    "ft_cot_diverse": "fine-tune-cot",
    "zs_cot_teacher": "teacher",
}
"""Our name for each of the paper's methods. Its random baselines are left out: every leaderboard has our own."""

_WHOLE = ("diversity", "train_size")


class ReferenceRow(Record, frozen=True):
    """A reported figure."""

    table: str
    """Label of the table or figure in the paper."""
    task: str
    method: str
    source: str
    """``latex``: printed table; ``dataframe``, ``printed``: stored output; ``figure``: read off a plot's markers."""
    accuracy: float | None = None
    """Percent, as reported; None where the paper has no number."""
    model: str | None = None
    params: str | None = None
    diversity: int | None = None
    """Rationales per question (degree); None: one greedy rationale."""
    train_size: int | None = None
    teacher: str | None = None
    note: str | None = None


def load_reference() -> list[ReferenceRow]:
    """Read all reported figures.

    Raises:
        BadInputError: the installed file is damaged.
    """
    text = importlib.resources.files("rtbench_reference").joinpath("paper.csv").read_text(encoding="utf-8")
    rows: list[ReferenceRow] = []
    for number, raw in enumerate(csv.DictReader(io.StringIO(text)), 2):
        where = f"results/reference/paper.csv, line {number}"
        fields: dict[str, str | int | float] = {name: value for name, value in raw.items() if value}
        try:
            fields |= {name: int(raw[name]) for name in _WHOLE if raw[name]}
            if raw["accuracy"]:
                fields["accuracy"] = float(raw["accuracy"])
        except (KeyError, ValueError) as error:
            raise BadInputError(f"damaged: {error}", where=where, next_step="Install rtbench again.") from None
        rows.append(convert(fields, ReferenceRow, where=where))
    return rows


def reported_rows(tasks: Sequence[str]) -> tuple[LeaderboardRow, ...]:
    """Return the paper's rows for a leaderboard.

    There is a row per method, model, teacher and degree that has a figure for one of the tasks. Of a figure that several
    tables or plots show, the first source counts, printed tables before plots. Figures for fractions of the training
    questions are left out, since they are another experiment (:func:`load_reference` has them).
    """
    from rtbench.api import CellResult, LeaderboardRow

    groups: dict[tuple[object, ...], dict[str, CellResult]] = {}
    sources: dict[tuple[object, ...], list[str]] = {}
    order = {"latex": 0, "dataframe": 1, "printed": 2, "figure": 3}
    for row in sorted(load_reference(), key=lambda row: order.get(row.source, len(order))):
        if row.method not in METHODS or row.task not in tasks or row.accuracy is None or row.train_size is not None:
            continue
        # A teacher's own row names it as the model; one figure repeats it as the teacher.
        key = (row.method, row.model, None if row.method == "zs_cot_teacher" else row.teacher, row.diversity)
        results = groups.setdefault(key, {})
        if row.task in results:
            continue
        results[row.task] = CellResult(accuracy=row.accuracy / 100)
        citation = f"{row.table} ({row.source})"
        if citation not in sources.setdefault(key, []):
            sources[key].append(citation)
    return tuple(_row(key, results, sources[key], LeaderboardRow) for key, results in groups.items())


def _row(
    key: tuple[object, ...], results: dict[str, CellResult], sources: list[str], row: type[LeaderboardRow]
) -> LeaderboardRow:
    method, model, teacher, diversity = key
    own = method == "zs_cot_teacher"
    return row(
        kind="reported",
        method=METHODS[str(method)],
        teacher=str(model if own else teacher) if (model if own else teacher) else None,
        student=None if own or model is None else str(model).replace("_", "-"),
        degree=diversity if isinstance(diversity, int) else None,
        selection="best-test" if str(method).startswith("ft") else None,
        cited="; ".join(sources),
        results=results,
    )
