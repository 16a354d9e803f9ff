"""``rtbench runs``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rtbench.cli.common import format_option, print_json, print_table, with_session

if TYPE_CHECKING:
    from rtbench.session import Session


@click.command()
@format_option("table", "json")
@with_session
def runs(session: Session, format_: str) -> None:
    """List the runs of the workspace; the last one is what commands take that are given none."""
    from rtbench.runs import Runs

    found = Runs(session.workspace)
    records = [found.load(name) for name in found.names()]
    scored = [sum(c.score is not None and session.store.has("score", c.score) for c in r.cells) for r in records]
    if format_ == "json":
        facts = [
            {
                "run": r.name,
                "made": r.made or None,
                "matrix": r.matrix,
                "tasks": r.tasks,
                "cells": len(r.cells),
                "scored": n,
            }
            for r, n in zip(records, scored, strict=True)
        ]
        print_json(facts)
        return
    rows = [
        (r.name, r.made or "?", r.matrix, f"{n} of {len(r.cells)}", ", ".join(r.tasks))
        for r, n in zip(records, scored, strict=True)
    ]
    print_table(("run", "made", "matrix", "cells scored", "tasks"), rows)
