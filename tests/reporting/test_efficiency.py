"""Gains per unit of cost, against numbers worked out by hand."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from rtbench.reporting.build import build_leaderboard
from rtbench.schema.effort import CostUnit, Efficiency
from rtbench.schema.environment import Environment
from rtbench.schema.leaderboard import Leaderboard, LeaderboardRow
from rtbench.schema.scores import Interval
from rtbench.schema.training import TrainReport
from rtbench.session import Session
from rtbench.stats.bootstrap import Bootstrap
from rtbench.stats.intervals import interval_of_mean, wilson
from rtbench.stats.paired import difference
from tests.helpers.claims import Bench, share


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, source="upstream")


def trained(
    bench: Bench, right: list[bool], *, tokens: int, money: float = 0.0, currency: str = "", **facts: object
) -> None:
    """Add the cell of a student that was fine-tuned on gold answers, with so many tokens."""
    bench.cell("fine-tune", right, **facts)  # type: ignore[arg-type]
    cell = bench.cells[-1]
    report = TrainReport(
        rows=10, validation_rows=0, truncated=0, epochs=2, selected=2, steps=5, tokens=tokens, parameters=9, history=(),
        money=money, currency=currency,
    )  # fmt: skip
    key = f"{cell.checkpoint}-reported"
    bench.put("train", key, msgspec.to_builtins(report))
    bench.cells[-1] = msgspec.structs.replace(cell, checkpoint=key)


def board(bench: Bench, per: CostUnit | None = "tokens") -> Leaderboard:
    return build_leaderboard(bench.record(), Session(Environment(workspace=str(bench.workspace))), per=per)


def row_of(found: Leaderboard, method: str = "fine-tune", student: str = "small") -> LeaderboardRow:
    (row,) = [row for row in found.rows if (row.method, row.student) == (method, student)]
    return row


def number(row: LeaderboardRow, task: str | None = None) -> Efficiency:
    """The efficiency on a task, or over all tasks; it has a number."""
    found = row.efficiency if task is None else row.results[task].efficiency
    assert found is not None
    assert found.value is not None
    return found


def paired(left: list[bool], right: list[bool]) -> Interval:
    """The interval of the paired difference of one seed."""
    sides = {0: {at: (float(a), float(b)) for at, (a, b) in enumerate(zip(left, right, strict=True))}}
    return difference(sides, {0: {at: at for at in sides[0]}}, Bootstrap(), shared=False).interval


def test_gain_is_the_paired_difference_to_the_best_untrained_row(bench: Bench) -> None:
    bench.cell("zero-shot", share(20))
    bench.cell("zero-shot-cot", share(30))
    bench.cell("zero-shot-cot", share(50), student="other")
    trained(bench, share(60, shift=10), tokens=2000)
    found = number(row_of(board(bench)), "multiarith")
    assert found.gain == pytest.approx(0.3)
    assert found.value == pytest.approx(0.15), "0.3 for two thousand tokens"
    assert (found.over, found.n) == ("zero-shot-cot", 100)
    interval = paired(share(60, shift=10), share(30))
    assert found.interval == Interval(low=interval.low / 2, high=interval.high / 2, method="bootstrap")
    assert row_of(board(bench)).efficiency == found, "the only task"


def test_seeds_share_the_mean_of_their_tokens(bench: Bench) -> None:
    bench.cell("zero-shot", share(20))
    trained(bench, share(60), tokens=1000, seed=0)
    trained(bench, share(40), tokens=3000, seed=1)
    found = number(row_of(board(bench)), "multiarith")
    assert found.gain == pytest.approx(0.3)
    assert found.value == pytest.approx(0.15)
    assert found.n == 200, "each seed's answers are paired with those of the untrained student"
    assert found.interval is not None
    assert found.interval.method == "two-level bootstrap"


def test_mean_is_the_mean_gain_by_the_mean_cost(bench: Bench) -> None:
    for task, after, tokens in (("multiarith", 60, 1000), ("aqua", 40, 3000)):
        bench.cell("zero-shot", share(20), task=task)
        trained(bench, share(after), tokens=tokens, task=task)
    row = row_of(board(bench))
    assert number(row, "multiarith").value == pytest.approx(0.4)
    assert number(row, "aqua").value == pytest.approx(0.2 / 3)
    overall = number(row)
    assert overall.value == pytest.approx(0.3 / 2)
    parts = [(0.4, paired(share(60), share(20))), (0.2, paired(share(40), share(20)))]
    below = sum((gain - interval.low) ** 2 for gain, interval in parts) ** 0.5 / 2
    assert overall.interval is not None
    assert overall.interval.low == pytest.approx((0.3 - below) / 2)
    assert overall.n == 200


def test_accuracy_counts_where_no_untrained_row_has_all_tasks(bench: Bench) -> None:
    bench.cell("zero-shot", share(20))
    for task in ("multiarith", "aqua"):
        trained(bench, share(60), tokens=2000, task=task)
    found = number(row_of(board(bench)), "multiarith")
    assert (found.over, found.gain, found.n) == (None, 0.6, 100)
    assert found.value == pytest.approx(0.3)
    assert found.interval is not None
    assert found.interval.high == pytest.approx(wilson(60, 100).high / 2)


def test_untrained_rows_and_unknown_prices_have_no_number_but_a_reason(bench: Bench) -> None:
    bench.cell("zero-shot", share(20))
    trained(bench, share(60), tokens=2000)
    found = board(bench, "money")
    said = {row.method: row.efficiency for row in found.rows if row.kind == "measured"}
    assert said["zero-shot"] == Efficiency(value=None, reason="nothing was trained")
    assert said["fine-tune"] == Efficiency(value=None, reason="the price of training small is not known")
    (random,) = [row for row in found.rows if row.kind == "random"]
    assert random.efficiency is None


def test_gain_per_unit_of_money(bench: Bench) -> None:
    bench.cell("zero-shot", share(20))
    trained(bench, share(60), tokens=2000, money=0.5, currency="EUR")
    found = board(bench, "money")
    assert number(row_of(found)).value == pytest.approx(0.8), "40 points for half a euro"
    assert (found.per, found.cost_unit) == ("money", "EUR")


def test_board_without_the_option_has_costs_but_no_gains(bench: Bench) -> None:
    trained(bench, share(60), tokens=2000)
    found = board(bench, None)
    row = row_of(found)
    assert (found.per, row.efficiency, row.results["multiarith"].efficiency) == (None, None, None)
    assert (row.pareto, row.cost, found.cost_unit) == (True, 2000, "tokens")


def test_interval_of_a_mean_adds_squares() -> None:
    one = Interval(low=0.1, high=0.7, method="bootstrap")
    other = Interval(low=0.2, high=0.8, method="bootstrap")
    found = interval_of_mean([(0.4, one), (0.6, other)])
    assert found.low == pytest.approx(0.5 - 0.25)
    assert found.high == pytest.approx(0.5 + (0.09 + 0.04) ** 0.5 / 2)
