"""The paper's own figures on each claim, computed from its tables (``results/reference/paper.csv``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rtbench_plugins.paper.reference import ReferenceRow, load_reference

from rtbench.api import Reported

MAIN, DEGREES = "tab:performance", "ft_cot_diverse"
"""Table of the GPT-3 students (the largest is ``curie``), and the method of its rows with several rationales per question."""
TEACHERS, QUESTIONS = "fig:teacher_performance", "fig:dataset_size"
TEACHER = "text-davinci-002"
NEAR_FULL = 95.0
"""Accuracy in percent from which on no method has room to lead another."""

_UNITS = {"M": 1e6, "B": 1e9}


class Paper:
    """The paper's figures, read when the object is created."""

    def __init__(self) -> None:
        self.rows = [row for row in load_reference() if row.accuracy is not None]

    def expects_opposite(self, task: str) -> bool:
        """Return whether the paper's figures show no lead of fine-tune-cot on a task.

        That is, its largest GPT-3 student did no better with rationales, or came near 100 % both with and without them.
        """
        return self.expectation("C1", task) != "fine-tune-cot ahead"

    def expectation(self, claim: str, task: str) -> str:
        """Return, in words, what the paper's figures lead one to expect of a claim."""
        reported = self.reported(claim, task)
        if claim != "C1":
            return "ahead" if reported is None or reported.effect > 0 else "not ahead"
        if reported is not None and reported.effect <= 0:
            return "fine-tune ahead" if reported.effect < 0 else "no difference"
        sides = [_accuracy(row) for row in self._same_model(task, "ft_cot", "ft") if row is not None]
        return "both near 100 %" if sides and min(sides) >= NEAR_FULL else "fine-tune-cot ahead"

    def reported(self, claim: str, task: str) -> Reported | None:
        """Return the claim's difference in the paper; None where the paper has no such figures."""
        sides: dict[str, Callable[[str], tuple[ReferenceRow | None, ReferenceRow | None]]] = {
            "C1": lambda task: self._same_model(task, "ft_cot", "ft"),
            "C2": lambda task: self._same_model(task, DEGREES, "ft_cot"),
            "C3": self._sizes,
            "C4": self._teachers,
            "C5": self._questions,
            "C6": self._above_teacher,
        }
        left, right = sides[claim](task)
        if left is None or right is None:
            return None
        difference = _accuracy(left) - _accuracy(right)
        table = left.table if left.table == right.table else f"{left.table}, {right.table}"
        return Reported(effect=round(difference / 100, 6), said=f"{_name(left)} − {_name(right)} ({table})")

    def _of(self, task: str, *, method: str | None = None, table: str | None = None) -> list[ReferenceRow]:
        return [
            row for row in self.rows if row.task == task and method in {None, row.method} and table in {None, row.table}
        ]

    def _same_model(self, task: str, left: str, right: str) -> tuple[ReferenceRow | None, ReferenceRow | None]:
        """Return the figures of two methods for the largest GPT-3 student that has both."""
        lefts = {row.model: row for row in self._of(task, method=left, table=MAIN)}
        rights = {row.model: row for row in self._of(task, method=right, table=MAIN)}
        model = max(lefts.keys() & rights.keys(), key=lambda name: _size(lefts[name]), default=None)
        return lefts.get(model), rights.get(model)

    def _sizes(self, task: str) -> tuple[ReferenceRow | None, ReferenceRow | None]:
        rows = self._of(task, method="ft_cot", table=MAIN)
        return _ends(rows, _size)

    def _teachers(self, task: str) -> tuple[ReferenceRow | None, ReferenceRow | None]:
        """Return the students of the best and of the worst teacher, among teachers whose own accuracy is in the paper."""
        quality = {row.teacher: _accuracy(row) for row in self._of(task, method="zs_cot_teacher", table=TEACHERS)}
        rows = [row for row in self._of(task, method="ft_cot", table=TEACHERS) if row.teacher in quality]
        return _ends(rows, lambda row: quality[row.teacher])

    def _questions(self, task: str) -> tuple[ReferenceRow | None, ReferenceRow | None]:
        rows = self._of(task, method="ft_cot", table=QUESTIONS)
        return _ends(rows, lambda row: row.train_size or 0)

    def _above_teacher(self, task: str) -> tuple[ReferenceRow | None, ReferenceRow | None]:
        """Return the best of all students of the paper's main teacher, and that teacher."""
        students = [
            row
            for method in ("ft_cot", DEGREES)
            for row in self._of(task, method=method)
            if row.teacher == TEACHER and row.train_size is None
        ]
        own = [row for row in self._of(task, method="zs_cot_teacher", table=MAIN) if row.model == TEACHER]
        return max(students, key=_accuracy, default=None), (own[0] if own else None)


def _ends(
    rows: Iterable[ReferenceRow], by: Callable[[ReferenceRow], float]
) -> tuple[ReferenceRow | None, ReferenceRow | None]:
    """Return the rows with the greatest and the least value of ``by``; no rows where all values are equal."""
    ranked = sorted(rows, key=by)
    if not ranked or by(ranked[-1]) == by(ranked[0]):
        return None, None
    return ranked[-1], ranked[0]


def _size(row: ReferenceRow) -> float:
    """Return the number of parameters; 0 where it is not stated."""
    text = row.params or "0M"
    return float(text[:-1]) * _UNITS[text[-1]]


def _accuracy(row: ReferenceRow) -> float:
    """Return the accuracy in percent."""
    assert row.accuracy is not None
    return row.accuracy


def _name(row: ReferenceRow) -> str:
    facts = [row.method, row.model or ""]
    if row.diversity is not None:
        facts.append(f"D={row.diversity}")
    if row.table == TEACHERS and row.method == "ft_cot":
        facts.append(f"of {row.teacher}")
    if row.train_size is not None:
        facts.append(f"{row.train_size} questions")
    return f"{' '.join(fact for fact in facts if fact)} {_accuracy(row):.1f}"
