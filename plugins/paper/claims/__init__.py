"""The paper's claims, each with a verdict from a finished run: ``rtbench claims``, and a table below the leaderboard.

``evidence`` finds the cells and pairs them by question, ``statistics`` has the interval, ``verdicts`` the claims,
``paper`` what the paper's own figures say, ``evaluation`` puts them together and ``rendering`` prints. See docs/claims.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench.api import hookimpl

if TYPE_CHECKING:
    from rtbench.api import Register, RunRecord, Services


@hookimpl
def rtbench_register_commands(register: Register) -> None:
    register("claims", "rtbench_plugins.paper.claims.command:claims", summary="the paper's claims, tested on a run")


@hookimpl
def rtbench_run_summary(run: RunRecord, services: Services) -> str | None:
    from rtbench_plugins.paper.claims.evaluation import evaluate
    from rtbench_plugins.paper.claims.rendering import table

    found = evaluate(run, services.store, "test")
    if all(one.verdict == "not tested" for one in found):
        return None
    hint = f"`rtbench claims {run.name}` names the cells behind each line"
    if any(cell.fold == "ood" for cell in run.cells):
        hint += ", with `--fold ood` on the harder fold"
    return f"{table(found, run.name, 'test')}\n{hint}."
