"""How a leaderboard's rows and numbers are written, whoever prints them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rtbench.api import CellResult, Leaderboard, LeaderboardRow, in_percent

SHORT = {
    "tracking_shuffled_objects": "shuffled_objects",
    "last_letter_concatenation": "last_letter",
    "date_understanding": "date",
}
"""Column heads where the full name is too wide for a terminal."""


def describe(row: LeaderboardRow, board: Leaderboard | None = None) -> list[str]:
    """Method, student, teacher, degree and selection of a row; beside a twin's rows a reported one says that it is of
    other questions."""
    method = row.method
    if row.kind == "reported":
        method += " (reported, upstream)" if board and "twin" in sources(board) else " (reported)"
    if row.fold != "test":
        method += f" on {row.fold}"
    if row.split and row.split != "default" and row.kind != "random":
        method += f" on the {row.split} split"
    if row.fraction != 1.0:
        method += f" {100 * row.fraction:g}% of questions"
    teacher = row.teacher or "–"
    if row.completions == "recorded":
        teacher += " (recorded)"
    if row.temperature is not None:
        teacher += f" T={row.temperature:g}"
    return [
        method,
        row.student or "–",
        teacher,
        "–" if row.degree is None else str(row.degree),
        row.selection or "–",
    ]


HEADS = ["method", "student", "teacher", "D", "selection"]


def percent(result: CellResult | None) -> str:
    """Accuracy in percent with its interval; a dash where there is none."""
    if result is None:
        return ""
    if result.accuracy is None:
        return "—"
    if result.interval is None:
        return in_percent(result.accuracy)
    return f"{in_percent(result.accuracy)} [{100 * result.interval.low:.0f}–{100 * result.interval.high:.0f}]"


def mean(row: LeaderboardRow, tasks: Sequence[str]) -> str:
    """The mean over tasks with its interval; over how many, where it is not all of them."""
    part = "" if row.measured in {0, len(tasks)} else f" ({row.measured}/{len(tasks)})"
    return percent(CellResult(accuracy=row.mean, interval=row.mean_interval)) + part


def sources(board: Leaderboard) -> list[str]:
    """Of the rows that were measured."""
    return sorted({row.source for row in board.rows if row.kind not in {"random", "reported"}})


_METHODS = {
    "wilson": "Wilson",
    "jeffreys": "Jeffreys",
    "bootstrap": "bootstrap over questions",
    "two-level bootstrap": "bootstrap over seeds, then questions",
    "wilson over patterns": "Wilson over patterns",
    "wilson limit": "Wilson's limit, where all differ alike",
    "bootstrap over patterns": "bootstrap over patterns",
    "two-level bootstrap over patterns": "bootstrap over seeds, then patterns",
}


def intervals(methods: Iterable[str]) -> str:
    """How intervals were made (:attr:`rtbench.schema.scores.Interval.method`), in words."""
    return " or ".join(_METHODS.get(method, method) for method in sorted(set(methods))) or "none"
