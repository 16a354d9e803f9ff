"""Expand a resolved matrix into its cells. The result depends on the matrix alone."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence

from rtbench.errors import BadInputError
from rtbench.matrix.resolved import ResolvedBlock, ResolvedMatrix, ResolvedStudent, ResolvedTask, ResolvedTeacher
from rtbench.plugin.cells import Cell, CellModels, TrainingPart
from rtbench.plugin.methods import Method
from rtbench.schema.matrix import GREEDY


def expand(matrix: ResolvedMatrix) -> Iterator[tuple[Cell, str | None]]:
    """Yield the cells of a matrix, each once, with the reason why it cannot run, or None.

    Raises:
        BadInputError: two blocks have the same cell with different settings, or there are no cells.
    """
    settings: dict[str, object] = {}
    for block in matrix.blocks:
        for cell, reason in _Expansion(matrix, block).cells():
            if cell.name not in settings:
                settings[cell.name] = _used(cell)
                yield cell, reason
            elif settings[cell.name] != _used(cell):
                raise BadInputError(
                    f"cell {cell.name} is in two blocks with different recipes, curators or wordings",
                    where=f"matrix {matrix.name}",
                    next_step="Use two matrices, or give the student or teacher different names in the two blocks.",
                )
    if not settings:
        missing = _missing(matrix)
        raise BadInputError(
            f"there are no cells: its methods need {missing}, and it has none",
            where=f"matrix {matrix.name}",
            next_step=f"Add `{missing.partition(' ')[0]}:`, or choose other methods.",
        )


def _missing(matrix: ResolvedMatrix) -> str:
    """Return which models the methods of a matrix need and its blocks lack: ``teachers``, ``students`` or both."""
    pairs = [(block, method) for block in matrix.blocks for method in block.methods]
    teachers = any(method.uses_teacher and not block.teachers for block, method in pairs)
    students = any(method.uses_student and not block.students for block, method in pairs)
    return " and ".join(name for name, lacking in (("teachers", teachers), ("students", students)) if lacking)


def _used(cell: Cell) -> object:
    """Return the settings that a cell uses. Two cells of the same name must agree on them."""
    if cell.trains:
        return (
            cell.task,
            cell.train_on and [part.task for part in cell.train_on],
            cell.recipe,
            cell.curators if cell.teacher else (),
        )
    return (cell.task, cell.recipe.max_new_tokens if cell.student else None)


def _excluded(model: ResolvedTeacher | ResolvedStudent | None, together: Sequence[ResolvedTask]) -> list[str]:
    """Return why a model is not used for some of the tasks that a student is trained on."""
    allowed = model.entry.tasks if model is not None else None
    if model is None or allowed is None:
        return []
    names = [task.task.info.name for task in together]
    return [f"{model.entry.name} is not for {name} (its `tasks`)" for name in names if name not in allowed]


class _Expansion:
    """Expands one block into its cells."""

    def __init__(self, matrix: ResolvedMatrix, block: ResolvedBlock) -> None:
        self.file = matrix.file
        self.block = block
        self._twins = matrix.file.source == "twin"
        self._training_parts: dict[object, TrainingPart] = {}

    def cells(self) -> Iterator[tuple[Cell, str | None]]:
        """Yield the cells of all tasks and methods."""
        for task in self.block.tasks:
            for method in self.block.methods:
                yield from self._method_cells(method, task)

    def _method_cells(self, method: Method, task: ResolvedTask) -> Iterator[tuple[Cell, str | None]]:
        name = task.task.info.name
        teachers: Sequence[ResolvedTeacher | None] = [None]
        if method.uses_teacher:
            teachers = [t for t in self.block.teachers if t.entry.tasks is None or name in t.entry.tasks]
            if not method.uses_student:
                teachers = [t for t in teachers if t is not None and t.measured]
        students: Sequence[ResolvedStudent | None] = [None]
        if method.uses_student:
            students = [s for s in self.block.students if s.entry.tasks is None or name in s.entry.tasks]
        fractions = self.block.fractions if method.trains else (1.0,)
        for teacher, student in itertools.product(teachers, students):
            degrees: Sequence[int | None] = [None]
            if method.uses_degree:
                degrees = (teacher.entry.degrees if teacher else None) or self.block.degrees
            cell = self._cell_factory(method, task, teacher, student)
            folds = self.block.folds if method.uses_student else self.block.teacher_folds
            sets: Sequence[tuple[ResolvedTask, ...]] = (self.block.train_sets if method.trains else ()) or [()]
            axes = (self.block.splits, degrees, self._seeds(method), fractions, folds, sets)
            for split, degree, seed, fraction, fold, together in itertools.product(*axes):
                data = task.data[split, seed, fold]
                missing = [*_excluded(teacher, together), *_excluded(student, together)]
                data_of = [one.data[split, seed, "train"] for one in together]
                missing += [known.reason for known in data_of if known.reason]
                teacher_seed = seed if self.file.teacher_draws == "per-seed" or self._twins else 0
                yield (
                    cell(
                        task=data.spec,
                        degree=degree,
                        seed=seed,
                        fraction=fraction,
                        fold=fold,
                        teacher_seed=teacher_seed,
                        train_on=tuple(self._part(one, split, seed, teacher, student) for one in together),
                    ),
                    data.reason or next(iter(missing), None),
                )

    def _part(
        self,
        task: ResolvedTask,
        split: str,
        seed: int,
        teacher: ResolvedTeacher | None,
        student: ResolvedStudent | None,
    ) -> TrainingPart:
        """Return a task that a student is trained on together with others. Equal ones are shared, as they look up models."""
        key = (task.task.info.name, split, seed, teacher and teacher.entry.name, student and student.entry.name)
        if key not in self._training_parts:
            models = CellModels(task.task, teacher.teacher if teacher else None, student.student if student else None)
            spec = task.data[split, seed, "train"].spec
            self._training_parts[key] = TrainingPart(spec, task.extractors, task.primary, models)
        return self._training_parts[key]

    def _seeds(self, method: Method) -> Sequence[int]:
        """Return the seeds of a method.

        Without training, all seeds give the same greedy answers, so the first one is enough. With twins, each seed has its
        own questions.
        """
        sampled = method.uses_student and self.block.sampling.temperature > 0
        return self.block.seeds if method.trains or self._twins or sampled else self.block.seeds[:1]

    def _cell_factory(
        self, method: Method, task: ResolvedTask, teacher: ResolvedTeacher | None, student: ResolvedStudent | None
    ) -> Callable[..., Cell]:
        """Return a function that creates the cells of a method, task, teacher and student.

        Its arguments are what these cells differ in: data, degree, seeds, fraction and fold.
        """
        models = CellModels(task.task, teacher.teacher if teacher else None, student.student if student else None)
        # The matrix's temperature does not apply to recordings, which were sampled before.
        live_teacher = models.teacher is not None and not models.teacher.recorded
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
            temperature=self.block.temperature if live_teacher else None,
            sampling=self.block.sampling if student else GREEDY,
            demonstrations=self.file.demonstrations,
            trains=method.trains,
            models=models,
        )
