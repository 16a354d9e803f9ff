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


def test_board_is_the_same_and_only_what_curation_changed_is_done_again(cli: Cli, demo: Path, old: Path) -> None:
    """Version 2 of curation cuts rationales before opened markup; what does not depend on it is kept."""
    before = finished(old)
    assert figures(cli.json("report", "--workspace", old)) == FIGURES
    plan = cli.json("plan", "--matrix", demo, "--workspace", old)
    to_do = {step["key"]: step["kind"] for step in plan["steps"] if step["state"] != "cached"}
    assert set(to_do.values()) == {"curate", "train", "complete", "score"}
    cli("run", "--matrix", demo, "--workspace", old)
    after = finished(old)
    assert {name: after[name] for name in before} == before
    done = {name.split("/")[2] for name in after.keys() - before.keys()}
    assert done == set(to_do)
    assert figures(cli.json("report", "--workspace", old)) == FIGURES
    assert cli.json("plan", "--matrix", demo, "--workspace", old)["to_do"] == 0


def test_extended_without_a_step_done_again(cli: Cli, demo: Path, old: Path) -> None:
    before = finished(old)
    cli("run", "--matrix", demo, "--workspace", old, "--degrees", "1,2,4")
    after = finished(old)
    assert {name: after[name] for name in before} == before
    assert {name.split("/")[1] for name in after.keys() - before.keys()} >= {"complete", "curate", "train", "score"}
