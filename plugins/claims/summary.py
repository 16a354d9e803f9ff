"""The claims of a run's matrix, as they are shown with its leaderboards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench_plugins.claims.rendering import Shown, table

from rtbench.api import claim_set, evaluate_claims, to_paste

if TYPE_CHECKING:
    from rtbench.api import RunRecord, Services


def evaluated(run: RunRecord, services: Services) -> Shown | None:
    """Return the claims of a run's matrix, tested on the run; None where there are none, or none could be tested."""
    known = services.registry("claims")
    name = run.claims or next((entry.name for entry in known if entry.options.get("default")), None)
    if name is None or name not in known:  # the plugin of the run's claims may be gone
        return None
    claims = claim_set(services, name)
    results = evaluate_claims(claims, run, services.store, "test", services.ledger)
    if all(result.verdict == "not tested" for result in results):
        return None
    return Shown(claims, results, run.name, "test")


def summary(shown: Shown, run: RunRecord) -> str:
    """Return the claims as a table for the terminal, and how to show more of them."""
    hint = f"`{to_paste('claims', run.name)}` lists the cells that each row compares"
    if any(cell.fold == "ood" for cell in run.cells):
        hint += "; `--fold ood` tests the claims on the harder fold"
    return f"{table(shown)}\n{hint}."
