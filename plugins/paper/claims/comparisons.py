"""The cells that each of the paper's six claims compares.

Cells are chosen without looking at the outcome. C6 is the exception: it compares the best of all students, and its
interval is widened for that choice.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rtbench_plugins.claims.teachers import context, main_teacher, other_teachers

from rtbench.api import (
    CONFIDENCE,
    CellComparison,
    CellPair,
    CellRecord,
    Difference,
    PartialComparison,
    TeacherId,
    UntestedError,
    View,
    in_percent,
    match_cells,
    teacher_of,
)

FINE_TUNE, FINE_TUNE_COT = "fine-tune", "fine-tune-cot"
_SAME_RUN = ("student", "degree", "variant", "seed")
_SAME_STUDENT = ("student", "variant", "seed")
_SAME_DEGREE = ("degree", "variant", "seed")


def fine_tune_cot(view: View) -> CellComparison:
    """Compare, for C1, fine-tune-cot of degree 1 minus fine-tune, for the same student."""
    vanilla = view.trained(FINE_TUNE)
    if not vanilla:
        raise UntestedError("the run has no fine-tune")

    def degree(teacher: TeacherId, wanted: int) -> list[CellPair]:
        return match_cells(
            [cell for cell in view.trained(FINE_TUNE_COT, teacher) if cell.degree == wanted], vanilla, _SAME_STUDENT
        )

    def degree_one(teacher: TeacherId) -> list[CellPair]:
        return degree(teacher, 1)

    main = main_teacher(view, FINE_TUNE_COT, degree_one, "no student has both fine-tune and fine-tune-cot of degree 1")
    also = other_teachers(view, FINE_TUNE_COT, main, degree_one, _SAME_STUDENT)
    variants = view.asked_as(FINE_TUNE_COT, main.teacher)
    for wanted in sorted({degree for teacher in variants for degree in _degrees(view, teacher)} - {1}):
        teacher = next(teacher for teacher in variants if wanted in _degrees(view, teacher))
        left = f"D={wanted}" if teacher == main.teacher else f"D={wanted} of {teacher}"
        also += context(view, "degree", f"{left} − fine-tune", degree(teacher, wanted), main.pairs, _SAME_STUDENT)
    return CellComparison(main.pairs, also, [f"teacher {main.teacher}"])


def _degrees(view: View, teacher: TeacherId) -> list[int]:
    return sorted({cell.degree for cell in view.trained(FINE_TUNE_COT, teacher) if cell.degree is not None})


def higher_degree(view: View) -> CellComparison:
    """Compare, for C2, the highest degree minus degree 1, for the same teacher and student.

    Degree 1 may have another temperature: the paper's single rationale is greedy, its several rationales are sampled.
    """

    def against_one(teacher: TeacherId, wanted: int) -> list[CellPair]:
        left = [cell for cell in view.trained(FINE_TUNE_COT, teacher) if cell.degree == wanted]
        for variant in view.asked_as(FINE_TUNE_COT, teacher):
            pairs = match_cells(
                left, [cell for cell in view.trained(FINE_TUNE_COT, variant) if cell.degree == 1], _SAME_STUDENT
            )
            if pairs:
                return pairs
        return []

    def above_one(teacher: TeacherId) -> list[int]:
        return [degree for degree in _degrees(view, teacher) if degree > 1 and against_one(teacher, degree)]

    def highest(teacher: TeacherId) -> list[CellPair]:
        degrees = above_one(teacher)
        return against_one(teacher, degrees[-1]) if degrees else []

    main = main_teacher(view, FINE_TUNE_COT, highest, "no student has both degree 1 and a higher degree")
    *between, top = above_one(main.teacher)
    also = other_teachers(view, FINE_TUNE_COT, main, lambda teacher: against_one(teacher, top), _SAME_STUDENT)
    for wanted in between:
        pairs = against_one(main.teacher, wanted)
        also += context(view, "degree", f"D={wanted} − D=1", pairs, main.pairs, _SAME_STUDENT)
    notes = [f"D={top} − D=1, teacher {main.teacher}"]
    if (right := teacher_of(main.pairs[0].right)) != main.teacher:
        notes.append(f"temperatures differ: D={top} {_temperature(main.teacher)}, D=1 {_temperature(right)}")
    return CellComparison(main.pairs, also, notes)


def _temperature(teacher: TeacherId) -> str:
    if teacher.temperature is None:
        return "not set (greedy at degree 1, 0.7 above)"
    return f"at {teacher.temperature:g}"


@dataclass(frozen=True)
class _StudentSize:
    parameters: int
    student: str


def larger_student(view: View) -> CellComparison:
    """Compare, for C3, the largest minus the smallest fine-tune-cot student of a series, for the same teacher and degree."""

    def between(teacher: TeacherId, large: _StudentSize, small: _StudentSize) -> list[CellPair]:
        cells = view.trained(FINE_TUNE_COT, teacher)
        left = [cell for cell in cells if cell.student == large.student]
        right = [cell for cell in cells if cell.student == small.student]
        return match_cells(left, right, _SAME_DEGREE)

    def extremes(teacher: TeacherId) -> list[CellPair]:
        series = _series(view, teacher)
        return between(teacher, series[0][-1], series[0][0]) if series else []

    main = main_teacher(view, FINE_TUNE_COT, extremes, _no_sizes(view))
    sizes, *others = _series(view, main.teacher)
    smallest, largest = sizes[0], sizes[-1]
    also = other_teachers(view, FINE_TUNE_COT, main, lambda teacher: between(teacher, largest, smallest), _SAME_DEGREE)
    steps = [("size", small, large) for small, large in itertools.pairwise(sizes)] if len(sizes) > 2 else []
    for axis, small, large in [*steps, *(("series", other[0], other[-1]) for other in others)]:
        pairs = between(main.teacher, large, small)
        also += context(view, axis, f"{large.student} − {small.student}", pairs, main.pairs, _SAME_DEGREE)
    degrees = sorted({pair.left.degree or 1 for pair in main.pairs})
    if len(degrees) > 1:
        for degree in degrees:
            pairs = [pair for pair in main.pairs if (pair.left.degree or 1) == degree]
            also += view.evidence.part("degree", f"D={degree}", pairs)
    ends = [f"{size.student} ({size.parameters / 1e6:.3g}M)" for size in (largest, smallest)]
    return CellComparison(main.pairs, also, [f"{' − '.join(ends)}, teacher {main.teacher}"], by_student=())


def _series(view: View, teacher: TeacherId) -> list[list[_StudentSize]]:
    """Return the series of which a teacher's students have several sizes.

    Returns:
        series by their number of sizes, most first (ties in the run's order); in each, a student per size, smallest
        first.
    """
    parameters: dict[str, int] = {}
    for cell in view.trained(FINE_TUNE_COT, teacher):
        count = view.evidence.parameters(cell)
        if count is not None and cell.student is not None:
            parameters[cell.student] = max(count, parameters.get(cell.student, 0))
    series: dict[str, dict[int, str]] = {}
    for cell in view.trained(FINE_TUNE_COT, teacher):
        if cell.student in parameters and cell.series is not None:
            series.setdefault(cell.series, {}).setdefault(parameters[cell.student], cell.student)
    several = [
        [_StudentSize(count, sizes[count]) for count in sorted(sizes)] for sizes in series.values() if len(sizes) > 1
    ]
    return sorted(several, key=len, reverse=True)


def _no_sizes(view: View) -> str:
    """Return why student sizes cannot be compared."""
    unknown = {
        str(cell.student): None
        for teacher in view.teachers(FINE_TUNE_COT)
        for cell in view.trained(FINE_TUNE_COT, teacher)
        if not cell.series
    }
    if len(unknown) > 1:
        return f"no two sizes of one series; the series of {', '.join(unknown)} is not stated (option `series`)"
    return "all students have the same size"


@dataclass(frozen=True)
class _Ranked:
    """Two teachers, one of which is significantly better, and the difference of their own accuracies."""

    best: TeacherId
    worst: TeacherId
    measured: Difference


def better_teacher(view: View) -> CellComparison:
    """Compare, for C4, students of the teacher whose own answers are best minus students of the worst teacher."""

    def between(best: TeacherId, worst: TeacherId) -> list[CellPair]:
        return match_cells(view.trained(FINE_TUNE_COT, best), view.trained(FINE_TUNE_COT, worst), _SAME_RUN)

    rows, where = _own_answers(view)
    ranked = _furthest_apart(view, rows, between)
    best, worst, own = ranked.best, ranked.worst, ranked.measured
    main = between(best, worst)
    also: list[PartialComparison] = []
    for teacher in view.teachers(FINE_TUNE_COT):
        quality = view.evidence.accuracy(rows.get(teacher, []))
        if teacher not in {best, worst} and quality is not None:
            pairs = between(teacher, worst)
            also += context(view, "teacher", f"{teacher} ({in_percent(quality)} %) − {worst}", pairs, main, _SAME_RUN)
    low, high = (in_percent(end, sign=True) for end in (own.interval.low, own.interval.high))
    teachers = f"{best} ({in_percent(own.left)} % right{where}) − {worst} ({in_percent(own.right)} % right)"
    own_difference = f"the teachers' own difference: {in_percent(own.effect, sign=True)} [{low}, {high}]"
    return CellComparison(main, also, [teachers, own_difference])


def _own_answers(view: View) -> tuple[Mapping[TeacherId, list[CellRecord]], str]:
    """Return the teachers' own answers to the questions that most of them have answered, and in words which these are.

    They are the questions of the fold (in words: nothing), or else the training questions, which their students learn from.
    """
    rows = {teacher: cells for teacher in view.teachers(FINE_TUNE_COT) if (cells := view.rows(teacher))}
    trained = {teacher: cells for teacher in view.teachers(FINE_TUNE_COT) if (cells := view.rows_on_training(teacher))}
    return (trained, " of the training questions") if len(trained) > len(rows) else (rows, "")


def _furthest_apart(
    view: View,
    rows: Mapping[TeacherId, list[CellRecord]],
    between: Callable[[TeacherId, TeacherId], list[CellPair]],
) -> _Ranked:
    """Return the two teachers whose own answers to the same questions differ most, and significantly.

    Only teachers with students to compare count. As in C6, the intervals allow for the number of teachers compared.

    Raises:
        UntestedError: no two teachers can be compared, or none differ significantly.
    """
    if len(rows) < 2:
        raise UntestedError(f"needs two teachers that have students and a row of their own; the run has {len(rows)}")
    couples = [(a, b) for a, b in itertools.combinations(rows, 2) if between(a, b)]
    if not couples:
        raise UntestedError("no two teachers that have rows of their own taught the same students")
    confidence = 1 - (1 - CONFIDENCE) / len(couples)
    ranked: list[_Ranked] = []
    for a, b in couples:
        for best, worst in ((a, b), (b, a)):
            own = view.evidence.measure(match_cells(rows[best], rows[worst], ("variant", "seed")), confidence)
            if own is not None and own.interval.low > 0:
                ranked.append(_Ranked(best, worst, own))
    if not ranked:
        raise UntestedError("the teachers' own accuracies do not differ significantly")
    return max(ranked, key=lambda couple: couple.measured.effect)


def more_questions(view: View) -> CellComparison:
    """Compare, for C5, all training questions minus the smallest fraction, for the same teacher, student and degree."""

    def against(teacher: TeacherId, fraction: float) -> list[CellPair]:
        return match_cells(
            view.trained(FINE_TUNE_COT, teacher), view.trained(FINE_TUNE_COT, teacher, fraction=fraction), _SAME_RUN
        )

    def fractions(teacher: TeacherId) -> list[float]:
        return [fraction for fraction in view.smaller_fractions(FINE_TUNE_COT) if against(teacher, fraction)]

    def smallest(teacher: TeacherId) -> list[CellPair]:
        usable = fractions(teacher)
        return against(teacher, usable[0]) if usable else []

    missing = "needs a run on a smaller fraction of the training questions as well"
    if view.whole < 1 and not view.smaller_fractions(FINE_TUNE_COT):
        missing = f"all students were trained on the same fraction of the training questions, {view.whole:g}"
    main = main_teacher(view, FINE_TUNE_COT, smallest, missing)
    least, *between = fractions(main.teacher)
    also = other_teachers(view, FINE_TUNE_COT, main, lambda teacher: against(teacher, least), _SAME_RUN)
    for fraction in between:
        pairs = against(main.teacher, fraction)
        also += context(view, "fraction", f"all − {fraction:g}", pairs, main.pairs, _SAME_RUN)
    return CellComparison(main.pairs, also, [f"all − {least:g} of the questions, teacher {main.teacher}"])


def beats_teacher(view: View) -> CellComparison:
    """Compare, for C6, the best of all students of imperfect teachers minus its teacher."""
    evidence = view.evidence
    tried: dict[tuple[TeacherId, str, int | None], list[CellPair]] = {}
    quality: dict[TeacherId, float] = {}
    for teacher in view.teachers(FINE_TUNE_COT):
        rows = view.rows(teacher)
        accuracy = evidence.accuracy(rows)
        if accuracy is None:
            continue
        quality[teacher] = accuracy
        if accuracy < 1:
            for pair in match_cells(view.trained(FINE_TUNE_COT, teacher), rows, ("variant",)):
                tried.setdefault((teacher, str(pair.left.student), pair.left.degree), []).append(pair)
    if not tried:
        raise UntestedError(
            "the teacher answers every question right" if quality else "no teacher has a row of its own"
        )
    confidence = 1 - (1 - CONFIDENCE) / len(tried)
    measured = {key: evidence.measure(pairs, confidence) for key, pairs in tried.items()}
    differences = {key: difference for key, difference in measured.items() if difference is not None}
    if not differences:
        raise UntestedError("teacher and students answered no question in common")
    best = max(differences, key=lambda key: (differences[key].interval.low, differences[key].effect))
    teacher, student, degree = best
    notes = [
        f"{student} D={degree} − {teacher} ({in_percent(quality[teacher])} % right)",
        f"best of {len(tried)} students; interval at {in_percent(confidence, 2)} % (Bonferroni)",
    ]
    parts = [
        PartialComparison(
            axis="student",
            name=f"{name} D={d} − {by}",
            effect=difference.effect,
            interval=difference.interval,
            n=difference.n,
        )
        for (by, name, d), difference in differences.items()
    ]
    return CellComparison(tried[best], notes=notes, confidence=confidence, by_student=parts)
