"""Everything that rtbench provides itself keeps its contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtbench.conformance.suite import CHECKS, Stated
from tests.conformance.conftest import checked, failures

MODELS = ("teachers", "students", "executors")
"""Kinds of objects that load weights or start processes; some of them are checked with small models below."""
TINY = {"n_layer": 1, "n_embd": 32, "n_inner": 64, "n_head": 2, "n_positions": 256}
OPTIONS = [
    {"use": "cap", "most": 2},
    {"use": "diverse", "most": 2},
]


@pytest.mark.parametrize("kind", [kind for kind in CHECKS if kind not in MODELS])
def test_ours_keep_their_contracts(data_dir: Path, kind: str) -> None:
    results = checked("rtbench", Stated(kinds=[kind], curators=OPTIONS))
    assert not failures(results)
    passed = {result.name for result in results if result.state == "passed"}
    assert passed, kind


def test_pocket_student_keeps_its_contract() -> None:
    results = checked("pocket-0.5m", Stated(kinds=["students"]))
    assert not failures(results)
    assert [result.check for result in results if result.state == "skipped"] == []


def test_small_hugging_face_models_keep_their_contract(tmp_path: Path) -> None:
    stated = Stated(
        students=[{"name": "tiny", "use": "hf-causal", "config": TINY, "vocab_size": 400, "device": "cpu"}],
        kinds=["students"],
    )
    assert not failures(checked("hf-causal", stated))


def test_local_executor_keeps_its_contract() -> None:
    (result,) = checked("local", Stated(kinds=["executors"]))
    assert result.state == "passed", result.message


def test_recordings_are_read(data_dir: Path) -> None:
    teacher = data_dir / "teacher"
    files = sorted(
        path for path in teacher.rglob("*") if path.is_file() and path.suffix in {".json", ".jsonl", ".log", ".gz"}
    )
    stated = Stated(kinds=["recordings"], recordings=files[:12])
    results = checked("rtbench", stated)
    assert not failures(results)
    read = {result.name for result in results if "Reads the recordings" in result.check and result.state == "passed"}
    assert read
