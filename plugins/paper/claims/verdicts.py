"""The six claims: which cells each compares with which. Nothing here looks at how the comparison comes out, but for C6,
which is about the best of all students and pays for the choice with a wider interval."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rtbench_plugins.paper.claims.evidence import CellPair, TeacherId, View, match, teacher_of
from rtbench_plugins.paper.claims.records import PartialComparison

from rtbench.api import CONFIDENCE, CellRecord, Difference

_SAME_RUN = ("student", "degree", "variant", "seed")


class UntestedError(Exception):
    """The run lacks what a claim needs; the message says what."""


@dataclass(frozen=True)
class CellComparison:
    """Pairs of cells that a claim compares."""

    pairs: Sequence[CellPair]
    also: Sequence[PartialComparison] = ()
    notes: Sequence[str] = ()
    confidence: float = CONFIDENCE
    by_student: Sequence[PartialComparison] | None = None
    """None: the pairs of each student."""


_SAME_STUDENT = ("student", "variant", "seed")
_SAME_DEGREE = ("degree", "variant", "seed")


@dataclass(frozen=True)
class _Main:
    """The teacher that a claim rests on, and its pairs. The others stand beside it."""

    teacher: TeacherId
    pairs: list[CellPair]


def _main_teacher(view: View, pairs_of: Callable[[TeacherId], list[CellPair]], missing: str) -> _Main:
    """The run's main teacher, or the next that has the comparison; never several in one."""
    for teacher in view.teachers:
        if pairs := pairs_of(teacher):
            return _Main(teacher, pairs)
    raise UntestedError(missing)


def _other_teachers(
    view: View, main: _Main, pairs_of: Callable[[TeacherId], list[CellPair]], facts: Sequence[str]
) -> list[PartialComparison]:
    others = [teacher for teacher in view.teachers if teacher != main.teacher]
    return [
        part
        for teacher in others
        for part in _beside(view, "teacher", f"teacher {teacher}", pairs_of(teacher), main.pairs, facts)
    ]


def _beside(
    view: View, axis: str, name: str, pairs: Sequence[CellPair], main: Sequence[CellPair], facts: Sequence[str]
) -> list[PartialComparison]:
    """A comparison that stands beside the main one: of the main pairs' students, degrees and seeds only. Where it lacks
    some of them, its name says which it has."""

    def key(pair: CellPair) -> tuple[object, ...]:
        return tuple(getattr(pair.left, fact) for fact in facts)

    wanted = {key(pair) for pair in main}
    kept = [pair for pair in pairs if key(pair) in wanted]
    have = {key(pair) for pair in kept}
    lacking: list[str] = []
    for place, fact in enumerate(facts):
        here = {values[place] for values in have}
        if fact != "variant" and here < {values[place] for values in wanted}:
            lacking.append(f"{fact} {', '.join(sorted(map(str, here)))} only")
    if not lacking and have < wanted:
        lacking.append(f"{len(have)} of {len(wanted)} pairs")
    return view.evidence.part(axis, f"{name} ({'; '.join(lacking)})" if lacking else name, kept)


def fine_tune_cot(view: View) -> CellComparison:
    """C1: fine-tune-cot of degree 1 minus fine-tune, same student."""
    vanilla = view.vanilla()
    if not vanilla:
        raise UntestedError("no fine-tune")

    def degree(teacher: TeacherId, wanted: int) -> list[CellPair]:
        return match([cell for cell in view.cot(teacher) if cell.degree == wanted], vanilla, _SAME_STUDENT)

    def one(teacher: TeacherId) -> list[CellPair]:
        return degree(teacher, 1)

    main = _main_teacher(view, one, "no fine-tune-cot of degree 1 for a student that has fine-tune")
    also = _other_teachers(view, main, one, _SAME_STUDENT)
    asked = view.asked_as(main.teacher)
    for wanted in sorted({degree for teacher in asked for degree in _degrees(view, teacher)} - {1}):
        teacher = next(teacher for teacher in asked if wanted in _degrees(view, teacher))
        said = f"D={wanted}" if teacher == main.teacher else f"D={wanted} of {teacher}"
        also += _beside(view, "degree", f"{said} − fine-tune", degree(teacher, wanted), main.pairs, _SAME_STUDENT)
    return CellComparison(main.pairs, also, [f"teacher {main.teacher}"])


def _degrees(view: View, teacher: TeacherId) -> list[int]:
    return sorted({cell.degree for cell in view.cot(teacher) if cell.degree is not None})


def higher_degree(view: View) -> CellComparison:
    """C2: the highest degree minus degree 1, same teacher and student. One rationale may have been asked for at another
    temperature: the paper's is greedy, its several are sampled."""

    def against_one(teacher: TeacherId, wanted: int) -> list[CellPair]:
        left = [cell for cell in view.cot(teacher) if cell.degree == wanted]
        for asked in view.asked_as(teacher):
            pairs = match(left, [cell for cell in view.cot(asked) if cell.degree == 1], _SAME_STUDENT)
            if pairs:
                return pairs
        return []

    def above_one(teacher: TeacherId) -> list[int]:
        return [degree for degree in _degrees(view, teacher) if degree > 1 and against_one(teacher, degree)]

    def highest(teacher: TeacherId) -> list[CellPair]:
        degrees = above_one(teacher)
        return against_one(teacher, degrees[-1]) if degrees else []

    main = _main_teacher(view, highest, "one degree only")
    *between, top = above_one(main.teacher)
    also = _other_teachers(view, main, lambda teacher: against_one(teacher, top), _SAME_STUDENT)
    for wanted in between:
        pairs = against_one(main.teacher, wanted)
        also += _beside(view, "degree", f"D={wanted} − D=1", pairs, main.pairs, _SAME_STUDENT)
    notes = [f"D={top} − D=1, teacher {main.teacher}"]
    if (one := teacher_of(main.pairs[0].right)) != main.teacher:
        notes.append(f"temperatures differ: D={top} {_temperature(main.teacher)}, D=1 {_temperature(one)}")
    return CellComparison(main.pairs, also, notes)


def _temperature(teacher: TeacherId) -> str:
    if teacher.temperature is None:
        return "not set (greedy at degree 1, 0.7 above)"
    return f"at {teacher.temperature:g}"


@dataclass(frozen=True)
class _Size:
    parameters: int
    student: str


def larger_student(view: View) -> CellComparison:
    """C3: the largest minus the smallest student of one series, fine-tune-cot, same teacher and degree."""

    def between(teacher: TeacherId, large: _Size, small: _Size) -> list[CellPair]:
        cells = view.cot(teacher)
        left = [cell for cell in cells if cell.student == large.student]
        right = [cell for cell in cells if cell.student == small.student]
        return match(left, right, _SAME_DEGREE)

    def extremes(teacher: TeacherId) -> list[CellPair]:
        series = _series(view, teacher)
        return between(teacher, series[0][-1], series[0][0]) if series else []

    main = _main_teacher(view, extremes, _no_sizes(view))
    sizes, *others = _series(view, main.teacher)
    smallest, largest = sizes[0], sizes[-1]
    also = _other_teachers(view, main, lambda teacher: between(teacher, largest, smallest), _SAME_DEGREE)
    steps = [("size", small, large) for small, large in itertools.pairwise(sizes)] if len(sizes) > 2 else []
    for axis, small, large in [*steps, *(("series", other[0], other[-1]) for other in others)]:
        pairs = between(main.teacher, large, small)
        also += _beside(view, axis, f"{large.student} − {small.student}", pairs, main.pairs, _SAME_DEGREE)
    degrees = sorted({pair.left.degree or 1 for pair in main.pairs})
    if len(degrees) > 1:
        for degree in degrees:
            pairs = [pair for pair in main.pairs if (pair.left.degree or 1) == degree]
            also += view.evidence.part("degree", f"D={degree}", pairs)
    ends = [f"{size.student} ({size.parameters / 1e6:.3g}M)" for size in (largest, smallest)]
    return CellComparison(main.pairs, also, [f"{' − '.join(ends)}, teacher {main.teacher}"], by_student=())


def _series(view: View, teacher: TeacherId) -> list[list[_Size]]:
    """Each series of which a teacher's students have several sizes, smallest first and one student for each; the series
    with most sizes first (of equals, the run's order)."""
    parameters: dict[str, int] = {}
    for cell in view.cot(teacher):
        found = view.evidence.parameters(cell)
        if found is not None and cell.student is not None:
            parameters[cell.student] = max(found, parameters.get(cell.student, 0))
    series: dict[str, dict[int, str]] = {}
    for cell in view.cot(teacher):
        if cell.student in parameters and cell.series is not None:
            series.setdefault(cell.series, {}).setdefault(parameters[cell.student], cell.student)
    several = [[_Size(count, sizes[count]) for count in sorted(sizes)] for sizes in series.values() if len(sizes) > 1]
    return sorted(several, key=len, reverse=True)


def _no_sizes(view: View) -> str:
    """Why there is no comparison of sizes."""
    unknown = {str(cell.student): None for teacher in view.teachers for cell in view.cot(teacher) if not cell.series}
    if len(unknown) > 1:
        return f"no two sizes of one series; none is stated for {', '.join(unknown)} (option `series`)"
    return "one student size only"


@dataclass(frozen=True)
class _Ranked:
    """Two teachers of which one is measurably better."""

    best: TeacherId
    worst: TeacherId
    measured: Difference


def better_teacher(view: View) -> CellComparison:
    """C4: students of the teacher with the best answers of its own minus those of the worst one's."""

    def between(best: TeacherId, worst: TeacherId) -> list[CellPair]:
        return match(view.cot(best), view.cot(worst), _SAME_RUN)

    ranked = _furthest_apart(view, between)
    best, worst, own = ranked.best, ranked.worst, ranked.measured
    main = between(best, worst)
    also: list[PartialComparison] = []
    for teacher in view.teachers:
        quality = view.evidence.accuracy(view.rows(teacher))
        if teacher not in {best, worst} and quality is not None:
            pairs = between(teacher, worst)
            also += _beside(view, "teacher", f"{teacher} ({quality:.1%}) − {worst}", pairs, main, _SAME_RUN)
    low, high = (f"{100 * end:+.1f}" for end in (own.interval.low, own.interval.high))
    said = f"{best} ({own.left:.1%} right) − {worst} ({own.right:.1%} right)"
    return CellComparison(main, also, [said, f"the teachers' own difference: {100 * own.effect:+.1f} [{low}, {high}]"])


def _furthest_apart(view: View, between: Callable[[TeacherId, TeacherId], list[CellPair]]) -> _Ranked:
    """Of the teachers with students to compare, the two that are furthest apart by their own answers to the same
    questions, by more than chance. As for C6 the intervals allow for the number of teachers looked at."""
    rows = {teacher: found for teacher in view.teachers if (found := view.rows(teacher))}
    if len(rows) < 2:
        raise UntestedError(f"{len(rows) or 'no'} teacher with a row of its own and students")
    couples = [(a, b) for a, b in itertools.combinations(rows, 2) if between(a, b)]
    if not couples:
        raise UntestedError("no two teachers with rows of their own taught the same students")
    confidence = 1 - (1 - CONFIDENCE) / len(couples)
    ranked: list[_Ranked] = []
    for a, b in couples:
        for best, worst in ((a, b), (b, a)):
            own = view.evidence.measure(match(rows[best], rows[worst], ("variant", "seed")), confidence)
            if own is not None and own.interval.low > 0:
                ranked.append(_Ranked(best, worst, own))
    if not ranked:
        raise UntestedError("the teachers' own accuracies do not differ")
    return max(ranked, key=lambda one: one.measured.effect)


def more_questions(view: View) -> CellComparison:
    """C5: all training questions minus the smallest part of them, same teacher, student and degree."""

    def against(teacher: TeacherId, fraction: float) -> list[CellPair]:
        return match(view.cot(teacher), view.cot(teacher, fraction=fraction), _SAME_RUN)

    def parts(teacher: TeacherId) -> list[float]:
        return [part for part in view.parts() if against(teacher, part)]

    def smallest(teacher: TeacherId) -> list[CellPair]:
        found = parts(teacher)
        return against(teacher, found[0]) if found else []

    lacks = "no part of the training questions beside all of them"
    if view.whole < 1 and not view.parts():
        lacks = f"students of {view.whole:g} of the training questions only"
    main = _main_teacher(view, smallest, lacks)
    least, *between = parts(main.teacher)
    also = _other_teachers(view, main, lambda teacher: against(teacher, least), _SAME_RUN)
    for fraction in between:
        also += _beside(view, "fraction", f"all − {fraction:g}", against(main.teacher, fraction), main.pairs, _SAME_RUN)
    return CellComparison(main.pairs, also, [f"all − {least:g} of the questions, teacher {main.teacher}"])


def beats_teacher(view: View) -> CellComparison:
    """C6: the best of all students of an imperfect teacher minus that teacher."""
    evidence = view.evidence
    tried: dict[tuple[TeacherId, str, int | None], list[CellPair]] = {}
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
        PartialComparison(
            axis="student",
            name=f"{name} D={d} − {by}",
            effect=found[by, name, d].effect,
            interval=found[by, name, d].interval,
            n=found[by, name, d].n,
        )
        for by, name, d in found
    ]
    return CellComparison(tried[best], notes=notes, confidence=confidence, by_student=parts)


COMPARISONS: dict[str, Callable[[View], CellComparison]] = {
    "C1": fine_tune_cot,
    "C2": higher_degree,
    "C3": larger_student,
    "C4": better_teacher,
    "C5": more_questions,
    "C6": beats_teacher,
}


def cells_of(comparison: CellComparison) -> list[CellRecord]:
    """Each once, left side first."""
    sides = [pair.left for pair in comparison.pairs] + [pair.right for pair in comparison.pairs]
    return list({cell.name: cell for cell in sides}.values())
