"""Plans: the cells of a run and their steps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rtbench.plugin.cells import Cell
from rtbench.schema.steps import Step


@dataclass(frozen=True)
class PlannedCell:
    """A cell with its score step, or the reason why it cannot run."""

    cell: Cell
    score: Step | None
    reason: str | None = None
    notes: tuple[str, ...] = ()
    """Members of a pooled teacher that are left out because they have nothing for the task."""
    mentors: tuple[PlannedCell, ...] = ()
    """Cells whose trained students are its teachers."""


@dataclass
class Plan:
    """All cells and steps of a run."""

    matrix: str
    """The matrix's name."""
    description: str
    cells: list[PlannedCell]
    steps: dict[str, Step]
    """Steps by key, in an order in which every step follows its inputs."""
    cached: set[str]
    """Keys of the steps that are already in the store."""
    claims: str | None = None
    """Registered name of the set of claims that the matrix names."""

    @property
    def todo(self) -> list[Step]:
        """Return the steps to run, each after its inputs: those that are not cached.

        A step that is missing below a finished one is among them, because reports read it too.
        """
        return [step for key, step in self.steps.items() if key not in self.cached]


def needed(steps: dict[str, Step], goals: Iterable[str]) -> dict[str, Step]:
    """Return the steps that goals depend on, themselves included, in order.

    Args:
        steps: all steps, by key; each after the steps that it depends on.
        goals: keys of the wanted steps.
    """
    keys = set(goals)
    for key, step in reversed(steps.items()):
        if key in keys:
            keys.update(i.key for i in step.inputs)
    return {key: step for key, step in steps.items() if key in keys}
