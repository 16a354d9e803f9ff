"""Find the cells whose trained students teach other cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rtbench.errors import BadInputError, UnavailableError, listed
from rtbench.plugin.cells import Cell
from rtbench.plugin.plans import PlannedCell
from rtbench.schema.matrix import CellSelector


class TrainedCells:
    """Plans cells, each once, and finds the cell that a teacher is trained by.

    Args:
        cells: all cells of the matrix, with the reasons why they cannot run.
        plan: plans a cell.
    """

    def __init__(
        self, cells: Sequence[tuple[Cell, str | None]], plan: Callable[[Cell, str | None], PlannedCell]
    ) -> None:
        self._cells = cells
        self._plan = plan
        self._planned: dict[str, PlannedCell] = {}
        self._open: list[str] = []
        """Cells that are being planned, each taught by the next."""
        self._trained: dict[object, list[tuple[Cell, str | None]]] | None = None

    def planned(self, cell: Cell, reason: str | None) -> PlannedCell:
        """Return a planned cell."""
        known = self._planned.get(cell.name)
        if known is None:
            self._open.append(cell.name)
            known = self._planned[cell.name] = self._plan(cell, reason)
            self._open.pop()
        return known

    def teaching(self, cell: Cell, selector: CellSelector) -> PlannedCell:
        """Return the cell whose student teaches another cell.

        Raises:
            UnavailableError: no cell is selected, or it cannot run.
            BadInputError: several trainings are selected, or the cell would be taught by its own student.
        """
        found: dict[str, tuple[Cell, str | None]] = {}
        for one, reason in self._candidates(cell, selector):
            if one.training not in found or found[one.training][1] is not None:  # some of its folds may be missing
                found[one.training] = (one, reason)
        teacher = cell.teacher.name if cell.teacher else "?"
        if not found:
            known = list(dict.fromkeys(one.training for one, _ in self._cells if one.trains and one.task == cell.task))
            raise UnavailableError(
                f"teacher {teacher} selects no cell of the matrix: none has {_in_words(selector)}",
                next_step=f"Trainings on {cell.task.dataset}: {listed(known, 6) or 'none'}.",
            )
        if len(found) > 1:
            raise BadInputError(
                f"it selects several trainings: {listed(list(found), 4)}",
                where=f"teacher {teacher}",
                next_step="State more of `student`, `teacher`, `degree`, `fraction` and `train_tasks` in `from`.",
            )
        ((mentor, reason),) = found.values()
        if mentor.name in self._open:
            raise BadInputError(
                f"{mentor.training} would be taught by its own student",
                where=f"teacher {teacher}",
                next_step="Select a cell that has another teacher.",
            )
        planned = self.planned(mentor, reason)
        if planned.score is None:
            raise UnavailableError(
                f"its teacher is the student of {mentor.training}, which cannot run: {planned.reason}"
            )
        return planned

    def _candidates(self, cell: Cell, selector: CellSelector) -> list[tuple[Cell, str | None]]:
        if self._trained is None:
            self._trained = {}
            for one, reason in self._cells:
                for part in one.parts if one.trains else ():
                    self._trained.setdefault((one.method, part.task, one.seed), []).append((one, reason))
        seed = cell.seed if selector.seed is None else selector.seed
        student = selector.student or (cell.student.name if cell.student else None)
        matching = [
            (one, reason)
            for one, reason in self._trained.get((selector.method, cell.task, seed), [])
            if one.student is not None
            and one.student.name == student
            and selector.teacher in (None, one.teacher and one.teacher.name)
            and selector.degree in (None, one.degree)
            and selector.fraction in (None, one.fraction)
        ]
        if selector.train_tasks is not None:
            return [item for item in matching if selector.train_tasks == item[0].train_names]
        return [item for item in matching if not item[0].train_on] or matching


def _in_words(selector: CellSelector) -> str:
    stated = {name: getattr(selector, name) for name in selector.__struct_fields__}
    return ", ".join(f"{name} {value}" for name, value in stated.items() if value is not None)
