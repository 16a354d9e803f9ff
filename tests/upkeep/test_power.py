"""A run whose power is cut at any moment ends as if nothing had been, when it is started again."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from rtbench.schema.money import BudgetCap
from rtbench.storage.budget import Budget
from rtbench.upkeep.verify import Examined, findings
from tests.helpers.power import left_after_cut, recorded
from tests.helpers.small_runs import TAUGHT, TRAINED, run_here, session_in


def assert_every_cut_is_survived(tmp_path: Path, matrix: str, *, every: int, randomly: int) -> None:
    """Cut the power after each sync, or each of so many; keep what was synced, and each time other parts of what was not."""
    root = tmp_path / "whole" / "ws"
    root.parent.mkdir()
    with recorded(root) as recorder:
        board = run_here(root, matrix)
        assert len(recorder.states) > 20
        for at in range(0, len(recorder.states), every):
            for chance in (None, *(random.Random(1000 * at + number) for number in range(randomly))):
                left = tmp_path / f"{at}-{chance is None}-{id(chance)}" / "ws"
                left.parent.mkdir()
                left_after_cut(recorder, at, left, chance)
                assert run_here(left, matrix) == board, (at, chance)
                found = [one for one in findings(session_in(left), Examined()) if one.damage]
                assert found == [], (at, chance)


def test_a_run_survives_a_power_cut_after_every_sync(tmp_path: Path) -> None:
    assert_every_cut_is_survived(tmp_path, TAUGHT, every=1, randomly=1)


@pytest.mark.slow
def test_a_run_with_a_training_survives_power_cuts(tmp_path: Path) -> None:
    assert_every_cut_is_survived(tmp_path, TRAINED, every=9, randomly=1)


def test_what_was_finished_is_durable(tmp_path: Path) -> None:
    """After the last sync of a run, nothing of ledger and store is lost."""
    root = tmp_path / "whole" / "ws"
    root.parent.mkdir()
    with recorded(root) as recorder:
        run_here(root)
        left_after_cut(recorder, len(recorder.states) - 1, tmp_path / "left", None)
    kept = {
        path.relative_to(root) for path in root.rglob("*") if path.is_file() and path.suffix not in {".sum", ".lock"}
    }
    for name in kept:
        assert (tmp_path / "left" / name).read_bytes() == (root / name).read_bytes(), name


def test_money_is_on_disk_before_it_may_be_spent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    budget = Budget(BudgetCap(path=str(tmp_path / "runs" / "x.spend"), nano=100, currency="USD"))
    budget.begin()
    durable: list[bytes] = []
    monkeypatch.setattr(
        "rtbench.storage.budget._sync", lambda _: durable.append((tmp_path / "runs" / "x.spend").read_bytes())
    )
    assert budget.reserve(40)
    assert b'"spent":0' in durable[-1]
    assert b":40}" in durable[-1]
    assert budget.reserve(40)
    assert not budget.reserve(40)
    assert len(durable) == 2
