"""How fast steps went before in this workspace: what a plan's times are estimated from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rtbench.schema.steps import CompleteSpec, Step, TrainSpec

if TYPE_CHECKING:
    from rtbench.storage.store import Store

NEWEST = 200
"""Steps of a kind that are looked at; a workspace may hold many thousands."""

Trait = tuple[str, str, str]
"""Kind, model and prompt format: steps that share them go at about one rate."""


def seconds_per_unit(store: Store) -> dict[Trait, float]:
    """Seconds per completion and per training step, by kind, model and prompt format."""
    spent: dict[Trait, tuple[float, int]] = {}
    for kind in ("complete", "train"):
        for key in store.newest(kind, NEWEST):
            timing = store.timing(kind, key)
            if timing is None or not timing.units:
                continue
            spec: dict[str, Any] = store.meta(kind, key).spec
            trait = (kind, str(spec["model"]["name"]), str(spec["format"]["name"]))
            seconds, units = spent.get(trait, (0.0, 0))
            spent[trait] = (seconds + timing.seconds, units + timing.units)
    return {trait: seconds / units for trait, (seconds, units) in spent.items()}


def trait_of(step: Step) -> Trait | None:
    """The trait that a step's time depends on; None for the kinds that take no time to speak of."""
    spec = step.spec
    if isinstance(spec, CompleteSpec | TrainSpec):
        return (step.kind, spec.model.name, spec.format.name)
    return None
