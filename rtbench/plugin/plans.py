"""Plans: the cells of a run and their steps."""

from __future__ import annotations

from collections.abc import Container, Iterable
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
        """Return the steps to run, each after its inputs: those that are not cached and that an unscored cell needs."""
        goals = (planned.score.key for planned in self.cells if planned.score is not None)
        return list(needed(self.steps, goals, held=self.cached).values())


def needed(steps: dict[str, Step], goals: Iterable[str], held: Container[str] = ()) -> dict[str, Step]:
    """Return the steps that goals depend on, themselves included, in order.

    Args:
        steps: all steps, by key; each after the steps that it depends on.
        goals: keys of the wanted steps.
        held: keys of finished steps; these, and the steps that only they depend on, are left out.
    """
    keys = {key for key in goals if key not in held}
    for key, step in reversed(steps.items()):
        if key in keys:
            for i in step.inputs:
                if i.key not in held:
                    keys.add(i.key)
    return {key: step for key, step in steps.items() if key in keys}
