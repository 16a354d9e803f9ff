"""``rtbench runs`` and its subcommands."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rtbench.cli.common import format_option, with_session
from rtbench.cli.completion import complete_run
from rtbench.cli.hints import to_paste
from rtbench.cli.matrix_options import NAME, matrix_options
from rtbench.cli.output import echo
from rtbench.cli.printing import print_json, print_table
from rtbench.version import __version__

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
    stored = Runs(session.place)
    rows: list[tuple[str, ...]] = []
    facts: list[dict[str, Any]] = []
    damaged: list[BadInputError] = []
    for name in stored.names():
        try:
            run = stored.load(name)
        except BadInputError as error:
            damaged.append(error)
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
    if damaged:
        raise damaged[0]


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
    from rtbench.storage.writing import naming

    record = session.open_run(name)
    with naming(folder):
        packed = pack_run(session, record, folder)
    present = f"; {packed.present} were there already" if packed.present else ""
    echo(f"{folder}: packed {_steps_text(packed.written)} of run {record.name}{present}")


@runs.command()
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@matrix_options
@NAME
@with_session
def unpack(session: Session, folder: Path, name: str | None, matrix: str | None, **arguments: Any) -> None:
    """Restore a run that `rtbench runs pack` wrote into DIR, as far as its steps are finished.

    Give the matrix and the options of the packed run: the plan must have the same steps. Afterwards, `rtbench report`
    shows the run, and `rtbench run` with the same options continues it.
    """
    from rtbench.planning.records import overlaps, random_accuracies, run_record
    from rtbench.running.choice import default_name, planned
    from rtbench.steps.packing import unpack as unpack_run
    from rtbench.storage.active import active_run
    from rtbench.storage.given_files import remember
    from rtbench.storage.runs import Runs

    plan = planned(session, matrix, arguments)
    name = name or default_name(plan, arguments)
    with active_run(session.place, name, exclusive=True):
        unpacked = unpack_run(session, plan, folder)
        random, overlap = random_accuracies(session, plan), overlaps(session, plan)
        files = session.given_files()
        remember(files)
        record = run_record(
            name,
            plan,
            None,
            version=__version__,
            random=random,
            overlap=overlap,
            files=files,
            plugins=session.plugin_versions(),
        )
        Runs(session.place).save(record)
    echo(f"unpacked {_steps_text(unpacked.steps)} with {unpacked.completions:,} completions")
    for count, what in (
        (unpacked.present, "belong to steps that were finished already"),
        (unpacked.waiting, "belong to steps whose prompts need completions that are not packed"),
        (unpacked.unknown, f"belong to no step of the matrix {plan.matrix}"),
    ):
        if count:
            echo(f"{count} file{'s' if count > 1 else ''} {what}")
    scored = sum(session.store.scored(cell) for cell in record.cells)
    echo(f"run {name}: {scored} of {len(record.cells)} cells are scored; to show them: {to_paste('report', name)}")


@runs.command()
@click.argument("names", metavar="NAME…", nargs=-1, required=True, shell_complete=complete_run)
@with_session
def rm(session: Session, names: tuple[str, ...]) -> None:
    """Remove the records of runs. `rtbench gc --delete` then removes the steps that no other run uses.

    The account of a run is kept, so that a budget still counts what a run of this name has spent.
    """
    from rtbench.storage.active import alone_in
    from rtbench.storage.runs import Runs

    stored = Runs(session.place)
    for name in names:
        stored.check(name)
    with alone_in(session.place):
        for name in names:
            stored.remove(name)
    echo(f"removed {', '.join(names)}; `rtbench gc` lists what no run needs any more")


def _steps_text(steps: Counter[StepKind]) -> str:
    """Return numbers of trainings and ``complete`` steps in words."""
    trainings, complete = steps["train"], steps["complete"]
    return (
        f"{trainings} training{'s' if trainings != 1 else ''} and {complete} step{'s' if complete != 1 else ''} of "
        "completions"
    )
