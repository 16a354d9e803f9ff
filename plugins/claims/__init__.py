"""``rtbench claims``: tests of claims on a finished run, and the findings that a run ends with.

The claims come in sets from plugins (hook ``rtbench_register_claims``) and from YAML files (``claims --file``). The set that
a matrix names is shown with its leaderboards, otherwise the set that is registered with the option ``default``. The core
evaluates claims (:func:`rtbench.api.evaluate_claims`); this plugin prints. See docs/claims.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench.api import hookimpl, shown_in_line

if TYPE_CHECKING:
    from rtbench.api import Register, RunRecord, Services


@hookimpl
def rtbench_register_commands(register: Register) -> None:
    register("claims", "rtbench_plugins.claims.command:claims", summary="test the claims of a study on a run")


@hookimpl
def rtbench_run_summary(run: RunRecord, services: Services, brief: bool) -> str | None:
    from rtbench_plugins.claims.findings import findings
    from rtbench_plugins.claims.summary import evaluated, summary

    if run.claims is not None and run.claims not in services.registry("claims"):
        return f"The claims {shown_in_line(run.claims)} of this run are not tested: no loaded plugin has them."
    shown = evaluated(run, services)
    if shown is None:
        return None
    return findings(shown) if brief else summary(shown, run)
