"""Endpoints on loopback, and what asks them."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rtbench_plugins.remote.options import remote_options
from rtbench_plugins.remote.teacher import RemoteTeacher

from rtbench.schema.completions import Completion, Request, Sampling
from rtbench.storage.budget import Budget
from rtbench.storage.ledger import make_request
from rtbench.storage.place import Place
from tests.helpers.cli import Cli


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


@dataclass(frozen=True)
class Session:
    """What the teacher looks at of a session."""

    budget: Budget | None = None
    workspace: Path = Path("none")

    @property
    def place(self) -> Place:
        return Place(self.workspace)


def asked(n: int, *, each: int = 1, **sampling: Any) -> list[Request]:
    """Requests for ``each`` completions of ``n`` questions."""
    draw = Sampling(**{"max_new_tokens": 50, "temperature": 0.7, **sampling})
    return [make_request("f", "d", i, j, f"Question {i}: how many?", draw) for i in range(n) for j in range(each)]


def teacher(options: dict[str, Any], budget: Budget | None = None, workspace: Path = Path("none")) -> RemoteTeacher:
    return RemoteTeacher("t", remote_options("t", options), Session(budget, workspace))  # type: ignore[arg-type]


def completions(workspace: Path) -> list[Completion]:
    import msgspec

    from rtbench.storage.lines import plain_line

    decoder = msgspec.json.Decoder(Completion)
    lines = [
        line
        for segment in (workspace / "ledger").glob("openai*/**/*.jsonl")
        for line in segment.read_bytes().split(b"\n")[:-1]
    ]
    return [decoder.decode(plain_line(line + b"\n") or line) for line in lines]


def matrix(cli: Cli, server: Server, degree: int = 2, **options: Any) -> Path:
    given = {
        "model": "m",
        "base_url": server.url,
        "api_key_env": None,
        "format": "one-stage-cot",
        "max_new_tokens": [40, 8],
        **options,
    }
    path = cli.folder / "remote.yaml"
    path.write_text(MATRIX.format(options=json.dumps(given)[1:-1], degree=degree))
    return path


MATRIX = """
name: remote
extractor: last-word
tasks: [parity]
methods: [fine-tune-cot]
teachers: [{{name: far, use: openai, {options}}}]
students: [parrot]
degrees: [{degree}]
recipe: {{epochs: 1}}
"""
