"""The shell completes names of matrices, tasks, runs and cells."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.helpers.cli import Cli


def completed(cli: Cli, *words: str) -> list[str]:
    """What bash would offer for the last word."""
    line = " ".join(["rtbench", *words])
    variables = {"_RTBENCH_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words))}
    done = subprocess.run(
        cli.command(), cwd=cli.folder, env=cli.environment | variables, capture_output=True, text=True, check=True
    )
    assert not done.stderr
    return [item.partition(",")[2] for item in done.stdout.splitlines() if item]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["run", "--matrix", "pocket-f"], ["pocket-full"]),
        (["plan", "--tasks", "multi"], ["multiarith"]),
        (["run", "--tasks", "aqua,multi"], ["aqua,multiarith"]),
        (["run", "--students", "gpt2-m"], ["gpt2-medium"]),
        (["matrices", "show", "quick"], ["quickstart"]),
        (["rep"], ["report"]),
        (["report", "x"], []),
        (["show", "x"], []),
        (["report", "--workspace", "s3://bucket/x", "x"], []),
    ],
)
def test_registered_names(cli: Cli, words: list[str], offered: list[str]) -> None:
    assert completed(cli, *words) == offered


def test_runs_and_cells_of_the_workspace(cli: Cli, demo: Path) -> None:
    for name in ("first", "second"):
        cli("run", "--matrix", demo, "--methods", "zero-shot", "--name", name)
    assert completed(cli, "report", "") == ["second", "first"]
    assert completed(cli, "compare", "first", "s") == ["second"]
    assert completed(cli, "show", "--run", "f") == ["first"]
    assert completed(cli, "show", "par") == ["parity/zero-shot/parrot/seed0"]
    assert completed(cli, "errors", "--run", "first", "parity/z") == ["parity/zero-shot/parrot/seed0"]
    assert completed(cli, "runs", "rm", "fi") == ["first"]
    (cli.workspace / "runs" / "second.json").write_text("{")
    assert completed(cli, "show", "par") == [], "damage is no error here"
