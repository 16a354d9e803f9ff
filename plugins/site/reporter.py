"""Reporter that writes the site: a page for the leaderboard, and for each cell a page and files with its samples."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtbench_plugins.reporters.footnotes import notes
from rtbench_plugins.reporters.wording import HEADS, describe, mean, percent
from rtbench_plugins.site.charts import charts_of
from rtbench_plugins.site.samples import CellPage, write_samples

from rtbench.api import (
    CATEGORIES,
    BadInputError,
    FolderReporter,
    Interval,
    Leaderboard,
    LeaderboardRow,
    Scored,
    ScoreResult,
    ScoreSummary,
    close_to_best,
    in_percent,
    precision_of,
    shown,
    without_styles,
    write_atomic,
)

if TYPE_CHECKING:
    from jinja2 import Environment

    from rtbench.api import CellRecord, RunRecord, Services, Store

_HERE = Path(__file__).parent
_MARK = "rtbench-site"
"""Name of a file that marks a folder as a site of rtbench, which may be overwritten."""


class SiteReporter(FolderReporter):
    """Reporter that writes a folder with ``index.html``, ``cells/``, ``data/`` and ``assets/``."""

    name = "html"
    takes_reference = True  # reported rows are hidden until a reader shows them

    def write(self, leaderboard: Leaderboard, run: RunRecord, services: Services, folder: Path) -> None:
        """Write the site, replacing an older one. The page of a cell without a score says why it has none.

        Raises:
            BadInputError: the folder contains something other than a site of rtbench.
        """
        _take(folder)
        _write_assets(folder)
        templates = _templates()
        numbers = {cell.name: at for at, cell in enumerate(run.cells)}
        pages: list[CellPage] = []
        page = templates.get_template("cell.html")
        for at, cell in enumerate(run.cells):
            cell_page, scored = write_samples(services, cell, at, folder / "data"), _scored(services.store, cell)
            pages.append(cell_page)
            text = page.render(
                run=run, cell=cell, page=cell_page, categories=CATEGORIES, scored=scored,
                extractor_scores=_extractor_scores(services.store, cell, scored), version=leaderboard.version,
            )  # fmt: skip
            write_atomic(folder / "cells" / f"{at}.html", text.encode())
        close, sizes = close_to_best(run, services.store), _sizes(leaderboard)
        text = templates.get_template("index.html").render(
            board=leaderboard, run=run, heads=HEADS, tasks=leaderboard.tasks, notes=notes(leaderboard),
            rows=[_shown(row, leaderboard, numbers, close, sizes) for row in leaderboard.rows],
            filters=_filters(leaderboard, sizes), charts=charts_of(leaderboard, pages), version=leaderboard.version,
            summaries=[without_styles(summary) for summary in services.summaries(run)],
        )  # fmt: skip
        write_atomic(folder / "index.html", text.encode())


def _take(folder: Path) -> None:
    """Empty an existing site of rtbench, or create a missing folder.

    Raises:
        BadInputError: the path is a file, or a folder with other contents.
    """
    if folder.exists() and not folder.is_dir():
        raise BadInputError("is a file, not a folder", where=str(folder), next_step="Use another folder.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARK).is_file():
        raise BadInputError(
            "contains files, but is not a site of rtbench", where=str(folder), next_step="Use an empty or a new folder."
        )
    for part in ("cells", "data", "assets"):
        if (folder / part).is_dir():
            shutil.rmtree(folder / part)
        (folder / part).mkdir(parents=True)
    (folder / _MARK).write_text("A site written by rtbench, which may be overwritten.\n")


def _write_assets(folder: Path) -> None:
    import vl_convert

    for path in sorted((_HERE / "assets").iterdir()):
        (folder / "assets" / path.name).write_bytes(path.read_bytes())
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    (folder / "assets" / "vega.js").write_text(f"(() => {{\n{bundle}\n}})();\n", encoding="utf-8")


def _templates() -> Environment:
    """Return the environment of the templates. All values that are filled in are escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    templates = Environment(
        loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=_visible,
    )  # fmt: skip
    templates.filters["in_percent"] = in_percent
    return templates


def _visible(value: object) -> object:
    """Return a value for a page. Hidden characters of texts are shown as signs, also those that change the direction."""
    return shown(value) if type(value) is str else value  # charts are marked as safe, and have a type of their own


@dataclass(frozen=True)
class _ExtractorScores:
    """An extractor's summary of a cell, with the interval of its accuracy."""

    summary: ScoreSummary
    interval: Interval | None


def _extractor_scores(store: Store, cell: CellRecord, scored: ScoreResult | None) -> list[_ExtractorScores]:
    """Return every extractor's summary of a cell; an empty list where the cell has no score."""
    return [
        _ExtractorScores(one, precision_of([Scored(cell.score or "", one)], store).interval if one.n else None)
        for one in (scored.summaries if scored is not None else ())
    ]


def _scored(store: Store, cell: CellRecord) -> ScoreResult | None:
    """Return the result of a cell's score step; None where the cell has no score."""
    return store.result(ScoreResult, cell.score) if cell.score is not None and store.scored(cell) else None


def _sizes(board: Leaderboard) -> dict[str | None, int]:
    """Return the number of parameters of each student that was trained in the run."""
    results = [(row.student, result.parameters) for row in board.rows for result in row.results.values()]
    return {student: parameters for student, parameters in results if parameters}


def _size(row: LeaderboardRow, sizes: dict[str | None, int]) -> str:
    """Return the number of parameters with three digits; empty where it is unknown."""
    count = sizes.get(row.student, 0)
    return f"{count / 1e9:.3g}B" if count >= 1e9 else f"{count / 1e6:.3g}M" if count else ""


def _shown(
    row: LeaderboardRow,
    board: Leaderboard,
    numbers: dict[str, int],
    close: dict[str, frozenset[str]],
    sizes: dict[str | None, int],
) -> dict[str, Any]:
    """Return the values of a row that the template uses."""
    cells: list[dict[str, Any]] = []
    for task in board.tasks:
        result = row.results.get(task)
        names = [name for name in result.cells if name in numbers] if result else []
        cells.append(
            {
                "text": percent(result),
                "value": "" if result is None or result.accuracy is None else f"{result.accuracy:.6f}",
                "why": (result.reason or "") if result else "",
                "pages": [numbers[name] for name in names],
                "close": bool(names) and names[0] in close.get(task, ()),
            }
        )
    return {
        "kind": row.kind, "method": row.method, "student": row.student or "", "teacher": row.teacher or "",
        "fold": row.fold, "source": row.source, "family": row.series or "", "size": _size(row, sizes),
        "parameters": sizes.get(row.student, ""), "heads": describe(row, board), "cells": cells,
        "mean": mean(row, board.tasks), "mean_value": "" if row.mean is None else f"{row.mean:.6f}",
    }  # fmt: skip


def _filters(board: Leaderboard, sizes: dict[str | None, int]) -> dict[str, list[str]]:
    """Return the values by which rows can be filtered, for facts that have several values."""
    rows = [row for row in board.rows if row.kind != "reported"]
    named: dict[str, list[str]] = {
        "method": [row.method for row in rows],
        "student": [row.student or "" for row in rows],
        "family": [row.series or "" for row in rows],
        "size": [_size(row, sizes) for row in sorted(rows, key=lambda row: sizes.get(row.student, 0))],
        "teacher": [row.teacher or "" for row in rows],
        "fold": [str(row.fold) for row in rows],
        "source": [str(row.source) for row in rows],
    }
    distinct = {name: list(dict.fromkeys(value for value in values if value)) for name, values in named.items()}
    return {name: values for name, values in distinct.items() if len(values) > 1}
