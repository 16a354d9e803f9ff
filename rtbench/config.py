"""From a matrix file to cells.

A matrix states axes (methods, tasks, teachers, students, degrees, seeds, fractions) and settings. ``blocks`` are
parts of it, each the cross product of its axes, with the top level as its defaults; equal cells count once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from rtbench.errors import BadInputError, MissingDataError, UnknownNameError
from rtbench.files import convert, read_yaml
from rtbench.interfaces import DemonstrationSource, Recipe, Task
from rtbench.records import Record
from rtbench.specs import Cell, CellModels, TaskSpec

if TYPE_CHECKING:
    from rtbench.interfaces import Method
    from rtbench.session import Session

DEFAULT_EXTRACTOR = "flexible"
SELECTIONS = ("last", "val", "best-test")


class Entry(Record, frozen=True, omit_defaults=True):
    """A teacher or student as a matrix names it."""

    name: str
    use: str
    """Registered name of the factory."""
    options: dict[str, Any]
    tasks: tuple[str, ...] | None = None
    """Only for these tasks; None: all of the matrix's."""
    degrees: tuple[int, ...] | None = None
    """Instead of the matrix's degrees."""


class Block(Record, frozen=True, omit_defaults=True):
    """Axes and settings as written in YAML; None: the top level's, or the default."""

    tasks: list[str] | None = None
    methods: list[str] | None = None
    teachers: list[str | dict[str, Any]] | None = None
    students: list[str | dict[str, Any]] | None = None
    degrees: list[int] | None = None
    seeds: list[int] | None = None
    fractions: list[float] | None = None
    curators: list[str | dict[str, Any]] | None = None
    recipe: dict[str, Any] | None = None
    temperature: float | None = None
    """Of the teacher; None: greedy at degree 1, 0.7 above (paper)."""


class MatrixFile(Block, frozen=True, omit_defaults=True):
    """A whole matrix file."""

    name: str | None = None
    description: str = ""
    variant: str = "original"
    split: str = "default"
    extractor: str | None = None
    """The one the leaderboard shows; all of a task's are computed. None: ``flexible``, or a task's first where it has
    no such."""
    demonstrations: DemonstrationSource = "own"
    """Of few-shot prompts: written for this project, or the paper's."""
    teacher_rows: bool = True
    """Measure each teacher on the test fold."""
    limit: int | None = None
    """Only the first so many questions of each fold."""
    blocks: list[Block] = []


@dataclass(frozen=True)
class Matrix:
    """A matrix, read and narrowed."""

    name: str
    source: str
    file: MatrixFile


@dataclass(frozen=True)
class Narrowing:
    """What the command line takes of each axis; None takes all. A name that the matrix lacks is an error, except
    for tasks, methods, teachers and students that are registered: these are added in its place."""

    tasks: Sequence[str] | None = None
    methods: Sequence[str] | None = None
    teachers: Sequence[str] | None = None
    students: Sequence[str] | None = None
    degrees: Sequence[int] | None = None
    seeds: Sequence[int] | None = None
    limit: int | None = None
    epochs: int | None = None
    selection: str | None = None
    extractor: str | None = None
    variant: str | None = None
    split: str | None = None


def read_matrix(session: Session, name: str) -> Matrix:
    """A built-in or registered matrix by name, or a YAML file by path.

    Raises:
        UnknownNameError: neither a name nor a file.
        BadInputError: the file breaks the rules; the key or line is named.
    """
    registry = session.plugins.registries["matrices"]
    path = Path(name)
    if name in registry:
        path = Path(registry.get(name).resolve()())
    elif path.suffix not in {".yaml", ".yml"} and not path.exists():
        raise UnknownNameError.of("matrix", name, registry.names(), where="--matrix")
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise BadInputError("a matrix is a mapping of keys", where=str(path), next_step="See docs/matrix.md.")
    for number, block in enumerate(data.get("blocks") or []):
        convert(block, Block, where=f"{path}, blocks[{number}]")
    file = convert(data, MatrixFile, where=str(path))
    return Matrix(file.name or path.stem, str(path), file)


def narrow(session: Session, matrix: Matrix, by: Narrowing) -> Matrix:
    """Cuts a matrix down to what the command line asks for."""
    file = matrix.file
    changes: dict[str, Any] = {}
    for key in ("extractor", "variant", "split", "limit"):
        if getattr(by, key) is not None:
            changes[key] = getattr(by, key)
    if by.limit is not None and by.limit < 1:
        raise BadInputError(f"must be at least 1, not {by.limit}", where="--limit")
    recipe = {key: value for key, value in (("epochs", by.epochs), ("selection", by.selection)) if value is not None}
    blocks = [_merged(file, block) for block in file.blocks] or [_merged(file, Block())]
    added = _added(session, blocks, by)
    left: list[Block] = []
    for number, block in enumerate(blocks):
        narrowed = _narrow_block(session, block, by, recipe, added if number == 0 else {})
        if narrowed is not None:
            left.append(narrowed)
    file = msgspec.structs.replace(file, blocks=left, **changes)
    if not file.blocks:
        raise BadInputError("nothing of the matrix is left", where="--tasks, --methods, …", next_step="Ask for more.")
    return Matrix(matrix.name, matrix.source, file)


def _merged(file: MatrixFile, block: Block) -> Block:
    """A block with the top level's values where it states none. ``recipe`` is merged key by key."""
    values = {key: getattr(block, key) for key in Block.__struct_fields__}
    for key, value in values.items():
        if value is None:
            values[key] = getattr(file, key)
    values["recipe"] = {**(file.recipe or {}), **(block.recipe or {})}
    return Block(**values)


def _narrow_block(
    session: Session, block: Block, by: Narrowing, recipe: dict[str, Any], added: dict[str, list[str]]
) -> Block | None:
    """``added``: names of tasks and methods that no block has and that this one takes on."""
    changes: dict[str, Any] = {"recipe": {**(block.recipe or {}), **recipe}}
    for axis in ("tasks", "methods"):
        asked = getattr(by, axis)
        if asked is not None:
            have = getattr(block, axis)
            kept = list(asked) if have is None else [name for name in have if name in asked] + added.get(axis, [])
            if not kept:
                return None
            changes[axis] = kept
    for axis in ("teachers", "students"):
        asked = getattr(by, axis)
        if asked is not None:
            changes[axis] = _narrow_models(session, axis, getattr(block, axis) or [], asked)
    for axis in ("degrees", "seeds"):
        if getattr(by, axis) is not None:
            changes[axis] = list(getattr(by, axis))
    return msgspec.structs.replace(block, **changes)


def _narrow_models(
    session: Session, axis: str, have: Sequence[str | dict[str, Any]], asked: Sequence[str]
) -> list[str | dict[str, Any]]:
    """The entries asked for: as the matrix has them, or else as they are registered."""
    by_name = {(item if isinstance(item, str) else item.get("name")): item for item in have}
    for name in asked:
        if name not in by_name:
            session.plugins.registries[axis].get(name, where=f"--{axis}")
    return [by_name.get(name, name) for name in asked]


def _added(session: Session, blocks: Sequence[Block], by: Narrowing) -> dict[str, list[str]]:
    """Tasks and methods asked for that are registered and in no block."""
    out: dict[str, list[str]] = {}
    for axis in ("tasks", "methods"):
        present = {name for block in blocks for name in getattr(block, axis) or []}
        everywhere = any(getattr(block, axis) is None for block in blocks)
        for name in getattr(by, axis) or []:
            session.plugins.registries[axis].get(name, where=f"--{axis}")
            if name not in present and not everywhere:
                out.setdefault(axis, []).append(name)
    return out


# ------------------------------------------------------------------------------------------------------- expansion


def expand(session: Session, matrix: Matrix) -> Iterator[tuple[Cell, str | None]]:
    """Yields the matrix's cells, each once, with the reason where one cannot run."""
    file = matrix.file
    blocks = file.blocks or [_merged(file, Block())]
    seen: dict[str, tuple[Recipe, object]] = {}
    yielded: set[str] = set()
    tasks: dict[str, tuple[TaskSpec, str | None]] = {}
    for block in blocks:
        for cell, reason in _Expansion(session, matrix, block, tasks).cells():
            settings = (cell.recipe, cell.curators)
            if seen.setdefault(cell.name, settings) != settings:
                raise BadInputError(
                    f"cell {cell.name} stands in two blocks with different recipes or curators",
                    where=f"matrix {matrix.name}",
                    next_step="Put them into two matrices, or name the student or teacher differently.",
                )
            if cell.name not in yielded:
                yielded.add(cell.name)
                yield cell, reason


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
        self.teachers = self._entries("teachers")
        self.students = self._entries("students")
        self.recipe = self._recipe()
        self.curators = self._curators()

    def cells(self) -> Iterator[tuple[Cell, str | None]]:
        block = self.block
        names = block.tasks or self.session.plugins.registries["tasks"].names()
        methods = [self._method(name) for name in block.methods or []]
        if not methods:
            raise BadInputError("no methods", where=self.where, next_step="Give `methods:` (`rtbench plugins` lists).")
        if self.matrix.file.teacher_rows and any(m.uses_teacher for m in methods):
            methods.append(self._method("teacher"))
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
            if not method.uses_student:  # a pool has no answers of its own
                teachers = [t for t in teachers if len(self._teacher(t).members()) == 1]
        students: Sequence[Entry | None] = [None]
        if method.uses_student:
            students = [s for s in self.students if s.tasks is None or task.info.name in s.tasks]
        for teacher in teachers:
            degrees: Sequence[int | None] = [None]
            if method.uses_degree:
                degrees = (teacher.degrees if teacher else None) or self.block.degrees or [1]
            for student in students:
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
        info = models.task.info
        primary = file.extractor or (DEFAULT_EXTRACTOR if DEFAULT_EXTRACTOR in info.extractors else None)
        primary = primary or next(iter(info.extractors), "")
        if primary not in info.extractors:
            raise UnknownNameError.of("extractor", primary, info.extractors, where=f"task {info.name}")
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
            extractors=tuple((name, models.task.extractor_key(name)) for name in info.extractors),
            primary=primary,
            curators=self.curators,
            temperature=self.block.temperature if method.uses_teacher else None,
            demonstrations=file.demonstrations,
            trains=method.trains,
            models=models,
        )

    def _task_spec(self, task: Task) -> tuple[TaskSpec, str | None]:
        """The data a cell stands on, and why it cannot run where they are not at hand."""
        name = task.info.name
        if name in self.tasks:
            return self.tasks[name]
        file = self.matrix.file
        if file.split not in task.info.splits:
            known = ", ".join(task.info.splits)
            spec = TaskSpec(name=name, variant=file.variant, split=file.split, fingerprint="", dataset=name)
            self.tasks[name] = (spec, f"{name} has no split {file.split!r} (has: {known})")
            return self.tasks[name]
        # A variant is a wording of the same questions; a task that has one wording only is taken as it is.
        variant = file.variant if file.variant in task.info.variants else task.info.variants[0]
        reason = None
        fingerprint = ""
        try:
            fingerprint = task.fingerprint(self.session.files, variant)
            data = self.session.task_data(name, variant)
            for fold in ("train", "test"):
                if not data.fold(file.split, fold):
                    reason = data.missing if fold == "test" else None
                    if reason is None and fold == "test":
                        raise BadInputError(f"the {fold} fold of split {file.split!r} is empty", where=f"task {name}")
        except MissingDataError as error:
            reason = str(error)
        spec = TaskSpec(
            name=name,
            variant=variant,
            split=file.split,
            fingerprint=fingerprint,
            dataset=task.dataset_id(variant),
        )
        self.tasks[name] = (spec, reason)
        return self.tasks[name]

    def _method(self, name: str) -> Method:
        return self.session.method(name, where=self.where)

    def _entries(self, axis: str) -> list[Entry]:
        """Reads an axis of teachers or students: a registered name, or a mapping with a name of its own."""
        registry = self.session.plugins.registries[axis]
        entries: list[Entry] = []
        for number, item in enumerate(getattr(self.block, axis) or []):
            where = f"{self.where}, {axis}[{number}]"
            given: dict[str, Any] = {"name": item} if isinstance(item, str) else dict(item)
            name = given.pop("name", None)
            if not isinstance(name, str):
                raise BadInputError("needs a name", where=where, next_step="Write `name: …`.")
            use = given.pop("use", name)
            tasks = given.pop("tasks", None)
            degrees = given.pop("degrees", None)
            registered = registry.get(use, where=where)
            entry = {"name": name, "use": use, "options": {**registered.options, **given}}
            entries.append(convert({**entry, "tasks": tasks, "degrees": degrees}, Entry, where=where))
        doubled = {e.name for e in entries if sum(o.name == e.name for o in entries) > 1}
        if doubled:
            raise BadInputError(f"{axis} named twice: {', '.join(sorted(doubled))}", where=self.where)
        return entries

    def _teacher(self, entry: Entry | None) -> Any:
        return self.session.teacher(entry.use, entry.name, entry.options) if entry else None

    def _student(self, entry: Entry | None) -> Any:
        return self.session.student(entry.use, entry.name, entry.options) if entry else None

    def _recipe(self) -> Recipe:
        recipe = convert(self.block.recipe or {}, Recipe, where=f"{self.where}, recipe")
        if recipe.selection not in SELECTIONS:
            raise UnknownNameError.of("selection", recipe.selection, SELECTIONS, where=f"{self.where}, recipe")
        for key in ("batch_size", "epochs", "max_prompt_tokens", "max_label_tokens", "max_new_tokens"):
            if getattr(recipe, key) < 1:
                raise BadInputError(f"{key} must be at least 1", where=f"{self.where}, recipe")
        if not 0 <= recipe.validation_fraction < 1:
            raise BadInputError("validation_fraction must be in [0, 1)", where=f"{self.where}, recipe")
        return recipe

    def _curators(self) -> tuple[tuple[str, dict[str, object]], ...]:
        out: list[tuple[str, dict[str, object]]] = []
        for item in ["correct"] if self.block.curators is None else self.block.curators:
            given: dict[str, Any] = {"use": item} if isinstance(item, str) else dict(item)
            name = given.pop("use", None)
            self.session.plugins.registries["curators"].get(str(name), where=f"{self.where}, curators")
            out.append((str(name), given))
        return tuple(out)
