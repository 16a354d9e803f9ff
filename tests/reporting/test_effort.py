"""What the trainings behind a row took: rows, tokens, steps and money."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rtbench.schema.effort import Cost, mean_of, total_of, unknown
from tests.helpers.cli import DEMO, Cli
from tests.helpers.prices import bill, set_prices, written_by_counter
from tests.helpers.runs import rewrite, run_record, step_meta, write_matrix

SEEDS = DEMO + "seeds: [0, 1]\n"
MENTOR = """
name: mentored
extractor: last-word
tasks: [parity]
methods: [fine-tune-cot]
students: [parrot]
seeds: [0, 1]
recipe: {epochs: 2, selection: last}
blocks:
  - teachers: [counter]
  - teachers:
      - {name: mentor, from: {method: fine-tune-cot, teacher: counter, student: parrot}}
    students: [{name: small, use: parrot, accent: s}]
"""


def row_of(cli: Cli, method: str, **facts: Any) -> Any:
    board: Any = cli.json("report")
    (row,) = [
        row
        for row in board["rows"]
        if row["method"] == method and all(row.get(name) == value for name, value in facts.items())
    ]
    return row


def reports(cli: Cli, method: str) -> list[list[dict[str, Any]]]:
    """The train reports of a method's cells, that of the tested weights first."""
    cells = [cell for cell in run_record(cli)["cells"] if cell["method"] == method]
    keys = [cell.get("trainings") or [cell["checkpoint"]] for cell in cells]
    return [[step_meta(cli, "train", key)["result"] for key in of_cell] for of_cell in keys]


def test_effort_of_a_row_is_the_mean_over_its_seeds(cli: Cli, demo: Path) -> None:
    demo.write_text(SEEDS)
    cli("run", "--matrix", demo, "--degrees", "4")
    row = row_of(cli, "fine-tune-cot")
    result = row["results"]["parity"]
    (one,), (other,) = reports(cli, "fine-tune-cot")
    assert [effort["tokens"] for effort in result["effort_by_seed"]] == [one["tokens"], other["tokens"]]
    for name in ("rows", "tokens", "steps"):
        assert result["effort"][name] == (one[name] + other[name]) / 2 > 0
    assert (result["effort"]["trainings"], result["effort"]["mentor_tokens"]) == (1, 0)
    assert row["effort"] == result["effort"], "the only task"
    untrained = row_of(cli, "zero-shot")
    assert "effort" not in untrained
    assert "effort" not in untrained["results"]["parity"]


def test_money_that_is_not_known_is_never_0(cli: Cli, demo: Path) -> None:
    cli("run", "--matrix", demo, "--degrees", "4")
    effort = row_of(cli, "fine-tune-cot")["effort"]
    assert effort["teacher"] == {"amount": None, "currency": "", "reasons": ["the price of counter is not known"]}
    assert effort["student"]["amount"] is None
    assert effort["student"]["reasons"] == ["the price of training parrot is not known"]
    assert row_of(cli, "fine-tune")["effort"]["teacher"]["amount"] == 0, "gold answers are not bought"


def test_money_is_that_of_the_rationales_and_of_the_training(cli: Cli, demo: Path) -> None:
    demo.write_text(SEEDS)
    cli("run", "--matrix", demo)
    set_prices(cli, teacher={"input": 2.0, "output": 10.0})
    bill(cli, 0.25)
    amounts = {}
    for degree in (1, 4):
        read, written = written_by_counter(cli, degree)
        effort = row_of(cli, "fine-tune-cot", degree=degree)["effort"]
        assert effort["teacher"]["amount"] == pytest.approx((2 * read + 10 * written) / 1e6)
        assert effort["teacher"]["currency"] == effort["student"]["currency"] == "USD"
        assert effort["student"]["amount"] == 0.25, "of one training: the mean over seeds, not the sum"
        amounts[degree] = effort["teacher"]["amount"]
    assert amounts[4] == pytest.approx(4 * amounts[1], rel=0.01), "the test questions that it answered are not in it"


def test_all_trainings_of_a_chain_count(cli: Cli, demo: Path) -> None:
    cli("run", "--matrix", demo, "--methods", "star", "--degrees", "1")
    bill(cli, 0.25)
    ((last, first),) = reports(cli, "star")
    effort = row_of(cli, "star")["effort"]
    assert effort["tokens"] == last["tokens"] + first["tokens"]
    assert effort["steps"] == last["steps"] + first["steps"]
    assert (effort["rows"], effort["trainings"]) == (last["rows"], 2)
    assert effort["student"]["amount"] is None, "the student was asked for its own rationales"
    assert effort["student"]["reasons"] == ["the price of parrot is not known"]
    set_prices(cli, student={"input": 1.0, "output": 1.0})
    (reason,) = row_of(cli, "star")["effort"]["student"]["reasons"]
    assert "completions of parrot is not known" in reason, "it reports no tokens"


def test_trainings_of_a_student_that_taught_are_kept_apart(cli: Cli) -> None:
    cli("run", "--matrix", write_matrix(cli, MENTOR))
    cells = {cell["name"]: cell for cell in run_record(cli)["cells"]}
    mentor, taught = (
        [
            step_meta(cli, "train", cells[f"parity/fine-tune-cot/{name}/D1/seed{seed}"]["checkpoint"])["result"]
            for seed in (0, 1)
        ]
        for name in ("counter/parrot", "mentor/small")
    )
    effort = row_of(cli, "fine-tune-cot", teacher="mentor")["effort"]
    assert effort["tokens"] == sum(one["tokens"] for one in taught) / 2
    assert effort["mentor_tokens"] == sum(one["tokens"] for one in mentor) / 2
    assert "the price of training parrot is not known" in effort["student"]["reasons"]
    assert row_of(cli, "fine-tune-cot", teacher="counter")["effort"]["mentor_tokens"] == 0


def test_tokens_that_a_provider_did_not_report_are_not_known(cli: Cli, demo: Path) -> None:
    cli("run", "--matrix", demo, "--methods", "fine-tune")
    (folder,) = (cli.workspace / "store" / "train").iterdir()
    meta = step_meta(cli, "train", folder.name)
    meta["result"] |= {"tokens": 0, "steps": 0, "money": 0.0, "currency": "USD"}
    rewrite(folder / "meta.json", meta)
    effort = row_of(cli, "fine-tune")["effort"]
    assert (effort["tokens"], effort["steps"], effort["student"]["amount"]) == (None, None, None)
    assert effort["student"]["reasons"] == ["the provider reported no tokens of a training of parrot"]


def test_sums_of_money_need_one_currency_and_every_amount() -> None:
    euro, dollar, gift = Cost(amount=3.0, currency="EUR"), Cost(amount=1.0, currency="USD"), Cost(amount=0.0)
    assert total_of([euro, euro, gift]) == Cost(amount=6.0, currency="EUR")
    assert mean_of([euro, gift]) == Cost(amount=1.5, currency="EUR")
    assert total_of([euro, dollar]) == unknown("prices are in EUR and USD")
    assert total_of([euro, unknown("a"), unknown("b", "a")]).reasons == ("a", "b")
    assert [str(cost) for cost in (euro, gift, unknown("a"))] == ["3.00 EUR", "0", "?"]
