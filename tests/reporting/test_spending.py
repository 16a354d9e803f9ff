"""What a run's completions and trainings cost, from the ledger and the store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from rtbench.reporting.spending import SpendingReader
from rtbench.schema.money import Price
from rtbench.schema.runs import RunRecord
from rtbench.storage.ledger import Ledger
from rtbench.storage.runs import Runs
from rtbench.storage.store import Store
from tests.helpers.cli import DEMO, Cli


def record_of(cli: Cli) -> RunRecord:
    return Runs(cli.workspace).load()


def books_of(cli: Cli) -> SpendingReader:
    return SpendingReader(Store(cli.workspace / "store"), Ledger(cli.workspace / "ledger"))


def test_every_round_of_a_student_that_explains_is_paid_for(cli: Cli, demo: Path) -> None:
    cli("run", "--matrix", demo, "--methods", "star", "--degrees", "1")
    record = record_of(cli)
    (cell,) = [cell for cell in record.cells if cell.method == "star"]
    assert len(cell.trainings) == 2
    assert set(cell.completions) < set(cell.asked_student)
    priced = msgspec.structs.replace(record, student_prices={"parrot": Price(input=1.0, output=1.0)})
    scored_only = msgspec.structs.replace(cell, asked_student=(), trainings=())
    old = msgspec.structs.replace(priced, cells=(scored_only,))
    assert books_of(cli).by_student(priced)["parrot"].completions > books_of(cli).by_student(old)["parrot"].completions


def test_rationales_drawn_for_each_seed_are_counted_for_each(cli: Cli, demo: Path) -> None:
    demo.write_text(DEMO + "seeds: [0, 1]\n")
    options = ("--matrix", demo, "--methods", "fine-tune-cot", "--degrees", "4", "--format", "json")

    def curation(*more: str) -> dict[str, Any]:
        board = json.loads(cli("run", *options, *more).stdout)
        (row,) = [row for row in board["rows"] if row["method"] == "fine-tune-cot"]
        return dict(row["results"]["parity"]["curation"])

    shared = curation()
    demo.write_text(DEMO + "seeds: [0, 1]\nteacher_draws: per-seed\n")
    apart = curation()
    assert apart["completions"] == 2 * shared["completions"]
    assert apart["questions"] == 2 * shared["questions"]
