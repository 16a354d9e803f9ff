"""Gains per unit of cost and the Pareto front, as a reader sees them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import msgspec
from rtbench_plugins.reporters.efficiency import heads_of, per_lines, values_of, what_is_shown
from rtbench_plugins.reporters.footnotes import essentials, notes
from rtbench_plugins.reporters.tables import CsvReporter, MarkdownReporter, TableReporter

from rtbench.schema.effort import Cost, Efficiency, TrainingEffort, unknown
from rtbench.schema.leaderboard import CellResult, Leaderboard, LeaderboardRow
from rtbench.schema.scores import Interval
from tests.helpers.cli import Cli
from tests.helpers.prices import bill, set_prices


def effort(student: Cost) -> TrainingEffort:
    return TrainingEffort(
        rows=10, tokens=12345, steps=20, trainings=1, mentor_tokens=0, teacher=Cost(amount=1.0, currency="EUR"),
        student=student,
    )  # fmt: skip


def row(
    method: str, efficiency: Efficiency | None, found: TrainingEffort | None, *, pareto: bool | None
) -> LeaderboardRow:
    result = CellResult(accuracy=0.5, n=100, effort=found, efficiency=efficiency)
    return LeaderboardRow(
        kind="measured", method=method, student="s", selection=None if found is None else "last", results={"a": result},
        mean=0.5, measured=1, effort=found, efficiency=efficiency, pareto=pareto,
        no_pareto="the price is not known" if pareto is None else None,
    )  # fmt: skip


GAIN = Efficiency(
    value=0.01234, interval=Interval(low=-0.001, high=0.02, method="bootstrap"), gain=0.3, over="zero-shot", n=100
)
ITSELF = msgspec.structs.replace(GAIN, value=12.5, interval=None, over=None)


def board() -> Leaderboard:
    rows = (
        row("zero-shot", Efficiency(value=None, reason="nothing was trained"), None, pareto=False),
        row("fine-tune", GAIN, effort(Cost(amount=0.5, currency="EUR")), pareto=True),
        row("fine-tune-cot", ITSELF, effort(unknown("the price is not known")), pareto=None),
        LeaderboardRow(kind="random", method="random", results={"a": CellResult(accuracy=0.5)}, mean=0.5, measured=1),
    )
    return Leaderboard(
        run="r", matrix="m", description="", version="0", tasks=("a",), rows=rows, per="money", cost_unit="EUR"
    )


def test_values_are_points_per_unit_with_cost_and_mark() -> None:
    assert heads_of(board()) == ["mean", "money", "Pareto"]
    assert [values_of(one, board())[1:] for one in board().rows] == [
        ["–", "0", "no"],
        ["1.23 [-0.100, 2.00]", "1.50 EUR", "yes"],
        ["1,250†", "1.00 EUR + ?", "–"],
        ["–", "–", "–"],
    ]
    tokens = msgspec.structs.replace(board(), per="tokens")
    assert heads_of(tokens)[1] == "tokens"
    assert values_of(tokens.rows[1], tokens)[2] == "12,345"


def test_lines_below_say_what_is_divided_and_what_has_no_number() -> None:
    assert what_is_shown(board()) == (
        "Gain in percentage points per EUR with a 95 % interval (bootstrap over questions)"
    )
    lines = "\n".join(per_lines(board()))
    assert "over the best untrained row of the student on the same questions (s zero-shot)" in lines
    assert "†: the accuracy itself, as no untrained row has all tasks: fine-tune-cot s." in lines
    assert "No gain per unit of cost (nothing was trained): zero-shot s." in lines
    assert "Not compared (the price is not known): fine-tune-cot s." in lines


def test_boards_show_gains_only_where_they_have_them() -> None:
    plain = msgspec.structs.replace(board(), per=None)
    for reporter in (TableReporter(), MarkdownReporter()):
        assert "1.23 [-0.100, 2.00]" in reporter.render(board())
        assert "Pareto" not in reporter.render(plain)
        assert "Accuracy in percent" in reporter.render(plain)
        assert "Accuracy in percent" not in reporter.render(board())


def test_columns_for_programs_mark_what_is_not_known() -> None:
    lines = {(one["method"], one["task"]): one for one in csv.DictReader(io.StringIO(CsvReporter().render(board())))}
    known, lacking = lines["fine-tune", "a"], lines["fine-tune-cot", "a"]
    assert (known["training_tokens"], known["teacher_cost"], known["student_cost"]) == ("12345", "1.0", "0.5")
    assert (lacking["student_cost"], lacking["cost_currency"]) == ("?", "EUR")
    assert lines["zero-shot", "a"]["student_cost"] == "", "nothing was trained"
    assert (known["gain"], known["gain_over"], known["gain_n"]) == ("0.3", "zero-shot", "100")
    assert (known["per_unit"], known["per_unit_low"]) == ("0.01234", "-0.001")
    assert lines["fine-tune", "mean"]["pareto"] == "True"
    assert lines["fine-tune-cot", "mean"]["pareto"] == ""


def test_report_divides_a_runs_gains(cli: Cli, demo: Path) -> None:
    cli("run", "--matrix", demo)
    found = json.loads(cli("report", "--per", "tokens", "--format", "json").stdout)
    rows = {(row["method"], row.get("degree")): row for row in found["rows"] if row["kind"] == "measured"}
    (untrained,) = [row for row in rows.values() if row["method"] == "zero-shot"]
    for (method, _), row in rows.items():
        if method != "zero-shot":
            gain = row["mean"] - untrained["mean"]
            assert abs(row["efficiency"]["gain"] - gain) < 1e-6
            assert abs(row["efficiency"]["value"] - gain / (row["effort"]["tokens"] / 1000)) < 1e-6
            assert row["efficiency"]["n"] == 20
    assert (found["per"], found["cost_unit"]) == ("tokens", "tokens")
    assert all(row["pareto"] in {True, False} for row in rows.values())
    said = cli("report", "--per", "tokens").stdout
    assert "Gain in percentage points per 1,000 supervised training tokens" in said
    assert "the price of training parrot is not known" in cli("report", "--per", "money", "--format", "md").stdout
    set_prices(cli, teacher={"input": 2.0, "output": 10.0})
    bill(cli, 0.25)
    priced = cli("report", "--per", "money", "--format", "md").stdout
    assert "Gain in percentage points per USD" in priced
    assert "0.25 USD" in priced
    assert json.loads(cli("report", "--format", "json").stdout)["cost_unit"] == "USD"


def test_formats_without_gains_say_so(cli: Cli, demo: Path) -> None:
    cli("run", "--matrix", demo, "--methods", "fine-tune")
    for options in (["--latex"], ["--html", "site"], ["--format", "shout"]):
        assert "Use --format table, md, csv or json" in cli("report", "--per", "tokens", *options, code=2).stderr


def test_unequal_training_steps_are_said_beside_the_numbers() -> None:
    first, long = effort(Cost(amount=0.0)), msgspec.structs.replace(effort(Cost(amount=0.0)), steps=260)
    equal = msgspec.structs.replace(
        board(), rows=(row("a", None, first, pareto=None), row("b", None, first, pareto=None))
    )
    unequal = msgspec.structs.replace(
        board(), rows=(row("a", None, first, pareto=None), row("b", None, long, pareto=None))
    )
    said = "Optimiser steps differ between rows of one student and task: 20 to 260 (s on a)."
    for shown in (essentials, notes):
        assert said in " ".join(shown(unequal))
        assert "Optimiser steps" not in " ".join(shown(equal))
