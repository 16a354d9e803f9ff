"""``rtbench claims``: tests of claims on a finished run, and a table of the default claims below the leaderboard.

The claims come in sets from plugins (hook ``rtbench_register_claims``) and from YAML files (``claims --file``). The set that
is registered with the option ``default`` is shown below every leaderboard. The core evaluates claims
(:func:`rtbench.api.evaluate_claims`); this plugin prints. See docs/claims.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench.api import hookimpl

if TYPE_CHECKING:
    from rtbench.api import Register, RunRecord, Services


@hookimpl
def rtbench_register_commands(register: Register) -> None:
    register("claims", "rtbench_plugins.claims.command:claims", summary="test the claims of a study on a run")


@hookimpl
def rtbench_run_summary(run: RunRecord, services: Services) -> str | None:
    from rtbench_plugins.claims.rendering import Shown, table

    from rtbench.api import claim_set, evaluate_claims

    name = next((entry.name for entry in services.registry("claims") if entry.options.get("default")), None)
    if name is None:
        return None
    claims = claim_set(services, name)
    results = evaluate_claims(claims, run, services.store, "test")
    if all(result.verdict == "not tested" for result in results):
        return None
    hint = f"`rtbench claims {run.name}` lists the cells that each row compares"
    if any(cell.fold == "ood" for cell in run.cells):
        hint += "; `--fold ood` tests the claims on the harder fold"
    return f"{table(Shown(claims, results, run.name, 'test'))}\n{hint}."
