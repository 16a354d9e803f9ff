"""From cells to a plan: every step once, each with its content key."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Container, Iterable, Iterator
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
        goals = (planned.score.key for planned in self.cells if planned.score is not None)
        return list(_needed(self.steps, goals, held=self.cached).values())


def make_plan(session: Session, matrix: Matrix) -> Plan:
    """Expands a matrix's cells into steps and looks up which of them the store holds."""
    from rtbench.expansion import expand

    builder = StepBuilder(session)
    with _nothing_collected():
        planned = [_planned(session, builder, cell, reason) for cell, reason in expand(session, matrix)]
    steps = _needed(builder.steps, [p.score.key for p in planned if p.score is not None])
    plan = Plan(matrix, planned, steps, session.store.finished((step.kind, key) for key, step in steps.items()))
    session.plugins.modify_plan(plan)
    return plan


def _planned(session: Session, builder: StepBuilder, cell: Cell, reason: str | None) -> PlannedCell:
    if reason is not None:
        return PlannedCell(cell, None, reason)
    builder.notes = []
    try:
        score = session.method(cell.method).steps(cell, builder)
    except (UnavailableError, MissingDataError, StepFailedError) as error:
        return PlannedCell(cell, None, str(error))
    return PlannedCell(cell, score, notes=tuple(builder.notes))


@contextlib.contextmanager
def _nothing_collected() -> Iterator[None]:
    """Everything made here stays: looking for garbage in it, again and again, takes a quarter of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _needed(steps: dict[str, Step], goals: Iterable[str], held: Container[str] = ()) -> dict[str, Step]:
    """The steps that the goals rest on, in their order; not those that are held, nor what only they rest on."""
    needed: set[str] = set()
    stack = list(goals)
    while stack:
        key = stack.pop()
        if key not in needed and key not in held:
            needed.add(key)
            stack.extend([i.key for i in steps[key].inputs])
    return {key: step for key, step in steps.items() if key in needed}
