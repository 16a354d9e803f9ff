"""The command line, run as a user runs it: a process of its own, in a folder of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("RTBENCH_TEST_DATA") or ROOT.parent / "shared" / "data").resolve()
"""The real data sets and recordings. Tests take them from the fixture ``data_dir``, which skips where they are missing."""


PARROT = ROOT / "tests" / "fixtures" / "rtbench_parrot"


@dataclass(frozen=True)
class Cli:
    """Runs ``rtbench`` as a user does: a process of its own, in a folder of its own."""

    folder: Path
    environment: dict[str, str]

    @property
    def workspace(self) -> Path:
        return self.folder / "rtbench-workspace"

    def __call__(self, *arguments: object, code: int = 0, timeout: float = 1800) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr or "--traceback" in arguments, done.stderr
        return done

    def json(self, *arguments: object, code: int = 0) -> object:
        return json.loads(self(*arguments, "--format", "json", code=code).stdout)

    def command(self, *arguments: object) -> list[str]:
        return [sys.executable, "-m", "rtbench", *map(str, arguments)]

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=_hears_ctrl_c,  # noqa: PLW1509 - no threads in the tests
        )


def undated(text: str) -> str:
    """A board in JSON without the day of its run: what two runs of the same work share."""
    return re.sub(r'"made": "[^"]*"', "", text)


def _hears_ctrl_c() -> None:
    """A shell that runs the tests in the background ignores SIGINT, and its children would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


MakeCli = Callable[..., Cli]


def cli_in(folder: Path, *, site: Path | None = None, data: Path | None = None) -> Cli:
    """A command line in a folder of its own.

    Args:
        folder: made if it is not there; downloads are kept beside it.
        site: with installed distributions.
        data: with the data sets.
    """
    folder.mkdir(exist_ok=True)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RTBENCH_") and k != "PYTHONPATH"}
    environment["RTBENCH_CACHE"] = str(folder.parent / "cache")
    environment["XDG_STATE_HOME"] = str(folder.parent / "state")
    if site is not None:
        environment["PYTHONPATH"] = str(site)
    if data is not None:
        environment["RTBENCH_DATA_DIR"] = str(data)
    return Cli(folder, environment)


DEMO = """
name: demo
extractor: last-word
tasks: [parity]
methods: [zero-shot, fine-tune, fine-tune-cot]
teachers: [counter]
students: [parrot]
degrees: [1, 4]
recipe: {epochs: 2}
"""
