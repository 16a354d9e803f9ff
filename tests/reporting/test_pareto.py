"""The Pareto front of a leaderboard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rtbench.reporting.pareto import with_pareto
from rtbench.schema.effort import NOTHING, Cost, CostUnit, TrainingEffort, unknown
from rtbench.schema.leaderboard import CellResult, Leaderboard, LeaderboardRow


def effort(tokens: float | None, *, mentor: float = 0.0, student: Cost | None = None) -> TrainingEffort:
    return TrainingEffort(
        rows=1, tokens=tokens, steps=1, trainings=1, mentor_tokens=mentor, teacher=NOTHING,
        student=unknown("the price is not known") if student is None else student,
    )  # fmt: skip


def row(name: str, accuracy: float, found: TrainingEffort | None = None, **facts: Any) -> LeaderboardRow:
    """A row whose method is its name; without an effort, it is untrained."""
    given: dict[str, Any] = {"kind": "measured", "student": "s", "measured": 1} | facts
    return LeaderboardRow(
        method=name, selection=None if found is None else "last", effort=found, mean=accuracy,
        results={"a": CellResult(accuracy=accuracy, n=10)}, **given,
    )  # fmt: skip


def placed(rows: Sequence[LeaderboardRow], per: CostUnit | None = None) -> Leaderboard:
    return with_pareto(
        Leaderboard(run="r", matrix="m", description="", version="0", tasks=("a",), rows=tuple(rows), per=per)
    )


def front(board: Leaderboard) -> dict[str, bool | None]:
    return {row.method: row.pareto for row in board.rows}


def usd(amount: float) -> Cost:
    return Cost(amount=amount, currency="USD")


def test_rows_that_no_cheaper_row_reaches_are_on_the_front() -> None:
    rows = [
        row("untrained", 0.3),
        row("worse-untrained", 0.2),
        row("cheap", 0.5, effort(1000)),
        row("tie", 0.5, effort(1000)),
        row("same-cost-and-worse", 0.4, effort(1000)),
        row("dearer-and-no-better", 0.5, effort(2000)),
        row("dear", 0.6, effort(3000)),
        row("below-untrained", 0.25, effort(10)),
    ]
    board = placed(rows)
    assert front(board) == {
        "untrained": True, "worse-untrained": False, "cheap": True, "tie": True, "same-cost-and-worse": False,
        "dearer-and-no-better": False, "dear": True, "below-untrained": False,
    }  # fmt: skip
    assert board.cost_unit == "tokens"
    assert [one.cost for one in board.rows][:3] == [0, 0, 1000]


def test_tokens_of_students_that_taught_are_part_of_the_cost() -> None:
    board = placed([row("own", 0.5, effort(1500)), row("taught", 0.5, effort(1000, mentor=1000))])
    assert front(board) == {"own": True, "taught": False}
    assert board.rows[1].cost == 2000


def test_cost_that_is_not_known_is_left_out_and_said() -> None:
    board = placed([row("known", 0.5, effort(1000)), row("unknown", 0.9, effort(None))])
    assert front(board) == {"known": True, "unknown": None}
    assert board.rows[1].no_pareto == "the number of its training tokens is not known"


def test_money_is_compared_where_it_is_known_of_all() -> None:
    rows = [row("many", 0.5, effort(9000, student=usd(1.0))), row("few", 0.5, effort(1000, student=usd(2.0)))]
    board = placed(rows)
    assert (board.cost_unit, front(board)) == ("USD", {"many": True, "few": False})
    one_lacks = placed([*rows, row("local", 0.4, effort(500))])
    assert (one_lacks.cost_unit, front(one_lacks)) == ("tokens", {"many": False, "few": True, "local": True})
    asked = placed([*rows, row("local", 0.4, effort(500))], "money")
    assert (asked.cost_unit, front(asked)) == ("USD", {"many": True, "few": False, "local": None})
    assert asked.rows[2].no_pareto == "the price is not known"


def test_money_in_two_currencies_is_not_compared() -> None:
    rows = [
        row("us", 0.5, effort(1000, student=usd(1.0))),
        row("eu", 0.5, effort(2000, student=Cost(amount=1.0, currency="EUR"))),
    ]
    assert placed(rows).cost_unit == "tokens"
    board = placed(rows, "money")
    assert front(board) == {"us": None, "eu": None}
    assert board.rows[0].no_pareto == "prices are in EUR and USD"


def test_only_students_on_the_same_questions_are_compared() -> None:
    rows = [
        row("a", 0.5, effort(1000)),
        row("harder", 0.3, effort(2000), fold="ood"),
        row("teacher", 1.0, effort(1), kind="teacher"),
        row("partly", 0.9, effort(1), measured=0),
    ]
    board = placed(rows)
    assert front(board) == {"a": True, "harder": True, "teacher": None, "partly": None}
    assert board.rows[3].no_pareto == "it has a number on 0 of 1 tasks"


def test_board_without_training_has_no_front() -> None:
    board = placed([row("untrained", 0.3)])
    assert (board.cost_unit, front(board)) == ("", {"untrained": None})
