"""``rtbench claims``: tests of claims on a finished run, and the findings that a run ends with.

The claims come in sets from plugins (hook ``rtbench_register_claims``) and from YAML files (``claims --file``). The set that
a matrix names is shown with its leaderboards, otherwise the set that is registered with the option ``default``. The core
evaluates claims (:func:`rtbench.api.evaluate_claims`); this plugin prints. See docs/claims.md.
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
def rtbench_run_summary(run: RunRecord, services: Services, brief: bool) -> str | None:
    from rtbench_plugins.claims.findings import findings
    from rtbench_plugins.claims.rendering import Shown, table

    from rtbench.api import claim_set, evaluate_claims, to_paste

    known = services.registry("claims")
    name = run.claims or next((entry.name for entry in known if entry.options.get("default")), None)
    if name is None or name not in known:  # the plugin of the run's claims may be gone
        return None
    claims = claim_set(services, name)
    results = evaluate_claims(claims, run, services.store, "test", services.ledger)
    if all(result.verdict == "not tested" for result in results):
        return None
    shown = Shown(claims, results, run.name, "test")
    if brief:
        return findings(shown)
    hint = f"`{to_paste('claims', run.name)}` lists the cells that each row compares"
    if any(cell.fold == "ood" for cell in run.cells):
        hint += "; `--fold ood` tests the claims on the harder fold"
    return f"{table(shown)}\n{hint}."
