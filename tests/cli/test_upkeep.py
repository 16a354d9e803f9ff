"""``rtbench verify``, ``gc``, ``du`` and ``runs rm`` as users call them, and runs that meet damage."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rtbench.storage.active import active_run
from rtbench.storage.place import Place
from rtbench.storage.records import write_record
from tests.helpers.cli import Cli, cli_in
from tests.helpers.small_runs import TAUGHT


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished workspace, and its leaderboard."""
    cli = cli_in(tmp_path_factory.mktemp("made") / "user")
    (cli.folder / "small.yaml").write_text(TAUGHT)
    cli("run", "--matrix", "small.yaml")
    return cli.workspace, cli("report", "--format", "csv").stdout


@pytest.fixture
def cli(made: tuple[Path, str], tmp_path: Path) -> Cli:
    cli = cli_in(tmp_path / "user")
    (cli.folder / "small.yaml").write_text(TAUGHT)
    shutil.copytree(made[0], cli.workspace)
    return cli


def segment(cli: Cli) -> Path:
    (found,) = cli.workspace.glob("ledger/*/*/*/*.jsonl")
    return found


def alter(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_verify_says_what_is_damaged_and_repairs_it(cli: Cli, made: tuple[Path, str]) -> None:
    assert "8 completions, 2 steps and 1 run: 0 damaged, 0 notes" in cli("verify").stdout
    before = {path: path.read_bytes() for path in cli.workspace.rglob("*") if path.is_file()}
    alter(segment(cli), "The answer is", "The answer ix")
    said = cli("verify", code=1).stdout
    assert f"damaged: {segment(cli)}: line" in said
    found = json.loads(cli("verify", "--format", "json", code=1).stdout)["findings"]
    assert found[0]["file"] == str(segment(cli))
    assert [one["damage"] for one in found] == [True, True]
    assert "1 of 8 completions are no longer in the ledger" in found[1]["what"]
    assert {path for path in cli.workspace.rglob("*") if path.is_file()} == set(before), "it only reads"
    cli("verify", "--repair")
    assert list((cli.workspace / "damaged").iterdir())
    assert "done complete" in cli("run", "--matrix", "small.yaml").stderr
    assert cli("report", "--format", "csv").stdout == made[1]
    cli("verify")


@pytest.mark.parametrize(
    ("pattern", "old", "new"),
    [
        ("store/complete/*/index.jsonl", '"sample_index":', '"sample_indey":'),
        ("store/complete/*/meta.json", '"completions": 8', '"completions": 9'),
        ("store/score/*/meta.json", '"n": 8', '"n": 7'),
        ("store/score/*/scores-flexible.jsonl", "true", "True"),
        ("store/score/*/timing.json", '"units"', '"unitz"'),
        ("ledger/*/*/*/*.jsonl", '"text":"', '"text":"-'),
        ("runs/small.json", '"multiarith"', '"multiariti"'),
        ("format.json", '"format": 2', '"format": 1'),
    ],
)
def test_a_run_finds_damage_and_ends_with_the_same_board(
    cli: Cli, made: tuple[Path, str], pattern: str, old: str, new: str
) -> None:
    alter(next(cli.workspace.glob(pattern)), old, new)
    for command in (("report",), ("show", "multiarith/teacher/brief"), ("errors",), ("score", "--run", "small")):
        assert "Traceback" not in told(cli, *command)
    cli("run", "--matrix", "small.yaml")
    assert cli("report", "--format", "csv").stdout == made[1]
    cli("verify", "--repair")
    cli("verify")


def told(cli: Cli, *command: str) -> str:
    """What a command says, with exit code 0, or 2 and one error that names a file of the workspace."""
    done = subprocess.run(
        cli.command(*command), cwd=cli.folder, env=cli.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, 2}
    if done.returncode:
        assert str(cli.workspace) in done.stderr
    return done.stderr


def test_nothing_is_cleaned_up_beside_a_run(cli: Cli) -> None:
    with active_run(Place(cli.workspace), "mine"):
        for command in (("gc", "--delete"), ("verify", "--repair"), ("runs", "rm", "small")):
            assert "the run mine is running in this workspace" in cli(*command, code=2).stderr
        cli("gc")
        cli("verify")
        assert json.loads((cli.workspace / "runs" / "small.json").read_text())["name"] == "small"


def test_a_run_is_removed_with_what_only_it_used(cli: Cli) -> None:
    assert "0 entries" in cli("gc").stdout
    cli("runs", "rm", "small")
    found: Any = cli.json("gc")
    assert {one["kind"] for one in found} == {"complete", "score"}
    assert list(cli.workspace.glob("store/score/*"))
    assert "2 entries" in cli("gc", "--delete").stdout
    assert not list(cli.workspace.glob("store/[!.]*/*"))
    assert segment(cli).exists()
    cli("gc", "--delete", "--ledger")
    assert not list(cli.workspace.glob("ledger/*/*/*/*.jsonl"))
    assert "unknown run 'smal'" in cli("runs", "rm", "smal", code=2).stderr


def test_why_nothing_is_removed_is_said(cli: Cli) -> None:
    shutil.rmtree(next(cli.workspace.glob("store/score/*")))
    assert "these runs are not finished: small" in cli("gc").stdout


def test_space_is_shown(cli: Cli) -> None:
    for by in ("run", "kind", "model"):
        rows: Any = cli.json("du", "--by", by)
        assert sum(row["bytes"] for row in rows) > 0
    assert "small" in cli("du").stdout


def test_a_newer_format_is_refused_whatever_it_holds(cli: Cli) -> None:
    write_record(cli.workspace / "format.json", {"format": 3, "written_by": "9.0", "more": [1]})
    for command in (("report",), ("run", "--matrix", "small.yaml"), ("verify", "--repair"), ("gc", "--delete")):
        said = cli(*command, code=2).stderr
        assert "format 3, written by rtbench 9.0" in said
        assert "Update rtbench" in said
    assert not (cli.workspace / "damaged").exists()


@pytest.mark.parametrize("command", ["verify", "gc", "du"])
def test_a_missing_workspace_is_one_error(cli: Cli, command: str) -> None:
    assert "no such workspace" in cli(command, "--workspace", "elsewhere", code=2).stderr
    assert not (cli.folder / "elsewhere").exists()
