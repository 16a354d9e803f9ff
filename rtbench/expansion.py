"""From a matrix to its cells."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from rtbench.config import DEFAULT_EXTRACTOR, Block, Matrix, curators_of, entries_of, recipe_of
from rtbench.errors import BadInputError, MissingDataError, UnknownNameError
from rtbench.interfaces import Task, Teacher
from rtbench.specs import Cell, CellModels, Entry, TaskSpec

if TYPE_CHECKING:
    from rtbench.interfaces import Method
    from rtbench.session import Session


def expand(session: Session, matrix: Matrix) -> Iterator[tuple[Cell, str | None]]:
    """Yields the matrix's cells, each once, with the reason where one cannot run.

    Raises:
        BadInputError: two blocks mean different things by one name, or there is no cell at all.
    """
    _check_variant(session, matrix.file.variant)
    settings: dict[str, object] = {}
    entries: dict[tuple[str, str], Entry] = {}
    tasks: dict[str, tuple[TaskSpec, str | None]] = {}
    for block in matrix.blocks:
        expansion = _Expansion(session, matrix, block, tasks)
        for axis, entry in expansion.named():
            other = entries.setdefault((axis, entry.name), entry)
            if (other.use, other.options) != (entry.use, entry.options):
                raise BadInputError(
                    f"two blocks mean different {axis} by {entry.name!r}",
                    where=f"matrix {matrix.name}",
                    next_step="Give each a name of its own.",
                )
        for cell, reason in expansion.cells():
            if cell.name not in settings:
                settings[cell.name] = _used(cell)
                yield cell, reason
            elif settings[cell.name] != _used(cell):
                raise BadInputError(
                    f"cell {cell.name} stands in two blocks with different recipes or curators",
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
    """The settings that make a difference to a cell."""
    if cell.trains:
        return (cell.recipe, cell.curators if cell.teacher else ())
    return cell.recipe.max_new_tokens if cell.student else None


def _check_variant(session: Session, variant: str) -> None:
    """A wording that no task has is a mistake; a task that has one wording only is taken as it is."""
    registry = session.plugins.registries["tasks"]
    known = {name for entry in registry for name in session.task(entry.name).info.variants}
    if variant not in known:
        raise UnknownNameError.of("variant", variant, known, where="--variant, or `variant:` of the matrix")


def _is_pool(teacher: Teacher) -> bool:
    """A pool has no answers of its own, and so no row."""
    try:
        return len(teacher.members()) > 1
    except MissingDataError:  # its cells will say so, each with this reason
        return False


class _Expansion:
    """Expands one block."""

    def __init__(
        self, session: Session, matrix: Matrix, block: Block, tasks: dict[str, tuple[TaskSpec, str | None]]
    ) -> None:
        self.session = session
        self.matrix = matrix
        self.block = block
        self.tasks = tasks
        self.where = f"matrix {matrix.name}"
        self.teachers = entries_of(session, block, "teachers", where=self.where)
        self.students = entries_of(session, block, "students", where=self.where)
        self.recipe = recipe_of(block, where=self.where)
        self.curators = curators_of(session, block, where=self.where)

    def named(self) -> Iterator[tuple[Literal["teachers", "students"], Entry]]:
        yield from (("teachers", entry) for entry in self.teachers)
        yield from (("students", entry) for entry in self.students)

    def cells(self) -> Iterator[tuple[Cell, str | None]]:
        block = self.block
        names = block.tasks or self.session.plugins.registries["tasks"].names()
        methods = [self.session.method(name, where=self.where) for name in block.methods or []]
        if not methods:
            raise BadInputError("no methods", where=self.where, next_step="Give `methods:` (`rtbench plugins` lists).")
        if self.matrix.file.teacher_rows and any(m.uses_teacher for m in methods):
            methods.append(self.session.method("teacher", where=self.where))
        for name in names:
            task = self.session.task(name, where=self.where)
            spec, reason = self._task_spec(task)
            for method in methods:
                for cell in self._method_cells(method, task, spec):
                    yield cell, reason

    def _method_cells(self, method: Method, task: Task, spec: TaskSpec) -> Iterator[Cell]:
        teachers: Sequence[Entry | None] = [None]
        if method.uses_teacher:
            teachers = [t for t in self.teachers if t.tasks is None or task.info.name in t.tasks]
            if not method.uses_student:
                teachers = [t for t in teachers if not _is_pool(self._teacher(t))]
        students: Sequence[Entry | None] = [None]
        if method.uses_student:
            students = [s for s in self.students if s.tasks is None or task.info.name in s.tasks]
        for teacher, student in itertools.product(teachers, students):
            degrees: Sequence[int | None] = [None]
            if method.uses_degree:
                degrees = (teacher.degrees if teacher else None) or self.block.degrees or [1]
            models = CellModels(task, self._teacher(teacher), self._student(student))
            for degree, seed, fraction in itertools.product(degrees, self._seeds(method), self._fractions(method)):
                yield self._cell(method, spec, teacher, student, degree, seed, fraction, models)

    def _seeds(self, method: Method) -> Sequence[int]:
        """Without training (and greedily) every seed gives the same; one stands for all."""
        seeds = self.block.seeds or [0]
        return seeds if method.trains else seeds[:1]

    def _fractions(self, method: Method) -> Sequence[float]:
        return (self.block.fractions or [1.0]) if method.trains else [1.0]

    def _cell(
        self,
        method: Method,
        spec: TaskSpec,
        teacher: Entry | None,
        student: Entry | None,
        degree: int | None,
        seed: int,
        fraction: float,
        models: CellModels,
    ) -> Cell:
        file = self.matrix.file
        # A recording was sampled as it was sampled; the matrix's temperature says nothing about it.
        asks = models.teacher is not None and not models.teacher.recorded
        return Cell(
            method=method.name,
            task=spec,
            teacher=teacher,
            student=student,
            degree=degree,
            seed=seed,
            fraction=fraction,
            recipe=self.recipe,
            test_limit=file.limit,
            train_limit=file.limit,
            extractors=tuple((name, models.task.extractor_key(name)) for name in models.task.info.extractors),
            primary=self._primary(models.task),
            curators=self.curators,
            temperature=self.block.temperature if asks else None,
            teacher_seed=seed if file.teacher_draws == "per-seed" else 0,
            demonstrations=file.demonstrations,
            trains=method.trains,
            models=models,
        )

    def _primary(self, task: Task) -> str:
        """The extractor that the leaderboard shows for a task."""
        known = task.info.extractors
        wanted = self.matrix.file.extractor
        if wanted is None:
            return DEFAULT_EXTRACTOR if DEFAULT_EXTRACTOR in known else next(iter(known), "")
        if wanted not in known:
            raise UnknownNameError.of("extractor", wanted, known, where=f"task {task.info.name}")
        return wanted

    def _task_spec(self, task: Task) -> tuple[TaskSpec, str | None]:
        """The data that cells stand on, and why they cannot run where they are not at hand."""
        name = task.info.name
        if name not in self.tasks:
            self.tasks[name] = self._read_task(task)
        return self.tasks[name]

    def _read_task(self, task: Task) -> tuple[TaskSpec, str | None]:
        name, split = task.info.name, self.matrix.file.split
        # A variant is a wording of the same questions; a task that has one wording only is taken as it is.
        wanted = self.matrix.file.variant
        variant = wanted if wanted in task.info.variants else task.info.variants[0]
        fingerprint, reason = "", None
        if split not in task.info.splits:
            reason = f"{name} has no split {split!r} (has: {', '.join(task.info.splits)})"
        else:
            try:
                fingerprint = task.fingerprint(self.session.files, variant)
                data = self.session.task_data(name, variant)
            except MissingDataError as error:
                reason = str(error)
            else:
                if not data.fold(split, "test"):
                    reason = data.missing or f"the test fold of {name}'s split {split!r} is empty"
        dataset = task.dataset_id(variant)
        return TaskSpec(name=name, variant=variant, split=split, fingerprint=fingerprint, dataset=dataset), reason

    def _teacher(self, entry: Entry | None) -> Any:
        return self.session.teacher(entry.use, entry.name, entry.options) if entry else None

    def _student(self, entry: Entry | None) -> Any:
        return self.session.student(entry.use, entry.name, entry.options) if entry else None
