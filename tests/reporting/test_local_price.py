"""What a student costs that is trained on this machine, at the price that it states."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtbench.plugin.plans import Plan
from rtbench.reporting.build import build_leaderboard
from rtbench.reporting.spending import SpendingReader
from rtbench.schema.training import TrainReport
from rtbench.storage.runs import Runs
from tests.helpers.small_runs import PRICED, TRAINED, plan_of, run_here, session_in

WITH_PRICE = TRAINED.replace("    vocab_size: 300", f"    vocab_size: 300\n    {PRICED}")


def test_a_price_changes_no_key(tmp_path: Path) -> None:
    def keys(plan: Plan) -> set[str]:
        return set(plan.steps)

    session = session_in(tmp_path / "ws")
    assert keys(plan_of(session, WITH_PRICE)) == keys(plan_of(session, TRAINED))


@pytest.mark.slow
def test_training_and_answers_are_paid_by_their_tokens(tmp_path: Path) -> None:
    run_here(tmp_path / "ws", WITH_PRICE)
    session = session_in(tmp_path / "ws")
    run = Runs(tmp_path / "ws").load()
    (cell,) = [cell for cell in run.cells if cell.student]
    assert cell.checkpoint is not None
    report = session.store.result(TrainReport, cell.checkpoint)
    assert report.tokens > 0
    board = build_leaderboard(run, session, per="money")
    (row,) = [row for row in board.rows if row.student]
    assert row.effort is not None
    assert row.effort.student.amount == pytest.approx(3.0 * report.tokens / 1e6)
    spent = SpendingReader(session.store, session.ledger).by_student(run)["tiny"]
    (usages,) = [
        partition.usages()
        for partition in session.ledger.partitions()
        if partition.path.parts[-3].startswith("trained-")
    ]
    tokens = [(one.prompt_tokens, one.completion_tokens) for one in usages.values() if one is not None]
    asked = sum(read * 1.0 + written * 2.0 for read, written in tokens) / 1e6
    assert spent.money == pytest.approx(asked + 3.0 * report.tokens / 1e6)
    assert spent.trainings == 1
