"""Comparisons of students of one teacher, with other teachers for context. Claims of several studies share them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rtbench.api import CellPair, PartialComparison, TeacherId, UntestedError, View


@dataclass(frozen=True)
class MainTeacher:
    """The teacher on which a claim is tested, and its pairs. Other teachers are only shown for context."""

    teacher: TeacherId
    pairs: list[CellPair]


def main_teacher(view: View, method: str, pairs_of: Callable[[TeacherId], list[CellPair]], missing: str) -> MainTeacher:
    """Return the first of the run's teachers that has the comparison. Teachers are never pooled.

    Args:
        view: cells of the run.
        method: method that trained the students.
        pairs_of: returns a teacher's pairs.
        missing: says that no teacher has any.

    Raises:
        UntestedError: with the text ``missing``, where no teacher has it.
    """
    for teacher in view.teachers(method):
        if pairs := pairs_of(teacher):
            return MainTeacher(teacher, pairs)
    raise UntestedError(missing)


def other_teachers(
    view: View, method: str, main: MainTeacher, pairs_of: Callable[[TeacherId], list[CellPair]], facts: Sequence[str]
) -> list[PartialComparison]:
    """Return the same comparison for each other teacher, for context."""
    others = [teacher for teacher in view.teachers(method) if teacher != main.teacher]
    return [
        part
        for teacher in others
        for part in context(view, "teacher", f"teacher {teacher}", pairs_of(teacher), main.pairs, facts)
    ]


def context(
    view: View, axis: str, name: str, pairs: Sequence[CellPair], main: Sequence[CellPair], facts: Sequence[str]
) -> list[PartialComparison]:
    """Return a comparison for context, restricted to the main pairs' students, degrees and seeds.

    Where it lacks some of them, its name says which it has.
    """

    def key(pair: CellPair) -> tuple[object, ...]:
        return tuple(getattr(pair.left, fact) for fact in facts)

    wanted = {key(pair) for pair in main}
    kept = [pair for pair in pairs if key(pair) in wanted]
    present = {key(pair) for pair in kept}
    limits: list[str] = []
    for place, fact in enumerate(facts):
        covered = {values[place] for values in present}
        if fact != "variant" and covered < {values[place] for values in wanted}:
            limits.append(f"{fact} {', '.join(sorted(map(str, covered)))} only")
    if not limits and present < wanted:
        limits.append(f"{len(present)} of {len(wanted)} pairs")
    return view.evidence.part(axis, f"{name} ({'; '.join(limits)})" if limits else name, kept)
