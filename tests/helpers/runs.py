"""What runs leave behind, and how they are watched."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from tests.helpers.cli import Cli


def ledger(workspace: Path) -> list[str]:
    """All whole lines of a ledger, in an order of their own."""
    return sorted(
        line for segment in (workspace / "ledger").rglob("*.jsonl") for line in segment.read_text().split("\n")[:-1]
    )


def store(workspace: Path) -> dict[str, bytes]:
    """All files of a store but the times that steps took."""
    root = workspace / "store"
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != "timing.json" and ".work" not in path.parts
    }


def plan_states(cli: Cli, *arguments: object) -> dict[str, str]:
    found = cli.json("plan", *arguments)
    return {step["key"]: step["state"] for step in found["steps"]}  # type: ignore[index]


def assert_ends(group: int) -> None:
    """No worker outlives its run for long."""
    end = time.monotonic() + 30
    while not group_is_gone(group):
        assert time.monotonic() < end, "workers outlived the run"
        time.sleep(0.05)


def progress_in(cli: Cli, what: str) -> int:
    if what == "complete":
        return len(ledger(cli.workspace))
    return len(list((cli.workspace / "store" / ".work").glob("train-*/epochs")))


def slow(cli: Cli, *, teacher: float = 0.02, student: float = 0.1) -> Cli:
    """The same command line with a teacher that takes so long per completion, and a student per epoch."""
    return Cli(cli.folder, {**cli.environment, "COUNTER_DELAY": str(teacher), "PARROT_DELAY": str(student)})


def wait_for(condition: object, process: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert process.poll() is None, "it ended before it could be killed"  # type: ignore[attr-defined]
        assert time.monotonic() < end
        time.sleep(0.005)


def group_is_gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def write_matrix(cli: Cli, text: str) -> Path:
    """Write a matrix into the folder of a command line."""
    path = cli.folder / "m.yaml"
    path.write_text(text)
    return path


def run_record(cli: Cli) -> dict[str, Any]:
    """The record of the only run."""
    (path,) = cli.workspace.glob("runs/*.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def step_meta(cli: Cli, kind: str, key: str) -> dict[str, Any]:
    """What the store says of a finished step."""
    found: dict[str, Any] = json.loads((cli.workspace / "store" / kind / key / "meta.json").read_text())
    return found


def step_metas(cli: Cli, kind: str) -> list[dict[str, Any]]:
    """What the store says of all finished steps of a kind."""
    return [step_meta(cli, kind, path.parent.name) for path in (cli.workspace / "store" / kind).glob("*/meta.json")]
