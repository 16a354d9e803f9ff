"""Expand a resolved matrix into its cells. Pure."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence

from rtbench.errors import BadInputError
from rtbench.matrix.resolved import ResolvedBlock, ResolvedMatrix, ResolvedStudent, ResolvedTask, ResolvedTeacher
from rtbench.plugin.cells import Cell, CellModels
from rtbench.plugin.methods import Method


def expand(matrix: ResolvedMatrix) -> Iterator[tuple[Cell, str | None]]:
    """Yield the matrix's cells, each once, with the reason where one cannot run.

    Raises:
        BadInputError: a cell is in two blocks that treat it differently, or there is no cell at all.
    """
    settings: dict[str, object] = {}
    for block in matrix.blocks:
        for cell, reason in _Expansion(matrix, block).cells():
            if cell.name not in settings:
                settings[cell.name] = _used(cell)
                yield cell, reason
            elif settings[cell.name] != _used(cell):
                raise BadInputError(
                    f"cell {cell.name} is in two blocks with different recipes or curators",
                    where=f"matrix {matrix.name}",
                    next_step="Put them into two matrices, or name the student or teacher differently.",
                )
    if not settings:
        raise BadInputError(
            "there is no cell: its methods need teachers or students that it does not have",
            where=f"matrix {matrix.name}",
            next_step="Give `teachers:` and `students:`, or other methods.",
        )


def _used(cell: Cell) -> object:
    """Return the settings that make a difference to a cell."""
    if cell.trains:
        return (cell.recipe, cell.curators if cell.teacher else ())
    return cell.recipe.max_new_tokens if cell.student else None


class _Expansion:
    """Expands one block."""

    def __init__(self, matrix: ResolvedMatrix, block: ResolvedBlock) -> None:
        self.file = matrix.file
        self.block = block
        self._twins = matrix.file.source == "twin"

    def cells(self) -> Iterator[tuple[Cell, str | None]]:
        for task in self.block.tasks:
            for method in self.block.methods:
                yield from self._method_cells(method, task)

    def _method_cells(self, method: Method, task: ResolvedTask) -> Iterator[tuple[Cell, str | None]]:
        name = task.task.info.name
        teachers: Sequence[ResolvedTeacher | None] = [None]
        if method.uses_teacher:
            teachers = [t for t in self.block.teachers if t.entry.tasks is None or name in t.entry.tasks]
            if not method.uses_student:
                teachers = [t for t in teachers if t is not None and not t.pool]
        students: Sequence[ResolvedStudent | None] = [None]
        if method.uses_student:
            students = [s for s in self.block.students if s.entry.tasks is None or name in s.entry.tasks]
        fractions = self.block.fractions if method.trains else (1.0,)
        for teacher, student in itertools.product(teachers, students):
            degrees: Sequence[int | None] = [None]
            if method.uses_degree:
                degrees = (teacher.entry.degrees if teacher else None) or self.block.degrees
            cell = self._cells_of(method, task, teacher, student)
            axes = (self.block.splits, degrees, self._seeds(method), fractions, self.block.folds)
            for split, degree, seed, fraction, fold in itertools.product(*axes):
                data = task.data[split, seed, fold]
                draws = seed if self.file.teacher_draws == "per-seed" or self._twins else 0
                found = cell(task=data.spec, degree=degree, seed=seed, fraction=fraction, fold=fold, teacher_seed=draws)
                yield found, data.reason

    def _seeds(self, method: Method) -> Sequence[int]:
        """Without training (and greedily) every seed gives the same; one serves for all. With twins each seed asks
        questions of its own."""
        return self.block.seeds if method.trains or self._twins else self.block.seeds[:1]

    def _cells_of(
        self, method: Method, task: ResolvedTask, teacher: ResolvedTeacher | None, student: ResolvedStudent | None
    ) -> Callable[..., Cell]:
        """Return what makes the cells of these, which differ in data, degree, seed, fraction and fold alone."""
        models = CellModels(task.task, teacher.teacher if teacher else None, student.student if student else None)
        # A recording was sampled as it was sampled; the matrix's temperature says nothing about it.
        asks = models.teacher is not None and not models.teacher.recorded
        return functools.partial(
            Cell,
            method=method.name,
            teacher=teacher.entry if teacher else None,
            student=student.entry if student else None,
            recipe=self.block.recipe,
            test_limit=self.file.limit,
            train_limit=self.file.limit,
            extractors=task.extractors,
            primary=task.primary,
            curators=self.block.curators,
            temperature=self.block.temperature if asks else None,
            demonstrations=self.file.demonstrations,
            trains=method.trains,
            models=models,
        )
