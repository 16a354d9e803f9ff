"""Change a matrix as the options of a command request. The result depends on the arguments alone.

Each block keeps its own names that are requested. A requested name that no block has is added to a block that can use
it. A block that is left without a method, or without what its methods need, is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from rtbench.errors import BadInputError, UnknownNameError
from rtbench.plugin.methods import Method
from rtbench.schema.base import Record, Repeated, Source
from rtbench.schema.matrix import AnswerSampling, Block, Degree, Fraction, Limit, Matrix, Seed, TestFold
from rtbench.schema.training import Selection
from rtbench.storage.plain_data import convert

AXES = ("methods", "tasks", "teachers", "students")
"""Axes of registered names."""


class Overrides(Record, frozen=True, omit_defaults=True):
    """Names to keep on each axis, and new values of settings. None: as in the matrix."""

    tasks: list[str] | None = None
    methods: list[str] | None = None
    teachers: list[str] | None = None
    students: list[str] | None = None
    teacher: list[dict[str, Any]] | None = None
    """Teachers that replace those of every block, as mappings with ``name``, ``use`` and options."""
    student: list[dict[str, Any]] | None = None
    """Students that replace those of every block, likewise."""
    degrees: list[Degree] | None = None
    fractions: list[Fraction] | None = None
    seeds: list[Seed] | None = None
    sampling: AnswerSampling | None = None
    folds: list[TestFold] | None = None
    limit: Limit | None = None
    epochs: Repeated | None = None
    selection: Selection | None = None
    extractor: str | None = None
    source: Source | None = None
    variant: str | None = None
    split: str | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Overrides:
        """Return the overrides that command-line options request.

        Args:
            options: values by name of the option; None where an option is not used.

        Raises:
            BadInputError, UnknownNameError: a value is not allowed; the message names the option.
        """
        types = {field.name: field.type for field in msgspec.structs.fields(cls)}
        values = {key: value for key, value in options.items() if value is not None}
        return cls(**{key: convert(value, types[key], where=f"--{key}") for key, value in values.items()})


_DESCRIBED = ("tasks", "methods", "teachers", "students", "teacher", "student", "source", "variant")
"""Overrides after which a matrix is no longer what its description says."""


def apply_overrides(
    matrix: Matrix, by: Overrides, methods: Mapping[str, Method], registered: Mapping[str, Sequence[str]]
) -> Matrix:
    """Return a matrix with overrides applied.

    Args:
        matrix: as read.
        by: the overrides.
        methods: every method that the matrix or the overrides name.
        registered: registered names by axis (:data:`AXES`), for names that no block has.

    Raises:
        UnknownNameError: a name is neither in the matrix nor registered.
        BadInputError: no block is left, or a method needs teachers or students that are missing.
    """
    settings = ("extractor", "source", "variant", "split", "limit")
    changes = {key: getattr(by, key) for key in settings if getattr(by, key) is not None}
    if any(getattr(by, key) is not None for key in _DESCRIBED):
        changes["description"] = ""
    recipe: dict[str, object] = {} if by.selection is None else {"selection": by.selection}
    if by.epochs is not None:
        recipe |= {"epochs": by.epochs, "steps": None}  # --epochs replaces a number of steps in the matrix
    blocks = [replace(block, recipe={**(block.recipe or {}), **recipe}) for block in matrix.blocks]
    if by.epochs is not None:
        blocks = [replace(block, recipe=_without_lengths(block.recipe or {})) for block in blocks]
    where = f"matrix {matrix.name}"
    blocks = _with_models(blocks, "teachers", by.teacher, where=where)
    blocks = _with_models(blocks, "students", by.student, where=where)
    axes = _Axes(by, methods, registered)
    for cut in (axes.methods, axes.tasks, axes.students, axes.teachers, axes.degrees, axes.fractions, axes.folds):
        blocks = cut(blocks)
    if by.split is not None:
        blocks = [replace(block, splits=None) for block in blocks]
    if by.variant is not None:
        blocks = [replace(block, variant=by.variant) for block in blocks]
    if by.sampling is not None:
        blocks = [replace(block, sampling=by.sampling) for block in blocks]
    if by.seeds is not None:
        blocks = [replace(block, seeds=list(by.seeds)) for block in blocks]
    if not blocks:
        raise BadInputError(
            "none of its cells match the options",
            where=f"matrix {matrix.name}",
            next_step="Choose names that are in the matrix, or use fewer options.",
        )
    return Matrix(matrix.name, matrix.path, replace(matrix.file, **changes), tuple(blocks))


def _with_models(
    blocks: Sequence[Block],
    axis: Literal["teachers", "students"],
    entries: list[dict[str, Any]] | None,
    *,
    where: str,
) -> list[Block]:
    """Return the blocks with other models on an axis. Blocks that have none on it stay as they are.

    Args:
        blocks: to change.
        axis: the axis.
        entries: the models; None: no change.
        where: the place that errors name.

    Raises:
        BadInputError: no block has models on this axis.
    """
    if entries is None:
        return list(blocks)
    if not any(getattr(block, axis) for block in blocks):
        raise BadInputError(
            f"it has no {axis} to replace",
            where=where,
            next_step=f"Choose a matrix with {axis}, or remove --{axis[:-1]}.",
        )
    return [replace(block, **{axis: list(entries)}) if getattr(block, axis) else block for block in blocks]


class _Axes:
    """Applies the overrides of each axis to blocks. Each method returns the changed blocks of one axis."""

    def __init__(self, by: Overrides, methods: Mapping[str, Method], registered: Mapping[str, Sequence[str]]) -> None:
        self.by = by
        self._methods = methods
        self._registered = registered

    def methods(self, blocks: Sequence[Block]) -> list[Block]:
        wanted = self.by.methods
        if wanted is None:
            return list(blocks)
        kept = [replace(block, methods=[m for m in block.methods or [] if m in wanted]) for block in blocks]
        for name in self._new("methods", wanted, blocks):
            usable = (index for index, block in enumerate(blocks) if self._has_models_for(block, self._methods[name]))
            index = next(usable, None)
            if index is None:
                raise BadInputError(
                    f"method {name} needs teachers or students, and no block of the matrix has them",
                    where="--methods",
                    next_step="Add some with --teachers or --students.",
                )
            kept[index] = replace(kept[index], methods=[*(kept[index].methods or []), name])
        return [block for block in kept if block.methods]

    def _has_models_for(self, block: Block, method: Method) -> bool:
        """Return whether a block, or the command, has the teachers and students that a method needs."""
        teachers = block.teachers or self.by.teachers
        students = block.students or self.by.students
        return bool((teachers or not method.uses_teacher) and (students or not method.uses_student))

    def tasks(self, blocks: Sequence[Block]) -> list[Block]:
        wanted = self.by.tasks
        if wanted is None:
            return list(blocks)
        new = self._new("tasks", wanted, blocks)
        if any(block.tasks is None for block in blocks):  # a block without `tasks` has all of them
            new = []
        covered: set[str] = set()
        out: list[Block] = []
        for block in blocks:
            kept = list(wanted) if block.tasks is None else [name for name in block.tasks if name in wanted]
            if not set(block.methods or []) <= covered:  # a new task gets each method from the first block that has it
                kept += new
                covered |= set(block.methods or [])
            if kept:
                out.append(replace(block, tasks=kept))
        return out

    def students(self, blocks: Sequence[Block]) -> list[Block]:
        return self._models("students", self.by.students, blocks, lambda method: method.uses_student, everywhere=True)

    def teachers(self, blocks: Sequence[Block]) -> list[Block]:
        return self._models("teachers", self.by.teachers, blocks, lambda method: method.uses_teacher, everywhere=False)

    def _models(
        self,
        axis: str,
        wanted: Sequence[str] | None,
        blocks: Sequence[Block],
        uses: Callable[[Method], bool],
        *,
        everywhere: bool,
    ) -> list[Block]:
        """Return the blocks with the requested names on an axis of models.

        Args:
            axis: ``teachers`` or ``students``.
            wanted: the requested names; None: no change.
            blocks: to change.
            uses: returns whether a method uses models of this axis.
            everywhere: add a new name to all blocks with methods that use it, not only to the first one.
        """
        if wanted is None:
            return list(blocks)
        new = self._new(axis, wanted, blocks)
        out: list[Block] = []
        for block in blocks:
            users = [name for name in block.methods or [] if uses(self._methods[name])]
            kept: list[Any] = [item for item in getattr(block, axis) or [] if name_of(item) in wanted]
            if users and new:
                kept += new
                new = new if everywhere else []
            methods = block.methods if kept else _without(block.methods, users)
            if methods:
                out.append(replace(block, **{axis: kept, "methods": methods}))
        return out

    def degrees(self, blocks: Sequence[Block]) -> list[Block]:
        wanted = self.by.degrees
        if wanted is None:
            return list(blocks)
        used = [block for block in blocks if any(self._methods[name].uses_degree for name in block.methods or [])]
        present = {degree for block in used for degree in block.degrees or [1]} | {
            degree for block in blocks for item in block.teachers or [] for degree in _own_degrees(item) or []
        }
        new = [degree for degree in wanted if degree not in present]
        out: list[Block] = []
        for block in blocks:
            users = [name for name in block.methods or [] if self._methods[name].uses_degree]
            kept = [degree for degree in block.degrees or [1] if degree in wanted]
            if users:
                kept, new = kept + new, []
            teachers: list[Any] = []
            for item in block.teachers or []:
                own = _own_degrees(item)
                if own is None and (kept or not users):
                    teachers.append(item)
                elif own is not None and any(degree in wanted for degree in own):
                    teachers.append({**item, "degrees": [degree for degree in own if degree in wanted]})  # type: ignore[dict-item]
            methods = block.methods if teachers or not block.teachers else _without(block.methods, users)
            if methods:
                changes = {"degrees": kept or block.degrees, "teachers": teachers or None, "methods": methods}
                out.append(replace(block, **changes))
        return out

    def fractions(self, blocks: Sequence[Block]) -> list[Block]:
        """Return the blocks with the requested fractions. A new one is added to the first block that trains."""
        wanted = self.by.fractions
        if wanted is None:
            return list(blocks)
        trained = [block for block in blocks if any(self._methods[name].trains for name in block.methods or [])]
        present = {fraction for block in trained for fraction in block.fractions or [1.0]}
        new = [fraction for fraction in dict.fromkeys(wanted) if fraction not in present]
        out: list[Block] = []
        for block in blocks:
            users = [name for name in block.methods or [] if self._methods[name].trains]
            kept = [fraction for fraction in block.fractions or [1.0] if fraction in wanted]
            if users:
                kept, new = kept + new, []
            methods = block.methods if kept else _without(block.methods, users)
            if methods:
                out.append(replace(block, fractions=kept or None, methods=methods))
        return out

    def folds(self, blocks: Sequence[Block]) -> list[Block]:
        """Return the blocks with the requested folds. A new fold is added to all blocks."""
        wanted = self.by.folds
        if wanted is None:
            return list(blocks)
        present = {fold for block in blocks for fold in block.folds or ["test"]}
        new = [fold for fold in wanted if fold not in present]
        kept = [[fold for fold in block.folds or ["test"] if fold in wanted] + new for block in blocks]
        return [replace(block, folds=folds) for block, folds in zip(blocks, kept, strict=True) if folds]

    def _new(self, axis: str, wanted: Sequence[str], blocks: Sequence[Block]) -> list[str]:
        """Return the requested names that no block has.

        Raises:
            UnknownNameError: one of them is not registered.
        """
        present = names_on(blocks, axis)
        registered = self._registered[axis]
        for name in wanted:
            if name not in present and name not in registered:
                known = {*present, *registered}
                kind = axis.removesuffix("s")
                raise UnknownNameError.of(kind, name, known, where=f"--{axis}", listing="rtbench plugins")
        return [name for name in wanted if name not in present]


def names_on(blocks: Sequence[Block], axis: str) -> list[str]:
    """Return the names that blocks have on an axis, each once."""
    names: dict[str, None] = {}
    for block in blocks:
        names.update(dict.fromkeys(name_of(item) for item in getattr(block, axis) or []))
    return list(names)


def name_of(item: str | dict[str, Any]) -> str:
    """Return the name of an item of an axis, which is a string or a mapping with a name."""
    return item if isinstance(item, str) else str(item.get("name"))


def _without_lengths(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe whose objectives state no length, so that the recipe's applies to all trainings."""
    objectives = recipe.get("objectives")
    if not isinstance(objectives, Mapping):
        return dict(recipe)
    shorter = {
        name: {key: value for key, value in settings.items() if key not in {"epochs", "steps"}}
        if isinstance(settings, Mapping)
        else settings
        for name, settings in objectives.items()
    }
    return {**recipe, "objectives": shorter}


def _own_degrees(item: str | dict[str, Any]) -> list[int] | None:
    return None if isinstance(item, str) else item.get("degrees")


def _without(names: Sequence[str] | None, dropped: Sequence[str]) -> list[str]:
    return [name for name in names or [] if name not in dropped]
