"""Wording of a leaderboard's rows and numbers, in every format."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rtbench.api import CellResult, Leaderboard, LeaderboardRow, in_percent

SHORT = {
    "tracking_shuffled_objects": "shuffled_objects",
    "last_letter_concatenation": "last_letter",
    "date_understanding": "date",
}
"""Column heads of tasks whose full name is too wide for a terminal."""


def describe(row: LeaderboardRow, board: Leaderboard | None = None) -> list[str]:
    """Return a row's method, student, teacher, degree and selection, as text for the columns :data:`HEADS`.

    Given a board with rows of twins, a reported row says that it is on the published questions.
    """
    method = row.method
    if row.kind == "reported":
        method += " (reported, upstream)" if board and "twin" in sources(board) else " (reported)"
    if row.fold != "test":
        method += f" on {row.fold}"
    if row.split and row.split != "default" and row.kind != "random":
        method += f" on the {row.split} split"
    if row.train_tasks:
        method += f" trained on {', '.join(row.train_tasks)}"
    if row.fraction != 1.0:
        method += f" {in_percent(row.fraction, None)}% of questions"
    if row.sampling is not None:
        method += f" ({row.sampling})"
    teacher = row.teacher or "–"
    if row.completions == "recorded":
        teacher += " (recorded)"
    if row.temperature is not None:
        teacher += f" T={row.temperature:g}"
    if row.tries is not None:
        teacher += f" ≤{row.tries} tries"
    return [
        method,
        row.student or "–",
        teacher,
        "–" if row.degree is None else str(row.degree),
        row.selection or "–",
    ]


HEADS = ["method", "student", "teacher", "D", "selection"]


def percent(result: CellResult | None) -> str:
    """Return an accuracy in percent with its interval, if any; a dash where there is no accuracy."""
    if result is None:
        return ""
    if result.accuracy is None:
        return "—"
    if result.interval is None:
        return in_percent(result.accuracy)
    return f"{in_percent(result.accuracy)} [{in_percent(result.interval.low, 0)}–{in_percent(result.interval.high, 0)}]"


def mean(row: LeaderboardRow, tasks: Sequence[str]) -> str:
    """Return the mean over tasks, in percent, with its interval; and over how many tasks where some are missing."""
    part = "" if row.measured in {0, len(tasks)} else f" ({row.measured}/{len(tasks)})"
    return percent(CellResult(accuracy=row.mean, interval=row.mean_interval)) + part


def sources(board: Leaderboard) -> list[str]:
    """Return the sources of the questions of the measured rows, sorted."""
    return sorted({row.source for row in board.rows if row.kind not in {"random", "reported"}})


_METHODS = {
    "wilson": "Wilson",
    "jeffreys": "Jeffreys",
    "bootstrap": "bootstrap over questions",
    "two-level bootstrap": "bootstrap over seeds, then questions",
    "wilson over patterns": "Wilson over patterns",
    "wilson limit": "Wilson's limit, where all questions differ alike",
    "bootstrap over patterns": "bootstrap over patterns",
    "two-level bootstrap over patterns": "bootstrap over seeds, then patterns",
    "square-and-add": "square-and-add over tasks",
}


def intervals(methods: Iterable[str]) -> str:
    """Return, in words, the methods by which intervals were computed (:attr:`rtbench.schema.scores.Interval.method`)."""
    return " or ".join(_METHODS.get(method, method) for method in sorted(set(methods))) or "none"
