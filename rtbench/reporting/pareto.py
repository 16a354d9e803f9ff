"""The Pareto front of a leaderboard: rows that no row beats that is at least as accurate and costs less."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from rtbench.reporting.efficiency import SAME_QUESTIONS
from rtbench.schema.effort import NOTHING, Cost, CostUnit, unknown
from rtbench.schema.leaderboard import Leaderboard, LeaderboardRow

_DIGITS = 9
"""Decimals to which accuracies and costs are compared, so that rounding errors break no tie."""


def with_pareto(board: Leaderboard) -> Leaderboard:
    """Return a leaderboard whose students' rows have their cost, and whether they are on the Pareto front.

    The cost is money of teacher plus student where it is known of all rows, in one currency, and otherwise supervised
    tokens of all trainings; :attr:`Leaderboard.per` decides where it is set. An untrained student costs nothing. Rows are
    compared that answered the same questions of all tasks. A board without trained rows is returned unchanged.
    """
    students = [row for row in board.rows if row.kind == "measured" and row.mean is not None]
    if all(row.untrained for row in students):
        return board
    currencies = sorted({cost.currency for row in students if (cost := _money(row)).currency})
    unit = board.per or _unit(students, currencies)
    costs: dict[int, Cost] = {}
    for place, row in enumerate(board.rows):
        if row.kind == "measured" and row.mean is not None:
            costs[place] = _cost(row, board, unit, currencies)
    groups: dict[tuple[object, ...], dict[int, tuple[float, float]]] = {}
    for place, cost in costs.items():
        row = board.rows[place]
        if cost.amount is not None and row.mean is not None:
            point = (round(cost.amount, _DIGITS), round(row.mean, _DIGITS))
            groups.setdefault(tuple(getattr(row, fact) for fact in SAME_QUESTIONS), {})[place] = point
    front = {place for points in groups.values() for place in pareto_front(points)}
    rows = [
        _placed(row, costs[place], on_front=place in front) if place in costs else row
        for place, row in enumerate(board.rows)
    ]
    return msgspec.structs.replace(
        board, rows=tuple(rows), cost_unit="tokens" if unit == "tokens" else "/".join(currencies)
    )


def pareto_front(points: Mapping[int, tuple[float, float]]) -> set[int]:
    """Return the places of the points that no other point beats. Equal points do not beat each other.

    Args:
        points: cost and accuracy by place.
    """
    front: dict[int, tuple[float, float]] = {}
    for place, (cost, accuracy) in sorted(points.items(), key=lambda pair: (pair[1][0], -pair[1][1])):
        best = next(reversed(front.values()), None)
        if best is None or accuracy > best[1] or (cost, accuracy) == best:
            front[place] = (cost, accuracy)
    return set(front)


def _placed(row: LeaderboardRow, cost: Cost, *, on_front: bool) -> LeaderboardRow:
    if cost.amount is None:
        return msgspec.structs.replace(row, no_pareto="; ".join(cost.reasons))
    return msgspec.structs.replace(row, cost=cost.amount, pareto=on_front)


def _unit(rows: Iterable[LeaderboardRow], currencies: list[str]) -> CostUnit:
    """Return money where it is known of all rows, in one currency; otherwise tokens."""
    return "money" if len(currencies) == 1 and all(_money(row).amount is not None for row in rows) else "tokens"


def _cost(row: LeaderboardRow, board: Leaderboard, unit: CostUnit, currencies: list[str]) -> Cost:
    """Return a row's cost in a unit, or why it cannot be compared."""
    if row.measured < len(board.tasks):
        return unknown(f"it has a number on {row.measured} of {len(board.tasks)} tasks")
    if unit == "money":
        cost = _money(row)
        several = len(currencies) > 1 and cost.amount is not None
        return unknown(f"prices are in {' and '.join(currencies)}") if several else cost
    if row.untrained:
        return NOTHING
    tokens = row.effort.all_tokens if row.effort is not None else None
    return unknown("the number of its training tokens is not known") if tokens is None else Cost(amount=tokens)


def _money(row: LeaderboardRow) -> Cost:
    """Return the money of teacher plus student. A row that asks a teacher without training has no known cost."""
    if row.untrained:
        return NOTHING if row.teacher is None else unknown(f"what {row.teacher} wrote for it is not known")
    return row.effort.money if row.effort is not None else unknown("a train report is not in the store")
