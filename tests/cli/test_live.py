"""The live view, in a real terminal."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import time
from pathlib import Path

from tests.helpers.cli import Cli
from tests.helpers.runs import LONG, await_end

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def in_terminal(cli: Cli, *arguments: object) -> tuple[int, str]:
    """Exit code and what a terminal of 120 columns was sent, without its control sequences."""
    main, side = pty.openpty()
    environment = cli.environment | {"COLUMNS": "120", "LINES": "40", "TERM": "xterm-256color"}
    process = subprocess.Popen(
        cli.command(*arguments), cwd=cli.folder, env=environment, stdin=side, stdout=side, stderr=side, close_fds=True
    )
    os.close(side)
    seen = bytearray()
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline:
        try:
            part = os.read(main, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        seen += part
    os.close(main)
    return await_end(process), _ESCAPES.sub("", seen.decode(errors="replace"))


def test_cells_are_counted_by_method_and_task_while_it_runs(cli: Cli, demo: Path) -> None:
    slow = Cli(cli.folder, cli.environment | {"PARROT_DELAY": "0.4"})
    code, seen = in_terminal(slow, "run", "--matrix", demo)
    assert code == 0
    assert "cells done" in seen
    assert "all steps" in seen
    counted = re.findall(r"fine-tune-cot +(\d)/2", seen)
    assert {"0", "2"} <= set(counted), "none are done at first, all at last"
    assert "0:0" in seen, "time"


def test_failures_are_counted_and_stay_on_the_screen(cli: Cli) -> None:
    matrix = "name: m\ntasks: [parity]\nmethods: [fine-tune-cot]\nteachers: [{name: t, use: counter, errors: 1.0}]\nstudents: [parrot]\n"
    (cli.folder / "m.yaml").write_text(matrix)
    code, seen = in_terminal(cli, "run", "--matrix", "m.yaml")
    assert code == 1
    assert re.search(r"fine-tune-cot +0/1 1!", seen)
    assert re.search(r"failed: train parity/fine-tune-cot/t/parrot/D1/seed0: .*no training examples", seen)
