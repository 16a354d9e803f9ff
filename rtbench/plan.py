"""From cells to a plan: every step once, each with its content key."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtbench.builder import StepBuilder
from rtbench.errors import MissingDataError, StepFailedError, UnavailableError
from rtbench.specs import Cell, Step

if TYPE_CHECKING:
    from rtbench.config import Matrix
    from rtbench.session import Session


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

    matrix: Matrix
    cells: list[PlannedCell]
    steps: dict[str, Step]
    """By key, in an order in which every step follows its inputs."""
    cached: set[str]
    """Keys of the steps that the store holds."""

    @property
    def todo(self) -> list[Step]:
        """Steps to be done, each after its inputs: not cached, and needed by a cell whose score is not."""
        needed: set[str] = set()
        stack = [planned.score.key for planned in self.cells if planned.score is not None]
        while stack:
            key = stack.pop()
            if key not in needed and key not in self.cached:
                needed.add(key)
                stack.extend(i.key for i in self.steps[key].inputs)
        return [step for key, step in self.steps.items() if key in needed]


def make_plan(session: Session, matrix: Matrix) -> Plan:
    """Expands a matrix's cells into steps and looks up which of them the store holds."""
    from rtbench.expansion import expand

    builder = StepBuilder(session)
    planned: list[PlannedCell] = []
    for cell, reason in expand(session, matrix):
        if reason is not None:
            planned.append(PlannedCell(cell, None, reason))
            continue
        builder.notes = []
        try:
            score = session.method(cell.method).steps(cell, builder)
            planned.append(PlannedCell(cell, score, notes=tuple(builder.notes)))
        except (UnavailableError, MissingDataError, StepFailedError) as error:
            planned.append(PlannedCell(cell, None, str(error)))
    steps = _needed(builder.steps, [p.score.key for p in planned if p.score is not None])
    cached = {key for key, step in steps.items() if session.store.has(step.kind, key)}
    plan = Plan(matrix, planned, steps, cached)
    session.plugins.modify_plan(plan)
    return plan


def _needed(steps: dict[str, Step], goals: Iterable[str]) -> dict[str, Step]:
    """The steps that the goals rest on, each after its inputs."""
    ordered: dict[str, Step] = {}
    stack = [(key, False) for key in reversed(list(dict.fromkeys(goals)))]
    while stack:
        key, expanded = stack.pop()
        if key in ordered:
            continue
        if expanded:
            ordered[key] = steps[key]
            continue
        stack.append((key, True))
        stack.extend((i.key, False) for i in reversed(steps[key].inputs) if i.key not in ordered)
    return ordered
