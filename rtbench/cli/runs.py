"""``rtbench runs`` and its subcommands."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rtbench import __version__
from rtbench.cli.common import (
    NAME,
    format_option,
    matrix_options,
    planned,
    print_json,
    print_table,
    run_name,
    with_session,
)

if TYPE_CHECKING:
    from rtbench.schema.steps import StepKind
    from rtbench.session import Session


@click.group(invoke_without_command=True)
@format_option("table", "json")
@with_session
def runs(session: Session, format_: str) -> None:
    """List the runs of the workspace. Without a run, other commands use the latest.

    Subcommands pack a run into small files, and unpack them in another workspace.
    """
    from rtbench.errors import BadInputError
    from rtbench.storage.runs import Runs

    if click.get_current_context().invoked_subcommand is not None:
        return
    stored = Runs(session.workspace)
    rows: list[tuple[str, ...]] = []
    facts: list[dict[str, Any]] = []
    for name in stored.names():
        try:
            run = stored.load(name)
        except BadInputError as error:
            rows.append((name, "?", "?", "?", f"cannot be read: {error.what}"))
            facts.append({"run": name, "error": error.what})
            continue
        scored = sum(session.store.scored(cell) for cell in run.cells)
        rows.append((name, run.made or "?", run.matrix, f"{scored} of {len(run.cells)}", ", ".join(run.tasks)))
        facts.append(
            {
                "run": name,
                "made": run.made or None,
                "matrix": run.matrix,
                "tasks": run.tasks,
                "cells": len(run.cells),
                "scored": scored,
            }
        )
    if format_ == "json":
        print_json(facts)
    else:
        print_table(("run", "date", "matrix", "cells scored", "tasks"), rows)


@runs.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--run", "name", metavar="NAME", help="Run to pack.  [default: the latest]")
@with_session
def pack(session: Session, folder: Path, name: str | None) -> None:
    """Write the completions and training reports of a run into DIR, one small file per finished step.

    With these files, the matrix and the data, `rtbench runs unpack` restores the run in another workspace. Prompts,
    recordings, scores and weights are not packed. Files that are in DIR already are kept, so that a run can be packed
    again when more of its cells are finished.
    """
    from rtbench.steps.packing import pack as pack_run
    from rtbench.storage.runs import Runs

    record = Runs(session.workspace).load(name)
    packed = pack_run(session, record, folder)
    present = f"; {packed.present} were there already" if packed.present else ""
    click.echo(f"{folder}: packed {_steps_text(packed.written)} of run {record.name}{present}")


@runs.command()
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@matrix_options
@NAME
@with_session
def unpack(session: Session, folder: Path, name: str | None, **arguments: Any) -> None:
    """Restore a run that `rtbench runs pack` wrote into DIR, as far as its steps are finished.

    Give the matrix and the options of the packed run: the plan must have the same steps. Afterwards, `rtbench report`
    shows the run, and `rtbench run` with the same options continues it.
    """
    from rtbench.planning.records import overlaps, random_accuracies, run_record
    from rtbench.steps.packing import unpack as unpack_run
    from rtbench.storage.runs import Runs

    plan = planned(session, dict(arguments))
    name = name or run_name(plan, arguments)
    unpacked = unpack_run(session, plan, folder)
    random, overlap = random_accuracies(session, plan), overlaps(session, plan)
    record = run_record(name, plan, None, version=__version__, random=random, overlap=overlap)
    Runs(session.workspace).save(record)
    click.echo(f"unpacked {_steps_text(unpacked.steps)} with {unpacked.completions:,} completions")
    for count, what in (
        (unpacked.present, "belong to steps that were finished already"),
        (unpacked.waiting, "belong to steps whose prompts need completions that are not packed"),
        (unpacked.unknown, f"belong to no step of the matrix {plan.matrix}"),
    ):
        if count:
            click.echo(f"{count} file{'s' if count > 1 else ''} {what}")
    scored = sum(session.store.scored(cell) for cell in record.cells)
    click.echo(f"run {name}: {scored} of {len(record.cells)} cells are scored; to show them: rtbench report {name}")


def _steps_text(steps: Counter[StepKind]) -> str:
    """Return numbers of trainings and ``complete`` steps in words."""
    trainings, complete = steps["train"], steps["complete"]
    return (
        f"{trainings} training{'s' if trainings != 1 else ''} and {complete} step{'s' if complete != 1 else ''} of "
        "completions"
    )
