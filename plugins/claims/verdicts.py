"""The six claims: which cells each compares with which. Nothing here looks at how the comparison comes out, but for C6,
which is about the best of all students and pays for the choice with a wider interval."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rtbench_plugins.claims.evidence import Pair, TeacherId, View, match
from rtbench_plugins.claims.records import Part

from rtbench.runs import CellRecord
from rtbench.stats import CONFIDENCE

_SAME_RUN = ("student", "degree", "variant", "seed")


class UntestedError(Exception):
    """The run lacks what a claim needs; the message says what."""


@dataclass(frozen=True)
class Comparison:
    """Pairs of cells that a claim compares."""

    pairs: Sequence[Pair]
    also: Sequence[Part] = ()
    notes: Sequence[str] = ()
    confidence: float = CONFIDENCE
    by_student: Sequence[Part] | None = None
    """None: the pairs of each student."""


@dataclass
class _Found:
    """What a claim finds per teacher, so that one teacher is the comparison and the others stand beside it."""

    teacher: TeacherId
    pairs: list[Pair]
    also: list[Part] = field(default_factory=list)


def _main_teacher(view: View, pairs_of: Callable[[TeacherId], list[Pair]], missing: str) -> _Found:
    """The comparison with the run's main teacher, or with the next that has one; never several in one."""
    found: _Found | None = None
    for teacher in view.teachers:
        pairs = pairs_of(teacher)
        if not pairs:
            continue
        if found is None:
            found = _Found(teacher, pairs)
        else:
            found.also += view.evidence.part("teacher", f"teacher {teacher}", pairs)
    if found is None:
        raise UntestedError(missing)
    return found


def fine_tune_cot(view: View) -> Comparison:
    """C1: fine-tune-cot of degree 1 minus fine-tune, same student."""
    vanilla = view.vanilla()
    if not vanilla:
        raise UntestedError("no fine-tune")
    on = ("student", "variant", "seed")

    def degree(teacher: TeacherId, wanted: int) -> list[Pair]:
        return match([cell for cell in view.cot(teacher) if cell.degree == wanted], vanilla, on)

    found = _main_teacher(
        view, lambda teacher: degree(teacher, 1), "no fine-tune-cot of degree 1 for a student that has fine-tune"
    )
    for other in _degrees(view, found.teacher)[1:]:
        found.also += view.evidence.part("degree", f"D={other} − fine-tune", degree(found.teacher, other))
    return Comparison(found.pairs, found.also, [f"teacher {found.teacher}"])


def _degrees(view: View, teacher: TeacherId) -> list[int]:
    return sorted({cell.degree for cell in view.cot(teacher) if cell.degree is not None})


def higher_degree(view: View) -> Comparison:
    """C2: the highest degree minus degree 1, same teacher and student."""

    def against_one(teacher: TeacherId, wanted: int) -> list[Pair]:
        cells = view.cot(teacher)
        one = [cell for cell in cells if cell.degree == 1]
        return match([cell for cell in cells if cell.degree == wanted], one, ("student", "variant", "seed"))

    def above_one(teacher: TeacherId) -> list[int]:
        return [degree for degree in _degrees(view, teacher) if degree > 1 and against_one(teacher, degree)]

    def highest(teacher: TeacherId) -> list[Pair]:
        degrees = above_one(teacher)
        return against_one(teacher, degrees[-1]) if degrees else []

    found = _main_teacher(view, highest, "one degree only")
    degrees = above_one(found.teacher)
    for between in degrees[:-1]:
        found.also += view.evidence.part("degree", f"D={between} − D=1", against_one(found.teacher, between))
    return Comparison(found.pairs, found.also, [f"D={degrees[-1]} − D=1, teacher {found.teacher}"])


@dataclass(frozen=True)
class _Size:
    parameters: int
    student: str


def larger_student(view: View) -> Comparison:
    """C3: the largest minus the smallest student of one architecture, fine-tune-cot, same teacher and degree."""

    def between(teacher: TeacherId, large: _Size, small: _Size) -> list[Pair]:
        cells = view.cot(teacher)
        left = [cell for cell in cells if cell.student == large.student]
        right = [cell for cell in cells if cell.student == small.student]
        return match(left, right, ("degree", "variant", "seed"))

    def extremes(teacher: TeacherId) -> list[Pair]:
        sizes = _sizes(view, teacher)
        return between(teacher, sizes[-1], sizes[0]) if len(sizes) > 1 else []

    found = _main_teacher(view, extremes, "one student size only")
    sizes = _sizes(view, found.teacher)
    if len(sizes) > 2:
        for small, large in itertools.pairwise(sizes):
            pairs = between(found.teacher, large, small)
            found.also += view.evidence.part("size", f"{large.student} − {small.student}", pairs)
    degrees = sorted({pair.left.degree or 1 for pair in found.pairs})
    if len(degrees) > 1:
        for degree in degrees:
            pairs = [pair for pair in found.pairs if (pair.left.degree or 1) == degree]
            found.also += view.evidence.part("degree", f"D={degree}", pairs)
    ends = [f"{size.student} ({size.parameters / 1e6:.3g}M)" for size in (sizes[-1], sizes[0])]
    return Comparison(found.pairs, found.also, [f"{' − '.join(ends)}, teacher {found.teacher}"], by_student=())


def _sizes(view: View, teacher: TeacherId) -> list[_Size]:
    """Students by size, smallest first, one for each size. Of several architectures the one with most sizes."""
    families: dict[str, dict[int, str]] = {}
    parameters: dict[str, int] = {}
    for cell in view.cot(teacher):
        found = view.evidence.parameters(cell)
        if found is not None and cell.student is not None:
            parameters[cell.student] = max(found, parameters.get(cell.student, 0))
    for cell in view.cot(teacher):
        if cell.student in parameters:
            families.setdefault(view.evidence.family(cell), {}).setdefault(parameters[cell.student], cell.student)
    most = max(families.values(), key=len, default={})
    return [_Size(count, most[count]) for count in sorted(most)]


def better_teacher(view: View) -> Comparison:
    """C4: students of the teacher with the best answers of its own minus those of the worst one's."""
    evidence = view.evidence
    quality = {teacher: evidence.accuracy(view.rows(teacher)) for teacher in view.teachers}
    known = {teacher: accuracy for teacher, accuracy in quality.items() if accuracy is not None}
    if len(known) < 2:
        raise UntestedError(f"{len(known) or 'no'} teacher with a row of its own and students")
    ranked = sorted(known, key=lambda teacher: known[teacher])

    def between(best: TeacherId, worst: TeacherId) -> list[Pair]:
        return match(view.cot(best), view.cot(worst), _SAME_RUN)

    gaps = [(known[a] - known[b], a, b) for a in ranked for b in ranked if known[a] > known[b] and between(a, b)]
    if not gaps:
        raise UntestedError("no two teachers of different quality taught the same students")
    _, best, worst = max(gaps, key=lambda gap: gap[0])
    also: list[Part] = []
    for teacher in ranked:
        if teacher not in {best, worst}:
            name = f"{teacher} ({known[teacher]:.1%}) − {worst}"
            also += evidence.part("teacher", name, between(teacher, worst))
    said = f"{best} ({known[best]:.1%} right) − {worst} ({known[worst]:.1%} right)"
    return Comparison(between(best, worst), also, [said])


def more_questions(view: View) -> Comparison:
    """C5: all training questions minus the smallest part of them, same teacher, student and degree."""

    def against(teacher: TeacherId, fraction: float) -> list[Pair]:
        return match(view.cot(teacher), view.cot(teacher, fraction=fraction), _SAME_RUN)

    def parts(teacher: TeacherId) -> list[float]:
        return [part for part in view.parts() if against(teacher, part)]

    def smallest(teacher: TeacherId) -> list[Pair]:
        found = parts(teacher)
        return against(teacher, found[0]) if found else []

    found = _main_teacher(view, smallest, "no part of the training questions beside all of them")
    fractions = parts(found.teacher)
    for fraction in fractions[1:]:
        found.also += view.evidence.part("fraction", f"all − {fraction:g}", against(found.teacher, fraction))
    return Comparison(found.pairs, found.also, [f"all − {fractions[0]:g} of the questions, teacher {found.teacher}"])


def beats_teacher(view: View) -> Comparison:
    """C6: the best of all students of an imperfect teacher minus that teacher."""
    evidence = view.evidence
    tried: dict[tuple[TeacherId, str, int | None], list[Pair]] = {}
    quality: dict[TeacherId, float] = {}
    for teacher in view.teachers:
        rows = view.rows(teacher)
        accuracy = evidence.accuracy(rows)
        if accuracy is None:
            continue
        quality[teacher] = accuracy
        if accuracy < 1:
            for pair in match(view.cot(teacher), rows, ("variant",)):
                tried.setdefault((teacher, str(pair.left.student), pair.left.degree), []).append(pair)
    if not tried:
        raise UntestedError("the teacher answers everything right" if quality else "no teacher has a row of its own")
    confidence = 1 - (1 - CONFIDENCE) / len(tried)
    measured = {key: evidence.measure(pairs, confidence) for key, pairs in tried.items()}
    found = {key: one for key, one in measured.items() if one is not None}
    if not found:
        raise UntestedError("teacher and students answered no question in common")
    best = max(found, key=lambda key: (found[key].interval.low, found[key].effect))
    teacher, student, degree = best
    notes = [
        f"{student} D={degree} − {teacher} ({quality[teacher]:.1%} right)",
        f"best of {len(tried)} students tried; interval at {confidence:.2%} (Bonferroni)",
    ]
    parts = [
        Part(
            axis="student",
            name=f"{name} D={d} − {by}",
            effect=found[by, name, d].effect,
            interval=found[by, name, d].interval,
            n=found[by, name, d].n,
        )
        for by, name, d in found
    ]
    return Comparison(tried[best], notes=notes, confidence=confidence, by_student=parts)


COMPARISONS: dict[str, Callable[[View], Comparison]] = {
    "C1": fine_tune_cot,
    "C2": higher_degree,
    "C3": larger_student,
    "C4": better_teacher,
    "C5": more_questions,
    "C6": beats_teacher,
}


def cells_of(comparison: Comparison) -> list[CellRecord]:
    """Each once, left side first."""
    sides = [pair.left for pair in comparison.pairs] + [pair.right for pair in comparison.pairs]
    return list({cell.name: cell for cell in sides}.values())
