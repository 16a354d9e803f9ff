"""``rtbench errors``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from rtbench.cli.common import format_option, with_session
from rtbench.cli.completion import complete_cell, run_option
from rtbench.cli.printing import console, heading, print_json, print_table

if TYPE_CHECKING:
    from rtbench.reporting.answers import ScoredAnswer
    from rtbench.reporting.wrong_answers import Category
    from rtbench.schema.runs import CellRecord
    from rtbench.session import Session

_APART = {
    "cut": "wrong answers whose text was cut by the token limit; they are in a category as well",
    "refused": "requests that were refused or filtered, or answered with no text; they are not in n",
}
"""Columns besides the categories."""


@click.command()
@click.argument("cell", required=False, shell_complete=complete_cell)
@run_option
@click.option("--extractor", metavar="NAME", help="Use the scores of another extractor.")
@click.option("--examples", type=click.IntRange(min=0), default=0, metavar="N", help="Show N answers of each category.")
@format_option("table", "json")
@with_session
def errors(
    session: Session, cell: str | None, run_name: str | None, extractor: str | None, examples: int, format_: str
) -> None:
    """Count wrong answers by category. Categories are assigned by rule. Without CELL, count those of all cells.

    Answers that a token limit cut, and requests without an answer, are counted apart.
    """
    from rtbench.reporting.answers import scored_cells
    from rtbench.reporting.cells import find_cell
    from rtbench.reporting.endings import counts_of_answers
    from rtbench.reporting.wrong_answers import CATEGORIES

    record = session.open_run(run_name)
    cells = scored_cells(session, record) if cell is None else [find_cell(session, record, cell)]
    counts, shown = _categorised(session, cells, extractor, examples)
    refused = {cell.name: counts_of_answers([cell], session.store).refused for cell in cells}
    if format_ == "json":
        data = [
            {
                "cell": name,
                "n": count.n,
                "wrong": count.categories.total(),
                "cut": count.cut,
                "refused": refused[name],
                "categories": dict(count.categories),
            }
            for name, count in counts.items()
        ]
        print_json({"cells": data, "examples": {c: [_as_data(*pair) for pair in pairs] for c, pairs in shown.items()}})
        return
    present = [category for category in CATEGORIES if any(count.categories[category] for count in counts.values())]
    apart = {"cut": {name: count.cut for name, count in counts.items()}}
    apart["refused"] = {name: sum(kinds.values()) for name, kinds in refused.items()}
    apart = {head: of_cell for head, of_cell in apart.items() if any(of_cell.values())}
    rows = [
        (
            name,
            str(count.n),
            str(count.categories.total()),
            *(str(of_cell[name]) for of_cell in apart.values()),
            *(str(count.categories[category]) for category in present),
        )
        for name, count in counts.items()
    ]
    print_table(("cell", "n", "wrong", *apart, *present), rows)
    out = console()
    for head in apart:
        out.print(f"{head}: {_APART[head]}", style="dim")
    for category in present:
        out.print(f"{category}: {CATEGORIES[category]}", style="dim")
    for category in present:
        for name, answer in shown.get(category, []):
            heading(out, f"{category}: {name} {answer.score.sample_index}")
            for field, text in _as_data(name, answer).items():
                out.print(f"{field}: {text}")


@dataclass
class _CellCounts:
    """Numbers of a cell's answers."""

    n: int
    cut: int
    """Wrong answers that a token limit cut."""
    categories: Counter[Category]
    """Wrong answers by category."""


def _categorised(
    session: Session, cells: Sequence[CellRecord], extractor: str | None, examples: int
) -> tuple[dict[str, _CellCounts], dict[Category, list[tuple[str, ScoredAnswer]]]]:
    """Return the counts of each cell, and examples of each category."""
    from rtbench.reporting.answers import answers_of
    from rtbench.reporting.wrong_answers import categories_of

    counts: dict[str, _CellCounts] = {}
    shown: dict[Category, list[tuple[str, ScoredAnswer]]] = {}
    for cell in cells:
        of_cell = answers_of(session, cell, extractor)
        cut = sum(not answer.score.correct and answer.completion.cut for answer in of_cell)
        counts[cell.name] = _CellCounts(len(of_cell), cut, Counter())
        for answer, category in zip(of_cell, categories_of(session.task(cell.task), of_cell), strict=True):
            if category is None:
                continue
            counts[cell.name].categories[category] += 1
            if len(kept := shown.setdefault(category, [])) < examples:
                kept.append((cell.name, answer))
    return counts, shown


def _as_data(name: str, answer: ScoredAnswer) -> dict[str, str | int | None]:
    """Return an answer of the named cell as JSON data."""
    return {
        "cell": name,
        "sample_index": answer.score.sample_index,
        "question": answer.sample.question,
        "text": answer.completion.full_text,
        "extracted": answer.score.extracted,
        "gold": answer.sample.answer,
    }
