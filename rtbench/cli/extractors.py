"""``rtbench extractors`` and its subcommand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rtbench.cli.common import console, format_option, heading, print_json, print_table, with_session
from rtbench.cli.show import find_cell

if TYPE_CHECKING:
    from rtbench.reporting.answers import Judged
    from rtbench.schema.runs import CellRecord
    from rtbench.session import Session


@click.group(invoke_without_command=True)
@format_option("table", "json")
@with_session
def extractors(session: Session, format_: str) -> None:
    """List the extractors that tasks have, with their versions and what they reproduce."""
    if click.get_current_context().invoked_subcommand is not None:
        return
    found: dict[tuple[str, int, str], list[str]] = {}
    for name in session.registry("tasks").names():
        task = session.task(name)
        for extractor in map(task.extractor, task.info.extractors):
            found.setdefault((extractor.name, extractor.version, extractor.cites), []).append(name)
    if format_ == "json":
        heads = ("extractor", "version", "cites", "tasks")
        print_json([dict(zip(heads, (*key, tasks), strict=True)) for key, tasks in found.items()])
        return
    rows = [(name, str(version), str(len(tasks)), cites) for (name, version, cites), tasks in found.items()]
    print_table(("extractor", "version", "tasks", "reproduces"), rows)


@extractors.command()
@click.argument("one")
@click.argument("other")
@click.option("--cell", metavar="CELL", help="Of this cell.  [default: all of the run]")
@click.option("--run", "run_name", metavar="NAME", help="Of this run.  [default: the latest]")
@click.option("--examples", type=click.IntRange(min=0), default=3, show_default=True, metavar="N", help="Show N texts.")
@format_option("table", "json")
@with_session
def diff(
    session: Session, one: str, other: str, cell: str | None, run_name: str | None, examples: int, format_: str
) -> None:
    """Where two extractors, ONE and OTHER, come to different verdicts on the same completions."""
    from rtbench.reporting.answers import scored_cells
    from rtbench.storage.runs import Runs

    record = Runs(session.workspace).load(run_name)
    cells = [find_cell(session, record, cell)] if cell is not None else scored_cells(session, record)
    rows: list[tuple[str, ...]] = []
    differing: list[dict[str, Any]] = []
    for found in cells:
        pairs = _pairs(session, found, one, other)
        apart = [(a, b) for a, b in pairs if a.score.correct != b.score.correct]
        only = sum(a.score.correct for a, _ in apart)
        rows.append((found.name, str(len(pairs)), str(only), str(len(apart) - only)))
        differing += [_told(found, a, b) for a, b in apart]
    if format_ == "json":
        counted = [dict(zip(("cell", "n", "only_one", "only_other"), row, strict=True)) for row in rows]
        print_json({"one": one, "other": other, "cells": counted, "differing": differing})
        return
    print_table(("cell", "n", f"right by {one} only", f"right by {other} only"), rows)
    out = console()
    for told in differing[:examples]:
        heading(out, f"{told['cell']} {told['sample_index']}")
        for field in ("question", "text", "gold"):
            out.print(f"{field}: {told[field]}", markup=False)
        for name, extracted, right in ((one, *told["one"]), (other, *told["other"])):
            out.print(f"{name}: {extracted!r}", style="green" if right else "red", markup=False)
    out.print(f"{len(differing)} verdicts differ", style="dim")


def _pairs(session: Session, cell: CellRecord, one: str, other: str) -> list[tuple[Judged, Judged]]:
    """Both verdicts on each question; where several completions vote, each extractor may have picked another."""
    from rtbench.reporting.answers import judged_by

    found = judged_by(session, cell, [one, other])
    second = {b.score.sample_index: b for b in found[other]}
    return [(a, second[a.score.sample_index]) for a in found[one]]


def _told(cell: CellRecord, one: Judged, other: Judged) -> dict[str, Any]:
    return {
        "cell": cell.name,
        "sample_index": one.score.sample_index,
        "question": one.sample.question,
        "text": one.completion.full_text,
        "gold": one.sample.answer,
        "one": (one.score.extracted, one.score.correct),
        "other": (other.score.extracted, other.score.correct),
    }
