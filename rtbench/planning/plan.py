"""Turn a resolved matrix into a plan: its steps without duplicates, each with its content key."""

from __future__ import annotations

import contextlib
import functools
import gc
from collections.abc import Iterator, Sequence

import msgspec

from rtbench.errors import MissingDataError, PluginError, StepFailedError, UnavailableError
from rtbench.matrix.expand import expand
from rtbench.matrix.resolved import ResolvedMatrix
from rtbench.planning.builder import CellBuilder, step_text
from rtbench.planning.completing import CompleteSteps
from rtbench.planning.curation import CurationSteps
from rtbench.planning.step_table import StepTable
from rtbench.planning.students import StudentSteps
from rtbench.planning.teachers import TeacherSteps
from rtbench.planning.trained import TrainedCells
from rtbench.plugin.cells import Cell
from rtbench.plugin.methods import Method
from rtbench.plugin.plans import Plan, PlannedCell, needed
from rtbench.plugin.services import Services
from rtbench.schema.steps import Step, trains
from rtbench.steps.epochs import lacking_epochs


def make_plan(matrix: ResolvedMatrix, services: Services) -> Plan:
    """Expand a matrix's cells into steps, and look up which of them are in the store.

    Raises:
        BadInputError: see :func:`rtbench.matrix.expand.expand`.
    """
    table = StepTable(services)
    with _garbage_collection_paused():
        cells = list(expand(matrix))
        trained = TrainedCells(
            cells, lambda cell, reason: _planned(builder(), matrix.methods[cell.method], cell, reason)
        )
        steps = CompleteSteps(table)
        teachers, students = TeacherSteps(steps, trained.teaching), StudentSteps(steps)
        builder = functools.partial(CellBuilder, table, teachers, students, CurationSteps(table, students))
        planned = [trained.planned(cell, reason) for cell, reason in cells]
    wanted = needed(table.steps, [p.score.key for p in planned if p.score is not None])
    cached = services.store.finished((step.kind, key) for key, step in wanted.items())
    _check_methods(matrix, planned, wanted)
    plan = Plan(matrix.name, matrix.file.description, planned, wanted, cached, matrix.file.claims)
    while lacking := lacking_epochs(plan, services.store):  # a training that is repeated may need another's weights
        for key in lacking:
            wanted[key] = msgspec.structs.replace(wanted[key], again=True)
            cached.discard(key)
    return plan


def _planned(builder: CellBuilder, method: Method, cell: Cell, reason: str | None) -> PlannedCell:
    if reason is not None:
        return PlannedCell(cell, None, reason)
    try:
        score = method.steps(cell, builder)
    except (UnavailableError, MissingDataError, StepFailedError) as error:
        return PlannedCell(cell, None, str(error))
    if getattr(score, "kind", None) != "score":
        raise PluginError(
            f"its steps() returned {step_text(score)}, not a `score` step",
            where=f"method {method.name}",
            next_step="Return what build.test() or build.score() returns.",
        )
    return PlannedCell(cell, score, notes=builder.notes, mentors=builder.mentors)


def _check_methods(matrix: ResolvedMatrix, planned: Sequence[PlannedCell], steps: dict[str, Step]) -> None:
    """Check that each method says whether it trains, by the steps of its first cell.

    Raises:
        PluginError: a method trains without saying so: its cells would have no recipe, and no claim would count them.
    """
    first: dict[str, PlannedCell] = {}
    for one in planned:
        if one.score is not None and not one.mentors and not matrix.methods[one.cell.method].trains:
            first.setdefault(one.cell.method, one)
    for name, one in first.items():
        assert one.score is not None
        if one.cell.student is not None and any(map(trains, needed(steps, [one.score.key]).values())):
            raise PluginError(
                "its `trains` is False, but its steps train",
                where=f"method {name}",
                next_step="Set `trains = True`.",
            )


@contextlib.contextmanager
def _garbage_collection_paused() -> Iterator[None]:
    """Pause garbage collection.

    The objects of a plan stay alive, and collecting among them takes a quarter of the planning time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
