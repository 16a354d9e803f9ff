"""Estimate of the disk that a plan's checkpoints need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench.plugin.plans import Plan
from rtbench.schema.base import Record
from rtbench.schema.steps import trains

if TYPE_CHECKING:
    from rtbench.plugin.services import Services


class CheckpointDisk(Record, frozen=True):
    """Disk that the trainings of a plan need, in bytes."""

    kept: int
    """What is left after the run: the weights of each training's selected epoch."""
    compared: int
    """The same if every epoch of every training is there at once. Losing epochs are removed as soon as a cell is scored."""
    unknown: tuple[str, ...] = ()
    """Students whose size is not known."""


def checkpoint_disk(services: Services, plan: Plan) -> CheckpointDisk | None:
    """Return the disk that the trainings to do need; None where there are none on this machine."""
    kept = compared = 0
    unknown: dict[str, None] = {}
    for step in plan.todo:
        if not trains(step):
            continue
        model = step.spec.model
        student = services.student(model.plugin, model.name, model.options)
        if student.engine(trained=True) is None:  # trained elsewhere
            continue
        size = student.checkpoint_bytes()
        if size is None:
            unknown[model.name] = None
            continue
        recipe = step.spec.recipe
        kept += size
        compared += size * (recipe.epochs + 1 if recipe.by_answers else 1)
    return CheckpointDisk(kept, compared, tuple(unknown)) if kept or unknown else None
