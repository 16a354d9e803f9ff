"""A workspace made by commit a865035, before the core had rooms, is read, reported and extended."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cli import ROOT, Cli

OLD = ROOT / "tests" / "fixtures" / "workspace_before_rooms.tar.gz"
"""Made by ``rtbench run --matrix demo.yaml`` with the demo matrix of the tests and the parrot of that commit."""
FIGURES: list[tuple[Any, ...]] = [
    ("random", "random", None, 0.5, None),
    ("teacher", "teacher", None, 1.0, 20),
    ("measured", "zero-shot", None, 0.0, 20),
    ("measured", "fine-tune", None, 0.4, 20),
    ("measured", "fine-tune-cot", 1, 0.4, 20),
    ("measured", "fine-tune-cot", 4, 0.4, 20),
]
"""Of the leaderboard of that commit."""


@pytest.fixture
def old(cli: Cli, tmp_path: Path) -> Path:
    with tarfile.open(OLD) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "ws"


def finished(workspace: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(workspace)): path.read_bytes() for path in workspace.glob("store/**/*") if path.is_file()
    }


def figures(board: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Kind, method, degree, accuracy and n of every row."""
    return [
        (row["kind"], row["method"], row.get("degree"), result.get("accuracy"), result.get("n"))
        for row in board["rows"]
        for result in row["results"].values()
    ]


def test_nothing_is_left_to_do_and_the_board_is_the_same(cli: Cli, demo: Path, old: Path) -> None:
    before = finished(old)
    plan = cli.json("plan", "--matrix", demo, "--workspace", old)
    assert (plan["to_do"], len(plan["steps"]), plan["cached"]) == (0, 18, 18)
    assert figures(cli.json("report", "--workspace", old)) == FIGURES
    cli("run", "--matrix", demo, "--workspace", old)
    assert finished(old) == before


def test_extended_without_a_step_done_again(cli: Cli, demo: Path, old: Path) -> None:
    before = finished(old)
    cli("run", "--matrix", demo, "--workspace", old, "--degrees", "1,2,4")
    after = finished(old)
    assert {name: after[name] for name in before} == before
    assert {name.split("/")[1] for name in after.keys() - before.keys()} >= {"complete", "curate", "train", "score"}
