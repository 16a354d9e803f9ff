"""Claims in a YAML file: which cells the two sides are, by the fields of cells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from rtbench.api import (
    BadInputError,
    CellComparison,
    CellRecord,
    Claim,
    ClaimSet,
    Record,
    Reported,
    UntestedError,
    View,
    check_label,
    convert,
    match_cells,
    read_yaml,
)


class Side(Record, frozen=True):
    """The cells of one side: those with these values. A field that is left out is not restricted.

    Both sides are always of the same task, wording, split and seed. Cells with a teacher's own answers belong to a side
    only if its ``method`` is ``teacher``.
    """

    method: str | None = None
    teacher: str | None = None
    student: str | None = None
    degree: int | None = None
    fraction: float | None = None
    temperature: float | None = None
    train_tasks: tuple[str, ...] | None = None
    """Tasks that the student is trained on together. Left out: the task that it is tested on."""

    def cells(self, view: View) -> list[CellRecord]:
        """Return the cells of a view that have the values."""
        wanted = {axis: value for axis in AXES if (value := getattr(self, axis)) is not None}
        pool = view.cells if self.train_tasks is None else view.transferred
        if self.method is None:
            pool = [cell for cell in pool if not cell.of_teacher]
        return [cell for cell in pool if all(getattr(cell, axis) == value for axis, value in wanted.items())]

    def __str__(self) -> str:
        stated = {axis: value for axis in AXES if (value := getattr(self, axis)) is not None}
        return " ".join(f"{axis} {'+'.join(v) if isinstance(v, tuple) else v}" for axis, v in stated.items())


AXES = Side.__struct_fields__


class ClaimEntry(Record, frozen=True):
    """A claim of a file."""

    name: str
    sentence: str
    left: Side
    right: Side
    expect: Literal["ahead", "no lead"] = "ahead"
    """Whether the left side is claimed to be more accurate, or to have no lead of ``margin``."""
    margin: Annotated[float, Meta(gt=0, le=100)] | None = None
    """With ``expect: no lead``: the least lead that counts, in percentage points; 5 where it is left out."""
    tasks: tuple[str, ...] | None = None
    """Tasks that it is about; None: all."""
    printed: dict[str, float] = {}
    """The difference in the source's figures by task, in percentage points."""


class ClaimFile(Record, frozen=True):
    """A file with a set of claims."""

    name: str
    claims: tuple[ClaimEntry, ...]
    title: str = ""
    source: str = ""
    """Citation."""


class SidesClaim(Claim):
    """A claim about two sides of a file. Sides are paired where they agree in every axis in which they are not stated."""

    def __init__(self, entry: ClaimEntry, source: str) -> None:
        self.entry = entry
        self.name, self.sentence, self.no_lead = entry.name, entry.sentence, entry.expect == "no lead"
        if entry.margin is not None:
            self.margin = entry.margin / 100
        self.source = source

    def compare(self, view: View) -> CellComparison:
        left, right, tasks = self.entry.left, self.entry.right, self.entry.tasks
        if tasks is not None and view.context.task not in tasks:
            raise UntestedError(f"the claim is about {', '.join(tasks)}")
        free = [axis for axis in AXES if getattr(left, axis) is None and getattr(right, axis) is None]
        sides = left.cells(view), right.cells(view)
        for side, cells in zip((left, right), sides, strict=True):
            if not cells:
                raise UntestedError(f"no cell has {side}")
        pairs = match_cells(*sides, [*free, "variant", "seed"])
        if not pairs:
            raise UntestedError(
                f"no cell of the left side agrees with one of the right side in {', '.join(free)} and seed"
            )
        return CellComparison(pairs)

    def reported(self, task: str) -> Reported | None:
        points = self.entry.printed.get(task)
        return None if points is None else Reported(effect=points / 100, said=self.source or "the file's figures")


def read_claims(path: Path) -> ClaimSet:
    """Read a set of claims from a YAML file.

    Raises:
        BadInputError: the file is not such a set, or two of its claims have one name.
    """
    file = convert(read_yaml(path), ClaimFile, where=str(path))
    check_label(file.name, where=f"{path}, name")
    for number, entry in enumerate(file.claims):
        check_label(entry.name, where=f"{path}, claims[{number}].name")
        if entry.margin is not None and entry.expect != "no lead":
            raise BadInputError(
                "a margin is for claims of no lead",
                where=f"{path}, claims[{number}].margin",
                next_step="Remove it, or add `expect: no lead`.",
            )
    names = [entry.name for entry in file.claims]
    if doubled := next((name for name in names if names.count(name) > 1), None):
        raise BadInputError(f"two claims are named {doubled!r}", where=str(path), next_step="Rename one of them.")
    title = file.title or f"The claims of {file.name}"
    return ClaimSet(file.name, title, [SidesClaim(entry, file.source) for entry in file.claims], source=file.source)
