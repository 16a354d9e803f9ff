"""What runs leave behind, and how they are watched."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rtbench.storage.files import file_digest
from rtbench.storage.lines import checked_line, plain_line
from rtbench.storage.records import write_record
from tests.helpers.cli import Cli

LONG = 600
"""Seconds after which a test gives up on what must happen. A busy machine may take minutes for what else takes a second."""


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
    """No worker outlives its run."""
    end = time.monotonic() + LONG
    while not group_is_gone(group):
        assert time.monotonic() < end, "workers outlived the run"
        time.sleep(0.05)


def progress_in(cli: Cli, what: str) -> int:
    if what == "complete":
        return len(ledger(cli.workspace))
    return len(list((cli.workspace / "store" / ".work").glob("train-*/epochs")))


def held(cli: Cli, what: str, after: int = 10) -> Cli:
    """The same command line, held up in the middle of its steps of a kind for as long as the file ``hold`` is there.

    Args:
        cli: the command line.
        what: ``complete``: the teacher waits after so many completions; ``train``: the student waits after its first epoch.
        after: number of completions.
    """
    hold = cli.folder / "hold"
    hold.touch()
    gate = {"COUNTER_HOLD": f"{after}:{hold}"} if what == "complete" else {"PARROT_HOLD": str(hold)}
    return Cli(cli.folder, {**cli.environment, **gate})


def slow(cli: Cli, *, teacher: float = 0.02, student: float = 0.1) -> Cli:
    """The same command line with a teacher that takes so long per completion, and a student per epoch."""
    return Cli(cli.folder, {**cli.environment, "COUNTER_DELAY": str(teacher), "PARROT_DELAY": str(student)})


def wait_for(condition: Callable[[], object], process: subprocess.Popen[Any], pause: float = 0.005) -> None:
    """Wait until something is true of what a process does, which must not end before."""
    end = time.monotonic() + LONG
    while not condition():
        assert process.poll() is None, "it ended before what is waited for"
        assert time.monotonic() < end, "what is waited for never happens"
        time.sleep(pause)


class Heard:
    """What a process says on its standard error, while it runs and after. Nothing else may read that.

    Args:
        process: with pipes for its outputs.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.lines: list[str] = []
        self._process = process
        self._stream, process.stderr = process.stderr, None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        """All of it so far."""
        return "".join(self.lines)

    def until_end(self) -> int:
        """Wait for the end of the process, and return its exit code."""
        self._process.communicate(timeout=LONG)
        self._thread.join(LONG)
        assert not self._thread.is_alive(), "the standard error is open after the end"
        assert self._stream is not None
        self._stream.close()
        return self._process.returncode

    def _read(self) -> None:
        assert self._stream is not None
        for line in self._stream:
            self.lines.append(line)


def await_end(process: subprocess.Popen[Any]) -> int:
    """Wait for a process that was told to end, and return its exit code. One that does not end is killed, and an error."""
    try:
        return process.wait(LONG)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


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


def rewrite(path: Path, value: dict[str, Any]) -> None:
    """Write a changed record into a workspace, with the right checksum."""
    write_record(path, {name: one for name, one in value.items() if name != "checksum"})


def rewrite_step_file(path: Path, text: str) -> None:
    """Write a changed file into the folder of a finished step, with the right digest."""
    path.write_text(text)
    meta = json.loads((path.parent / "meta.json").read_text())
    meta["files"][path.name] = file_digest(path)
    rewrite(path.parent / "meta.json", meta)


def rewrite_segment(segment: Path, old: str, new: str) -> None:
    """Replace a text in all lines of a segment, with the right checksums."""
    lines = [plain_line(line) or b"" for line in segment.read_bytes().splitlines(keepends=True)]
    segment.write_bytes(b"".join(checked_line(line.replace(old.encode(), new.encode())) for line in lines))


def step_meta(cli: Cli, kind: str, key: str) -> dict[str, Any]:
    """What the store says of a finished step."""
    found: dict[str, Any] = json.loads((cli.workspace / "store" / kind / key / "meta.json").read_text())
    return found


def step_metas(cli: Cli, kind: str) -> list[dict[str, Any]]:
    """What the store says of all finished steps of a kind."""
    return [step_meta(cli, kind, path.parent.name) for path in (cli.workspace / "store" / kind).glob("*/meta.json")]
