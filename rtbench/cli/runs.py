"""``rtbench runs``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rtbench.cli.common import format_option, print_json, print_table, with_session

if TYPE_CHECKING:
    from rtbench.session import Session


@click.command()
@format_option("table", "json")
@with_session
def runs(session: Session, format_: str) -> None:
    """List the runs of the workspace. Without a run, other commands use the latest."""
    from rtbench.errors import BadInputError
    from rtbench.storage.runs import Runs

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
