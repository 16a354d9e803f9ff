"""Recorded completions that are damaged or lost are imported again, never counted as missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from rtbench.upkeep.verify import Examined, findings
from tests.helpers.small_runs import run_here, session_in

TASK = """
task: pens
dataset_path: json
doc_to_text: "Q: {{question}}"
doc_to_target: "{{answer}}"
metadata: {version: 1, rtbench: {answer_type: number, files: [{name: pens.jsonl}]}}
"""
MATRIX = """
name: recorded
tasks: [pens]
methods: [fine-tune-cot]
teachers: [{name: t, use: replay, recordings: [m/key]}]
students: []
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "pens.yaml").write_text(TASK)
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    with (tmp_path / "pens.jsonl").open("w") as data, (recordings / "m__key__pens.jsonl").open("w") as recorded:
        for i in range(20):
            data.write(json.dumps({"question": f"Ann has {i} pens and gets 2. How many?", "answer": i + 2}) + "\n")
            recorded.write(json.dumps({"sample_index": i, "completion": f"The answer is {i + 2 + i % 2}."}) + "\n")
    return {"task_files": (str(tmp_path / "pens.yaml"),), "recordings": str(recordings), "offline": True}


def alter(segment: Path) -> None:
    segment.write_text(segment.read_text().replace("The answer is 1", "The answer is 9"))


def cut(segment: Path) -> None:
    segment.write_bytes(segment.read_bytes()[: segment.stat().st_size // 2])


@pytest.mark.parametrize("before_scoring", [False, True])
@pytest.mark.parametrize("damage", [alter, cut, Path.unlink])
def test_the_board_is_the_same(
    tmp_path: Path, environment: dict[str, Any], damage: Any, *, before_scoring: bool
) -> None:
    ws = tmp_path / "ws"
    board = run_here(ws, MATRIX, **environment)
    assert board[0].results["pens"].n == 6
    (segment,) = ws.glob("ledger/*/*/*/*.jsonl")
    damage(segment)
    if before_scoring:
        shutil.rmtree(ws / "store")
    assert run_here(ws, MATRIX, **environment) == board
    found = [one for one in findings(session_in(ws), Examined()) if one.damage]
    assert [one.what for one in found] == ["the checksum of a segment that is gone"] * (damage is Path.unlink)
