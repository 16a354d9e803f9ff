from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rtbench_plugins.remote.options import remote_options
from rtbench_plugins.remote.teacher import RemoteTeacher

from rtbench.schema.completions import Completion, Request, Sampling
from rtbench.storage.budget import Budget
from rtbench.storage.ledger import make_request

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Session:
    """What the teacher looks at of a session."""

    budget: Budget | None = None
    workspace: Path = Path("none")


def teacher(options: dict[str, Any], budget: Budget | None = None, workspace: Path = Path("none")) -> RemoteTeacher:
    return RemoteTeacher("t", remote_options("t", options), Session(budget, workspace))  # type: ignore[arg-type]


@dataclass
class Server:
    """A fault server in a process of its own."""

    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def stats(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_stats") as reply:
            found: dict[str, Any] = json.load(reply)
            return found

    def set(self, **settings: Any) -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_set", json.dumps(settings).encode()) as reply:
            reply.read()

    def teacher(self, budget: Budget | None = None, workspace: Path = Path("none"), **options: Any) -> RemoteTeacher:
        return teacher({"model": "m", "base_url": self.url, "api_key_env": None, **options}, budget, workspace)

    def ask(self, requests: Sequence[Request], **options: Any) -> list[Completion]:
        asks = self.teacher(**options)
        return list(asks.open(asks.members()[0]).generate(requests))


MakeServer = Callable[..., Server]


@pytest.fixture
def server() -> Iterator[MakeServer]:
    """Starts fault servers, and stops them."""
    started: list[subprocess.Popen[str]] = []

    def start(**settings: Any) -> Server:
        command = [sys.executable, "-m", "tests.fault_server", json.dumps(settings)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        process = subprocess.Popen(command, cwd=ROOT, **pipes)  # type: ignore[call-overload]
        started.append(process)
        return Server(process, int(process.stdout.readline()))

    yield start
    for process in started:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def asked(n: int, *, each: int = 1, **sampling: Any) -> list[Request]:
    """Requests for ``each`` completions of ``n`` questions."""
    draw = Sampling(**{"max_new_tokens": 50, "temperature": 0.7, **sampling})
    return [make_request("f", "d", i, j, f"Question {i}: how many?", draw) for i in range(n) for j in range(each)]
