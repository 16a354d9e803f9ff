"""From a matrix to its cells."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

from rtbench.config import DEFAULT_EXTRACTOR, Block, Matrix, curators_of, entries_of, recipe_of
from rtbench.errors import BadInputError, MissingDataError, UnknownNameError
from rtbench.interfaces import Task, Teacher
from rtbench.records import Fold
from rtbench.specs import Cell, CellModels, Entry, TaskSpec
from rtbench.twins import setting_of, variant_of

if TYPE_CHECKING:
    from rtbench.interfaces import Method
    from rtbench.session import Session


_DataKey = tuple[str, str, str, Fold]
"""Task, variant, split and fold."""


def expand(session: Session, matrix: Matrix) -> Iterator[tuple[Cell, str | None]]:
    """Yields the matrix's cells, each once, with the reason where one cannot run.

    Raises:
        BadInputError: two blocks mean different things by one name, or there is no cell at all.
    """
    _check_variant(session, matrix.file.variant)
    for split in {matrix.file.split}.union(*(block.splits or () for block in matrix.blocks)):
        _check_known(session, "split", split)
    _check_knobs(session, matrix)
    settings: dict[str, object] = {}
    entries: dict[tuple[str, str], Entry] = {}
    tasks: dict[_DataKey, tuple[TaskSpec, str | None]] = {}
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
    where = "--variant, or `variant:` of the matrix"
    if (setting := setting_of(variant)) is not None:
        raise BadInputError(
            f"{variant} is no wording of the data",
            where=where,
            next_step=f"Give `--source twin --seeds {setting.seed}`"
            + (", and `knobs:` in the matrix." if setting.knobs or setting.ood_knobs else "."),
        )
    _check_known(session, "variant", variant)


def _check_known(session: Session, kind: Literal["variant", "split"], name: str) -> None:
    """A variant or split that no task has is a mistake; a task that lacks it has cells that say so."""
    tasks = [session.task(entry.name).info for entry in session.plugins.registries["tasks"]]
    known = {one for info in tasks for one in getattr(info, f"{kind}s")}
    if name not in known:
        raise UnknownNameError.of(kind, name, known, where=f"--{kind}, or `{kind}:` of the matrix")


def _check_knobs(session: Session, matrix: Matrix) -> None:
    """Knobs that no twin has are a mistake of the file, whatever tasks are asked for."""
    for key, given in (("knobs", matrix.file.knobs), ("ood_knobs", matrix.file.ood_knobs)):
        for name, knobs in given.items():
            where = f"matrix {matrix.name}, {key}: {name}"
            twin = session.task(name, where=where).twin()
            if twin is None:
                raise BadInputError(f"{name} has no twin whose knobs could be turned", where=where)
            twin.with_knobs(knobs, where=where, harder=key == "ood_knobs")
    if (matrix.file.knobs or matrix.file.ood_knobs) and matrix.file.source != "twin":
        raise BadInputError(
            "knobs are those of twins", where=f"matrix {matrix.name}", next_step="Write `source: twin`."
        )


def _is_pool(teacher: Teacher) -> bool:
    """A pool has no answers of its own, and so no row."""
    try:
        return len(teacher.members()) > 1
    except MissingDataError:  # its cells will say so, each with this reason
        return False


class _Expansion:
    """Expands one block."""

    def __init__(
        self, session: Session, matrix: Matrix, block: Block, tasks: dict[_DataKey, tuple[TaskSpec, str | None]]
    ) -> None:
        self.session = session
        self.matrix = matrix
        self.block = block
        self.tasks = tasks
        self.where = f"matrix {matrix.name}"
        self.teachers = entries_of(session, block, "teachers", where=self.where)
        self.students = entries_of(session, block, "students", where=self.where)
        self.recipe = recipe_of(block, where=matrix.path)
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
            for method in methods:
                yield from self._method_cells(method, task)

    def _method_cells(self, method: Method, task: Task) -> Iterator[tuple[Cell, str | None]]:
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
            cell = self._cells_of(method, task, teacher, student)
            parts = (self._splits(), self._seeds(method), self._folds())
            data = {place: self._data(task, *place) for place in itertools.product(*parts)}
            splits, seeds, folds = parts
            for split, degree, seed, fraction, fold in itertools.product(
                splits, degrees, seeds, self._fractions(method), folds
            ):
                spec, reason = data[split, seed, fold]
                draws = seed if self.matrix.file.teacher_draws == "per-seed" or self._twins else 0
                yield (
                    cell(task=spec, degree=degree, seed=seed, fraction=fraction, fold=fold, teacher_seed=draws),
                    reason,
                )

    def _seeds(self, method: Method) -> Sequence[int]:
        """Without training (and greedily) every seed gives the same; one stands for all. With twins each seed asks
        questions of its own."""
        seeds = self.block.seeds or [0]
        return seeds if method.trains or self._twins else seeds[:1]

    def _splits(self) -> Sequence[str]:
        return self.block.splits or [self.matrix.file.split]

    def _folds(self) -> Sequence[Fold]:
        return [cast("Fold", fold) for fold in self.block.folds or ["test"]]

    @property
    def _twins(self) -> bool:
        return self.matrix.file.source == "twin"

    def _fractions(self, method: Method) -> Sequence[float]:
        return (self.block.fractions or [1.0]) if method.trains else [1.0]

    def _cells_of(
        self, method: Method, task: Task, teacher: Entry | None, student: Entry | None
    ) -> Callable[..., Cell]:
        """Makes the cells of these, which differ in data, degree, seed, fraction and fold alone."""
        file = self.matrix.file
        models = CellModels(task, self._teacher(teacher), self._student(student))
        # A recording was sampled as it was sampled; the matrix's temperature says nothing about it.
        asks = models.teacher is not None and not models.teacher.recorded
        return functools.partial(
            Cell,
            method=method.name,
            teacher=teacher,
            student=student,
            recipe=self.recipe,
            test_limit=file.limit,
            train_limit=file.limit,
            extractors=tuple((name, task.extractor_key(name)) for name in task.info.extractors),
            primary=self._primary(task),
            curators=self.curators,
            temperature=self.block.temperature if asks else None,
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

    def _data(self, task: Task, split: str, seed: int, fold: Fold) -> tuple[TaskSpec, str | None]:
        """The data that a cell stands on, and why it cannot run where they are not at hand."""
        variant = self._twin_variant(task, seed) if self._twins else self._wording(task)
        key = (task.info.name, variant, split, fold)
        if key not in self.tasks:
            self.tasks[key] = self._read_data(task, variant, split, fold)
        return self.tasks[key]

    def _twin_variant(self, task: Task, seed: int) -> str:
        file, name, twin = self.matrix.file, task.info.name, task.twin()
        if twin is None:  # its cells will say so
            return variant_of(seed)
        return variant_of(
            seed,
            twin.changed(file.knobs.get(name, {}), where=f"{self.where}, knobs: {name}"),
            twin.changed(file.ood_knobs.get(name, {}), where=f"{self.where}, ood_knobs: {name}", harder=True),
        )

    def _wording(self, task: Task) -> str:
        """A variant is a wording of the same questions; a task that has one wording only is taken as it is."""
        wanted = self.matrix.file.variant
        return wanted if wanted in task.info.variants else task.info.variants[0]

    def _read_data(self, task: Task, variant: str, split: str, fold: Fold) -> tuple[TaskSpec, str | None]:
        name = task.info.name
        owner = f"{name}'s twin" if self._twins else name
        splits = ("default",) if self._twins else task.info.splits
        fingerprint, dataset, reason = "", f"{name}@{variant}", None
        if self._twins and task.twin() is None:
            reason = f"{name} has no twin; --source upstream takes its own data"
        elif split not in splits:
            reason = f"{owner} has no split {split!r} (has: {', '.join(splits)})"
        else:
            try:
                dataset = task.dataset_id(variant)
                fingerprint = task.fingerprint(self.session.files, variant)
                data = self.session.task_data(name, variant)
            except MissingDataError as error:
                reason = str(error)
            else:
                if not data.splits[split].fold(fold):
                    hint = "; its twin has one (--source twin)" if task.info.twin and not self._twins else ""
                    reason = f"{owner} has no {fold} fold{hint}"
                elif not data.fold(split, fold):
                    reason = data.missing or f"the {fold} fold of {name}'s split {split!r} is empty"
        return TaskSpec(name=name, variant=variant, split=split, fingerprint=fingerprint, dataset=dataset), reason

    def _teacher(self, entry: Entry | None) -> Any:
        return self.session.teacher(entry.use, entry.name, entry.options) if entry else None

    def _student(self, entry: Entry | None) -> Any:
        return self.session.student(entry.use, entry.name, entry.options) if entry else None
