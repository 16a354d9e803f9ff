"""Tests of the paper's claims on a finished run: ``rtbench claims``, and a table below the leaderboard.

``evidence`` finds the cells and pairs them by question. ``verdicts`` says which cells each claim compares. ``paper`` has
the paper's own figures. ``evaluation`` computes the results, ``records`` defines them and decides the verdict, and
``rendering`` prints. The intervals are computed by the core (:func:`rtbench.api.difference`). See docs/claims.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench.api import hookimpl

if TYPE_CHECKING:
    from rtbench.api import Register, RunRecord, Services


@hookimpl
def rtbench_register_commands(register: Register) -> None:
    register("claims", "rtbench_plugins.paper.claims.command:claims", summary="test the paper's claims on a run")


@hookimpl
def rtbench_run_summary(run: RunRecord, services: Services) -> str | None:
    from rtbench_plugins.paper.claims.evaluation import evaluate
    from rtbench_plugins.paper.claims.rendering import table

    results = evaluate(run, services.store, "test")
    if all(result.verdict == "not tested" for result in results):
        return None
    hint = f"`rtbench claims {run.name}` lists the cells that each row compares"
    if any(cell.fold == "ood" for cell in run.cells):
        hint += "; `--fold ood` tests the claims on the harder fold"
    return f"{table(results, run.name, 'test')}\n{hint}."
