"""``rtbench extractors`` and its subcommand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rtbench.cli.common import format_option, with_session
from rtbench.cli.completion import run_option
from rtbench.cli.printing import console, heading, print_json, print_table

if TYPE_CHECKING:
    from rtbench.reporting.answers import ScoredAnswer
    from rtbench.schema.runs import CellRecord
    from rtbench.session import Session


@click.group(invoke_without_command=True)
@format_option("table", "json")
@with_session
def extractors(session: Session, format_: str) -> None:
    """List the extractors of all tasks. Shows their versions and the code or paper that they reproduce."""
    if click.get_current_context().invoked_subcommand is not None:
        return
    tasks_by_extractor: dict[tuple[str, int, str], list[str]] = {}
    for name in session.registry("tasks").names():
        task = session.task(name)
        for extractor in map(task.extractor, task.info.extractors):
            key = (extractor.name, extractor.version, extractor.cites)
            tasks_by_extractor.setdefault(key, []).append(name)
    if format_ == "json":
        heads = ("extractor", "version", "cites", "tasks")
        print_json([dict(zip(heads, (*key, tasks), strict=True)) for key, tasks in tasks_by_extractor.items()])
        return
    rows = [
        (name, str(version), str(len(tasks)), cites) for (name, version, cites), tasks in tasks_by_extractor.items()
    ]
    print_table(("extractor", "version", "tasks", "reproduces"), rows)


@extractors.command()
@click.argument("one")
@click.argument("other")
@click.option("--cell", metavar="CELL", help="Cell to read.  [default: all cells of the run]")
@run_option
@click.option(
    "--examples", type=click.IntRange(min=0), default=3, show_default=True, metavar="N", help="Show N completions."
)
@format_option("table", "json")
@with_session
def diff(
    session: Session, one: str, other: str, cell: str | None, run_name: str | None, examples: int, format_: str
) -> None:
    """Show completions that the extractors ONE and OTHER score differently."""
    from rtbench.reporting.answers import scored_cells
    from rtbench.reporting.cells import find_cell

    record = session.open_run(run_name)
    cells = [find_cell(session, record, cell)] if cell is not None else scored_cells(session, record)
    rows: list[tuple[str, ...]] = []
    differing: list[dict[str, Any]] = []
    for current in cells:
        pairs = _pairs(session, current, one, other)
        different = [(a, b) for a, b in pairs if a.score.correct != b.score.correct]
        only_one = sum(a.score.correct for a, _ in different)
        rows.append((current.name, str(len(pairs)), str(only_one), str(len(different) - only_one)))
        differing += [_as_data(current, a, b) for a, b in different]
    if format_ == "json":
        counted = [dict(zip(("cell", "n", "only_one", "only_other"), row, strict=True)) for row in rows]
        print_json({"one": one, "other": other, "cells": counted, "differing": differing})
        return
    print_table(("cell", "n", f"correct by {one} only", f"correct by {other} only"), rows)
    out = console()
    for example in differing[:examples]:
        heading(out, f"{example['cell']} {example['sample_index']}")
        for field in ("question", "text", "gold"):
            out.print(f"{field}: {example[field]}")
        for name, extracted, correct in ((one, *example["one"]), (other, *example["other"])):
            out.print(f"{name}: {extracted!r}", style="green" if correct else "red")
    out.print(f"{len(differing)} scores differ", style="dim")


def _pairs(session: Session, cell: CellRecord, one: str, other: str) -> list[tuple[ScoredAnswer, ScoredAnswer]]:
    """Return both scores of each question. Where completions vote, each extractor may have chosen a different one."""
    from rtbench.reporting.answers import answers_by_extractor

    answers = answers_by_extractor(session, cell, [one, other])
    second = {b.score.sample_index: b for b in answers[other]}
    return [(a, second[a.score.sample_index]) for a in answers[one]]


def _as_data(cell: CellRecord, one: ScoredAnswer, other: ScoredAnswer) -> dict[str, Any]:
    """Return an answer with both scores as JSON data."""
    return {
        "cell": cell.name,
        "sample_index": one.score.sample_index,
        "question": one.sample.question,
        "text": one.completion.full_text,
        "gold": one.sample.answer,
        "one": (one.score.extracted, one.score.correct),
        "other": (other.score.extracted, other.score.correct),
    }
