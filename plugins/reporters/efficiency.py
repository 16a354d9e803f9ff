"""Gains per unit of cost and the Pareto front, as text for boards that show them."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rtbench_plugins.reporters.endings import named
from rtbench_plugins.reporters.wording import intervals, mean, percent

from rtbench.api import UNKNOWN, CellResult, Efficiency, Leaderboard, LeaderboardRow, listed

ITSELF = "†"
"""Mark of an accuracy that is not a gain."""
MOST_ROWS = 6
"""Highest number of rows that a line names."""


def heads_of(board: Leaderboard) -> list[str]:
    """Return the heads of the columns to the right of the tasks."""
    if board.per is None:
        return ["mean"]
    return ["mean", "tokens" if board.per == "tokens" else "money", "Pareto"]


def values_of(row: LeaderboardRow, board: Leaderboard) -> list[str]:
    """Return a row's values: of each task, the mean and, per unit of cost, its cost and its place."""
    if board.per is None:
        return [*(percent(row.results.get(task)) for task in board.tasks), mean(row, board.tasks)]
    values = [_of_task(row.results.get(task)) for task in board.tasks]
    return [*values, _text(row.efficiency), _cost(row, board), {True: "yes", False: "no", None: "–"}[row.pareto]]


def _of_task(result: CellResult | None) -> str:
    return "" if result is None else _text(result.efficiency)


def _text(efficiency: Efficiency | None) -> str:
    """Return a gain per unit of cost in percentage points, with its interval; a dash where there is none."""
    if efficiency is None or efficiency.value is None:
        return "–"
    mark = "" if efficiency.over is not None else ITSELF
    value = f"{_number(100 * efficiency.value)}{mark}"
    if (found := efficiency.interval) is None:
        return value
    return f"{value} [{_number(100 * found.low)}, {_number(100 * found.high)}]"


def _number(value: float) -> str:
    """Return a number with three significant digits, and never with an exponent."""
    decimals = 2 - math.floor(math.log10(abs(value))) if abs(value) > 1e-9 else 0
    return f"{round(value, decimals) + 0.0:,.{max(0, decimals)}f}"


def _cost(row: LeaderboardRow, board: Leaderboard) -> str:
    """Return the mean cost of a cell's trainings."""
    if row.untrained:
        return "0"
    if row.kind != "measured" or row.mean is None:
        return "–"
    if row.effort is None:
        return UNKNOWN
    if board.per == "money":
        effort = row.effort
        known = [str(cost) for cost in (effort.teacher, effort.student) if cost.amount]
        return f"{known[0]} + {UNKNOWN}" if len(known) == 1 and effort.money.amount is None else str(effort.money)
    return UNKNOWN if row.effort.all_tokens is None else f"{row.effort.all_tokens:,.0f}"


def what_is_shown(board: Leaderboard) -> str:
    """Return what the values of a board with gains per unit of cost are, with the methods of their intervals."""
    unit = "1,000 supervised training tokens" if board.per == "tokens" else _currency(board)
    methods = {one.interval.method for one in _all(board) if one.interval is not None}
    return f"Gain in percentage points per {unit} with a 95 % interval ({intervals(methods)})"


def _currency(board: Leaderboard) -> str:
    costs = [row.effort.money for row in board.rows if row.effort is not None]
    found = sorted({cost.currency for cost in costs if cost.amount is not None and cost.currency})
    return " or ".join(found) or "unit of money"


def _all(board: Leaderboard) -> Iterator[Efficiency]:
    """Yield the numbers of a board, of tasks and of means."""
    for row in board.rows:
        found = [row.efficiency, *(result.efficiency for result in row.results.values())]
        yield from (one for one in found if one is not None and one.value is not None)


def per_lines(board: Leaderboard) -> list[str]:
    """Return how gains per unit of cost are computed, which rows have none and why, and how rows are compared."""
    if board.per is None:
        return []
    found = [(row, row.efficiency) for row in board.rows if row.efficiency is not None]
    over = dict.fromkeys(f"{row.student} {one.over}" for row, one in found if one.over is not None)
    lines = (
        [f"Gain: over the best untrained row of the student on the same questions ({', '.join(over)})."] if over else []
    )
    itself = [named(row) for row, one in found if one.value is not None and one.over is None]
    if itself:
        lines.append(f"{ITSELF}: the accuracy itself, as no untrained row has all tasks: {listed(itself, MOST_ROWS)}.")
    lines.append(_about_cost(board))
    lines += _grouped(
        "No gain per unit of cost", [(named(row), one.reason or "") for row, one in found if one.value is None]
    )
    lines.append(
        "Pareto yes: no other student on the same questions has at least the mean accuracy at a lower cost, or a higher one "
        "at the same cost. An untrained student costs 0."
    )
    return lines + _grouped("Not compared", [(named(row), row.no_pareto) for row in board.rows if row.no_pareto])


def _about_cost(board: Leaderboard) -> str:
    if board.per == "tokens":
        return (
            "tokens: supervised tokens of all trainings behind a cell, over all epochs, mean over cells. Intervals leave out "
            "the spread of the cost."
        )
    return (
        "money: rationales, judges and trainings at the run's prices, in full for each row even where rows share them; mean "
        "over cells. Answers to test questions are not in it. Intervals leave out the spread of the cost."
    )


def _grouped(head: str, rows: list[tuple[str, str]]) -> list[str]:
    """Return a line per reason, with the rows that share it."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in rows:
        by_reason.setdefault(reason, []).append(name)
    return [f"{head} ({reason}): {listed(names, MOST_ROWS)}." for reason, names in by_reason.items()]
