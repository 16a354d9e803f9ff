"""``rtbench plan``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rtbench.cli.common import console, format_option, matrix_options, planned, print_json, with_session

if TYPE_CHECKING:
    from rich.console import Console

    from rtbench.estimate import StepEstimate
    from rtbench.plan import Plan
    from rtbench.session import Session


@click.command()
@matrix_options
@click.option("--all", "everything", is_flag=True, help="List cached steps too.")
@format_option("table", "json")
@with_session
def plan(session: Session, format_: str, everything: bool, **arguments: Any) -> None:
    """Show what a run would do: steps cached and to do, with requests and tokens."""
    from rtbench.estimate import estimate

    made = planned(session, arguments)
    estimates = estimate(session, made)
    if format_ == "json":
        print_json(as_data(made, estimates))
    else:
        show(made, estimates, everything=everything)


def as_data(made: Plan, estimates: dict[str, StepEstimate]) -> dict[str, Any]:
    """The plan for programs."""
    todo = {step.key for step in made.todo}
    return {
        "matrix": made.matrix.name,
        "cells": [
            {
                "name": p.cell.name,
                "score": p.score.key if p.score else None,
                "reason": p.reason,
                "notes": list(p.notes),
            }
            for p in made.cells
        ],
        "steps": [
            {
                "key": step.key,
                "kind": step.kind,
                "title": step.title,
                "state": "to do" if key in todo else "cached" if key in made.cached else "not needed",
                "inputs": [i.key for i in step.inputs],
                "estimate": estimates.get(key),
            }
            for key, step in made.steps.items()
        ],
        "to_do": len(todo),
        "cached": len(made.cached),
    }


def show(made: Plan, estimates: dict[str, StepEstimate], *, everything: bool) -> None:
    """The plan for people."""
    from rich.table import Table

    out = console()
    todo = {step.key for step in made.todo}
    table = Table(title=f"plan of {made.matrix.name}", title_justify="left")
    for column in ("step", "state"):
        table.add_column(column)
    for column in ("requests", "of them new", "prompt tokens ≈", "new tokens ≤", "cost ≤"):
        table.add_column(column, justify="right")
    for key, step in made.steps.items():
        if key not in todo and not everything:
            continue
        e = estimates.get(key)
        numbers = ["", "", "", "", ""]
        if e is not None:
            numbers = [f"{e.requests:,}", f"{e.new:,}", f"{e.prompt_tokens:,}", f"{e.new_tokens:,}", e.money]
        state = "to do" if key in todo else "cached" if key in made.cached else "not needed"
        table.add_row(step.title, state, *numbers)
    if table.row_count:
        out.print(table)
    _sum_up(made, todo, out)


def _sum_up(made: Plan, todo: set[str], out: Console) -> None:
    """Counts of steps and cells, and what cannot run."""
    kinds: dict[str, list[int]] = {}
    for key, step in made.steps.items():
        counts = kinds.setdefault(step.kind, [0, 0])
        counts[0 if key in todo else 1] += 1
    for kind, (new, held) in kinds.items():
        out.print(f"{kind:9} {new:5} to do, {held:5} cached or not needed")
    unable = [p for p in made.cells if p.reason]
    runnable = len(made.cells) - len(unable)
    out.print(f"{len(made.cells)} cells: {runnable} can run, {len(unable)} cannot")
    for p in unable:
        out.print(f"  {p.cell.name}: {p.reason}", style="yellow", markup=False)
    notes = {note for p in made.cells for note in p.notes}
    for note in sorted(notes):
        out.print(f"  note: {note}", style="dim", markup=False)
