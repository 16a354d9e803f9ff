"""``rtbench errors``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from rtbench.cli.common import console, format_option, heading, print_json, print_table, with_session
from rtbench.cli.show import find_cell

if TYPE_CHECKING:
    from rtbench.reporting.answers import ScoredAnswer
    from rtbench.reporting.wrong_answers import Category
    from rtbench.schema.runs import CellRecord
    from rtbench.session import Session


@click.command()
@click.argument("cell", required=False)
@click.option("--run", "run_name", metavar="NAME", help="Run to read.  [default: the latest]")
@click.option("--extractor", metavar="NAME", help="Use the scores of another extractor.")
@click.option("--examples", type=click.IntRange(min=0), default=0, metavar="N", help="Show N answers of each category.")
@format_option("table", "json")
@with_session
def errors(
    session: Session, cell: str | None, run_name: str | None, extractor: str | None, examples: int, format_: str
) -> None:
    """Count wrong answers by category. Categories are assigned by rule. Without CELL, count those of all cells."""
    from rtbench.reporting.answers import scored_cells
    from rtbench.reporting.wrong_answers import CATEGORIES
    from rtbench.storage.runs import Runs

    record = Runs(session.workspace).load(run_name)
    cells = scored_cells(session, record) if cell is None else [find_cell(session, record, cell)]
    answers, counts, shown = _categorised(session, cells, extractor, examples)
    if format_ == "json":
        data = [
            {"cell": name, "n": answers[name], "wrong": count.total(), "categories": dict(count)}
            for name, count in counts.items()
        ]
        print_json({"cells": data, "examples": {c: [_as_data(*pair) for pair in pairs] for c, pairs in shown.items()}})
        return
    present = [category for category in CATEGORIES if any(count[category] for count in counts.values())]
    rows = [
        (name, str(answers[name]), str(count.total()), *(str(count[category]) for category in present))
        for name, count in counts.items()
    ]
    print_table(("cell", "n", "wrong", *present), rows)
    out = console()
    for category in present:
        out.print(f"{category}: {CATEGORIES[category]}", style="dim", markup=False)
    for category in present:
        for name, answer in shown.get(category, []):
            heading(out, f"{category}: {name} {answer.score.sample_index}")
            for field, text in _as_data(name, answer).items():
                out.print(f"{field}: {text}", markup=False)


def _categorised(
    session: Session, cells: Sequence[CellRecord], extractor: str | None, examples: int
) -> tuple[dict[str, int], dict[str, Counter[Category]], dict[Category, list[tuple[str, ScoredAnswer]]]]:
    """Return the number of answers and of each category by cell, and examples of each category."""
    from rtbench.reporting.answers import answers_of
    from rtbench.reporting.wrong_answers import categories_of

    answers: dict[str, int] = {}
    counts: dict[str, Counter[Category]] = {}
    shown: dict[Category, list[tuple[str, ScoredAnswer]]] = {}
    for cell in cells:
        of_cell = answers_of(session, cell, extractor)
        answers[cell.name] = len(of_cell)
        counts[cell.name] = Counter()
        for answer, category in zip(of_cell, categories_of(session.task(cell.task), of_cell), strict=True):
            if category is None:
                continue
            counts[cell.name][category] += 1
            if len(kept := shown.setdefault(category, [])) < examples:
                kept.append((cell.name, answer))
    return answers, counts, shown


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
