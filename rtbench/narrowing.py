"""Cutting a matrix down to what the command line asks for.

Each block keeps what it has of the names asked for. A name that no block has is looked up among the registered ones
and goes to a block where it makes sense; a block that is left without a method, or without what its methods need,
falls away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from rtbench.config import SELECTIONS, TEST_FOLDS, Block, Matrix, name_of, names_on, with_axis
from rtbench.errors import BadInputError, UnknownNameError

if TYPE_CHECKING:
    from rtbench.interfaces import Method
    from rtbench.session import Session


@dataclass(frozen=True)
class Narrowing:
    """What the command line takes of each axis; None takes all."""

    tasks: Sequence[str] | None = None
    methods: Sequence[str] | None = None
    teachers: Sequence[str] | None = None
    students: Sequence[str] | None = None
    degrees: Sequence[int] | None = None
    seeds: Sequence[int] | None = None
    folds: Sequence[str] | None = None
    limit: int | None = None
    epochs: int | None = None
    selection: str | None = None
    extractor: str | None = None
    source: str | None = None
    variant: str | None = None
    split: str | None = None


def narrow(session: Session, matrix: Matrix, by: Narrowing) -> Matrix:
    """The matrix, cut down.

    Raises:
        UnknownNameError: a name is neither in the matrix nor registered.
        BadInputError: nothing is left, or a number cannot be.
    """
    _check(by)
    settings = ("extractor", "source", "variant", "split", "limit")
    changes = {key: getattr(by, key) for key in settings if getattr(by, key) is not None}
    recipe: dict[str, object] = {} if by.selection is None else {"selection": by.selection}
    if by.epochs is not None:
        recipe |= {"epochs": by.epochs, "steps": None}  # a matrix that counts steps counts epochs now
    blocks = [with_axis(block, "recipe", {**(block.recipe or {}), **recipe}) for block in matrix.blocks]
    cut = _Cut(session, by)
    for axis in (cut.methods, cut.tasks, cut.students, cut.teachers, cut.degrees, cut.folds):
        blocks = axis(blocks)
    if by.split is not None:
        blocks = [with_axis(block, "splits", None) for block in blocks]
    if by.seeds is not None:
        blocks = [with_axis(block, "seeds", list(by.seeds)) for block in blocks]
    if not blocks:
        raise BadInputError(
            "nothing of the matrix is left", where=f"matrix {matrix.name}", next_step="Ask for what it has, or more."
        )
    return Matrix(matrix.name, matrix.path, msgspec.structs.replace(matrix.file, **changes), tuple(blocks))


def _check(by: Narrowing) -> None:
    """Raises as :func:`narrow` where a number or a word cannot be."""
    if by.limit is not None and by.limit < 1:
        raise BadInputError(f"must be at least 1, not {by.limit}", where="--limit", next_step="Leave it out for all.")
    for degree in by.degrees or []:
        if degree < 1:
            raise BadInputError(f"must be at least 1, not {degree}", where="--degrees", next_step="Such as 1,8.")
    if by.epochs is not None and by.epochs < 1:
        raise BadInputError(f"must be at least 1, not {by.epochs}", where="--epochs", next_step="Such as 20.")
    if by.selection is not None and by.selection not in SELECTIONS:
        raise UnknownNameError.of("selection", by.selection, SELECTIONS, where="--selection")
    for fold in by.folds or []:
        if fold not in TEST_FOLDS:
            raise UnknownNameError.of("fold", fold, TEST_FOLDS, where="--folds")


class _Cut:
    """One function per axis: blocks in, blocks out."""

    def __init__(self, session: Session, by: Narrowing) -> None:
        self.session = session
        self.by = by

    def methods(self, blocks: Sequence[Block]) -> list[Block]:
        asked = self.by.methods
        if asked is None:
            return list(blocks)
        kept = [with_axis(block, "methods", [m for m in block.methods or [] if m in asked]) for block in blocks]
        for name in self._new("methods", asked, blocks):
            method = self.session.method(name, where="--methods")
            home = next((i for i, block in enumerate(blocks) if self._serves(block, method)), None)
            if home is None:
                raise BadInputError(
                    f"{name} needs what no block of the matrix has (teachers or students)",
                    where="--methods",
                    next_step="Name some with --teachers or --students.",
                )
            kept[home] = with_axis(kept[home], "methods", [*(kept[home].methods or []), name])
        return [block for block in kept if block.methods]

    def _serves(self, block: Block, method: Method) -> bool:
        """What the block lacks may come from the command line."""
        teachers = block.teachers or self.by.teachers
        students = block.students or self.by.students
        return bool((teachers or not method.uses_teacher) and (students or not method.uses_student))

    def tasks(self, blocks: Sequence[Block]) -> list[Block]:
        asked = self.by.tasks
        if asked is None:
            return list(blocks)
        everywhere = any(block.tasks is None for block in blocks)
        new = [] if everywhere else self._new("tasks", asked, blocks)
        if everywhere:
            for name in asked:
                self.session.plugins.registries["tasks"].get(name, where="--tasks")
        covered: set[str] = set()
        out: list[Block] = []
        for block in blocks:
            kept = list(asked) if block.tasks is None else [name for name in block.tasks if name in asked]
            if not set(block.methods or []) <= covered:  # a new task gets each method from the first block that has it
                kept += new
                covered |= set(block.methods or [])
            if kept:
                out.append(with_axis(block, "tasks", kept))
        return out

    def students(self, blocks: Sequence[Block]) -> list[Block]:
        return self._models("students", self.by.students, blocks, lambda method: method.uses_student, everywhere=True)

    def teachers(self, blocks: Sequence[Block]) -> list[Block]:
        return self._models("teachers", self.by.teachers, blocks, lambda method: method.uses_teacher, everywhere=False)

    def _models(
        self,
        axis: str,
        asked: Sequence[str] | None,
        blocks: Sequence[Block],
        uses: Callable[[Method], bool],
        *,
        everywhere: bool,
    ) -> list[Block]:
        """``everywhere``: a new name goes to all blocks with methods that use it, not to the first alone."""
        if asked is None:
            return list(blocks)
        new = self._new(axis, asked, blocks)
        out: list[Block] = []
        for block in blocks:
            users = [name for name in block.methods or [] if uses(self.session.method(name))]
            kept: list[Any] = [item for item in getattr(block, axis) or [] if name_of(item) in asked]
            if users and new:
                kept += new
                new = new if everywhere else []
            methods = block.methods if kept else [name for name in block.methods or [] if name not in users]
            if methods:
                out.append(msgspec.structs.replace(block, **{axis: kept, "methods": methods}))
        return out

    def degrees(self, blocks: Sequence[Block]) -> list[Block]:
        asked = self.by.degrees
        if asked is None:
            return list(blocks)
        present = {degree for block in blocks for degree in block.degrees or [1]} | {
            degree for block in blocks for item in block.teachers or [] for degree in _own_degrees(item) or []
        }
        new = [degree for degree in asked if degree not in present]
        out: list[Block] = []
        for block in blocks:
            users = [name for name in block.methods or [] if self.session.method(name).uses_degree]
            kept = [degree for degree in block.degrees or [1] if degree in asked]
            if users:
                kept, new = kept + new, []
            teachers: list[Any] = []
            for item in block.teachers or []:
                own = _own_degrees(item)
                if own is None and (kept or not users):
                    teachers.append(item)
                elif own is not None and any(degree in asked for degree in own):
                    teachers.append({**item, "degrees": [degree for degree in own if degree in asked]})  # type: ignore[dict-item]
            methods = block.methods if teachers or not block.teachers else _without(block.methods, users)
            if methods:
                changes = {"degrees": kept or block.degrees, "teachers": teachers or None, "methods": methods}
                out.append(msgspec.structs.replace(block, **changes))
        return out

    def folds(self, blocks: Sequence[Block]) -> list[Block]:
        """A fold that no block has goes to all of them: what is trained answers every fold."""
        asked = self.by.folds
        if asked is None:
            return list(blocks)
        present = {fold for block in blocks for fold in block.folds or ["test"]}
        new = [fold for fold in asked if fold not in present]
        kept = [[fold for fold in block.folds or ["test"] if fold in asked] + new for block in blocks]
        return [with_axis(block, "folds", folds) for block, folds in zip(blocks, kept, strict=True) if folds]

    def _new(self, axis: str, asked: Sequence[str], blocks: Sequence[Block]) -> list[str]:
        """Names asked for that no block has. They must be registered."""
        present = names_on(blocks, axis)
        registry = self.session.plugins.registries[axis]
        for name in asked:
            if name not in present and name not in registry:
                known = {*present, *registry.names()}
                raise UnknownNameError.of(registry.kind, name, known, where=f"--{axis}", listing="rtbench plugins")
        return [name for name in asked if name not in present]


def _own_degrees(item: str | dict[str, Any]) -> list[int] | None:
    return None if isinstance(item, str) else item.get("degrees")


def _without(names: Sequence[str] | None, dropped: Sequence[str]) -> list[str]:
    return [name for name in names or [] if name not in dropped]
