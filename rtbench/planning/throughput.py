"""Measured speed of earlier steps in this workspace, from which a plan's times are estimated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rtbench.errors import BadInputError
from rtbench.schema.objectives import name_of
from rtbench.schema.steps import CompleteSpec, Step, TrainSpec

if TYPE_CHECKING:
    from rtbench.storage.store import Store

NEWEST = 200
"""Number of latest steps of each kind that are read. A workspace may hold many thousands."""

Trait = tuple[str, str, str]
"""Kind, model and prompt format, with a training's objective. Steps that share them take about the same time per unit."""


def seconds_per_unit(store: Store) -> dict[Trait, float]:
    """Return the seconds per completion and per training step, by kind, model and prompt format."""
    spent: dict[Trait, tuple[float, int]] = {}
    for kind in ("complete", "train"):
        for key in store.newest(kind, NEWEST):
            timing = store.timing(kind, key)
            if timing is None or not timing.units or timing.elsewhere:
                continue
            try:
                spec: dict[str, Any] = store.meta(kind, key).spec
            except BadInputError:  # damaged: a run does the step again
                continue
            objective = (spec.get("objective") or {}).get("type")
            trait = (kind, str(spec["model"]["name"]), _work(str(spec["format"]["name"]), objective))
            seconds, units = spent.get(trait, (0.0, 0))
            spent[trait] = (seconds + timing.seconds, units + timing.units)
    return {trait: seconds / units for trait, (seconds, units) in spent.items()}


def trait_of(step: Step) -> Trait | None:
    """Return the trait that a step's time depends on, or None for kinds that take almost no time."""
    spec = step.spec
    if isinstance(spec, TrainSpec):
        objective = None if spec.objective is None else name_of(spec.objective)
        return (step.kind, spec.model.name, _work(spec.format.name, objective))
    if isinstance(spec, CompleteSpec):
        return (step.kind, spec.model.name, spec.format.name)
    return None


def _work(prompt_format: str, objective: str | None) -> str:
    return prompt_format if objective is None else f"{prompt_format} {objective}"
