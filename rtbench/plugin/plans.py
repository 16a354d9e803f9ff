"""Plans: the cells of a run, and the steps that answer them."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

from rtbench.plugin.cells import Cell
from rtbench.schema.steps import Step


@dataclass(frozen=True)
class PlannedCell:
    """A cell with the step that answers it, or why it cannot run."""

    cell: Cell
    score: Step | None
    reason: str | None = None
    notes: tuple[str, ...] = ()
    """What it does without: members of a pooled teacher that have nothing for the task."""


@dataclass
class Plan:
    """Everything a run will do."""

    matrix: str
    """The matrix's name."""
    description: str
    cells: list[PlannedCell]
    steps: dict[str, Step]
    """By key, in an order in which every step follows its inputs."""
    cached: set[str]
    """Keys of the steps that the store holds."""

    @property
    def todo(self) -> list[Step]:
        """Steps to be done, each after its inputs: not cached, and needed by a cell whose score is not."""
        goals = (planned.score.key for planned in self.cells if planned.score is not None)
        return list(needed(self.steps, goals, held=self.cached).values())


def needed(steps: dict[str, Step], goals: Iterable[str], held: Container[str] = ()) -> dict[str, Step]:
    """Return the steps that goals rest on, in their order; not those that are held, nor what only they rest on."""
    keys: set[str] = set()
    stack = list(goals)
    while stack:
        key = stack.pop()
        if key not in keys and key not in held:
            keys.add(key)
            stack.extend([i.key for i in steps[key].inputs])
    return {key: step for key, step in steps.items() if key in keys}
