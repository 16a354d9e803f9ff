"""Which steps the runs of a workspace refer to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rtbench.errors import BadInputError

if TYPE_CHECKING:
    from rtbench.schema.runs import CellRecord, RunRecord
    from rtbench.schema.steps import StepKind
    from rtbench.storage.store import Store

StepId = tuple["StepKind", str]
"""Kind and key of a step."""


def steps_of(run: RunRecord, store: Store) -> tuple[set[StepId], bool]:
    """Return the finished steps that a run uses, directly or as inputs of others, and whether all of its steps are finished."""
    found: set[StepId] = set()
    whole = True
    stack = [step for cell in run.cells for step in _named(cell)]
    while stack:
        step = stack.pop()
        if step in found:
            continue
        if not store.has(*step):
            whole = False
            continue
        found.add(step)
        try:
            stack.extend((i.kind, i.key) for i in store.meta(*step).inputs)
        except BadInputError:
            whole = False  # its inputs are unknown
    return found, whole


def _named(cell: CellRecord) -> Iterator[StepId]:
    """Yield the steps that a cell's record names."""
    trained = (cell.checkpoint, *cell.trainings)
    asked: Iterable[str] = (*cell.completions, *cell.asked, *cell.asked_student)
    yield from (("score", key) for key in (cell.score, cell.selected_by) if key is not None)
    yield from (("train", key) for key in trained if key is not None)
    yield from (("complete", key) for key in asked)
    if cell.examples is not None:
        yield "curate", cell.examples
