"""Commands on a workspace in a bucket, from several machines. A machine is here a folder for copies."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtbench.storage.objects import Objects
from tests.helpers.cli import Cli, undated
from tests.helpers.runs import LONG, wait_for
from tests.helpers.s3_server import FaultyS3, s3_environment, s3_server
from tests.helpers.servers import MakeServer, matrix

URL = "s3://bucket/ws"


@pytest.fixture
def s3(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyS3]:
    with s3_server() as (address, faults):
        cli.environment.update({**s3_environment(address), "RTBENCH_WORKSPACE": URL})
        for name, value in s3_environment(address).items():
            monkeypatch.setenv(name, value)
        yield faults


class Machine(Cli):
    """The command line of a machine that counts as dead sooner than others do."""

    def command(self, *arguments: object) -> list[str]:
        set_up = "from rtbench.storage import leases; leases.BEAT, leases.DEAD_AFTER = 0.5, 5.0"
        return [sys.executable, "-c", f"{set_up}; from rtbench.cli import main; main()", *map(str, arguments)]


def machine(cli: Cli, name: str) -> Cli:
    """The command line of a machine with a copy of its own."""
    return Machine(cli.folder, {**cli.environment, "RTBENCH_CACHE": str(cli.folder.parent / name)})


def published_answers() -> int:
    """The number of lines of the ledger that other machines see."""
    place = Objects(URL)
    return sum((place.read(name) or b"").count(b"\n") for name in place.list("ledger") if ".jsonl" in name)


@pytest.mark.usefixtures("s3")
def test_every_command_works_on_another_machine(cli: Cli, demo: Path) -> None:
    local = cli("run", "--matrix", demo, "--format", "json", "--workspace", "folder").stdout
    here, there = machine(cli, "a"), machine(cli, "b")
    assert undated(here("run", "--matrix", demo, "--format", "json").stdout) == undated(local)
    assert undated(there("report", "demo", "--format", "json").stdout) == undated(local)
    assert undated(there("run", "--matrix", demo, "--format", "json").stdout) == undated(local)
    assert "demo" in there("runs").stdout
    assert there("show", "--run", "demo").stdout
    assert "0 damaged" in there("verify").stdout
    assert "ledger" in there("du", "--by", "kind").stdout
    compared = there("compare", "demo", "demo", "--other-workspace", str(cli.folder / "folder")).stdout
    assert "0.0" in compared
    there("runs", "rm", "demo")
    assert "deleted" in there("gc", "--delete").stdout
    assert "no run yet" in machine(cli, "c")("report", code=2).stderr
    assert not [name for name in Objects(URL).list("store") if name.endswith("meta.json")]
    there("runs", "pack", "packed", code=2)


def test_killed_on_one_machine_and_continued_on_another(cli: Cli, s3: FaultyS3, server: MakeServer) -> None:
    far = server(answers_at_most=60)
    path = matrix(cli, far, degree=4, concurrency=4)
    lost = machine(cli, "a").start("run", "--matrix", path)
    wait_for(lambda: published_answers() == 60, lost, pause=0.2)
    os.killpg(lost.pid, signal.SIGKILL)
    lost.communicate(timeout=LONG)
    far.set(answers_at_most=None)
    other = machine(cli, "b")
    rest = json.loads(other("run", "--matrix", path, "--format", "json", code=1).stdout)
    asked = far.stats()["good"]
    assert 180 <= asked <= 180 + 4, "what had come before the end is there; what was under way is asked again"
    stored = json.loads(other("verify", "--format", "json").stdout)
    assert (stored["completions"], [one for one in stored["findings"] if one["damage"]]) == (180, [])
    again = machine(cli, "a")
    assert json.loads(again("report", "remote", "--format", "json").stdout)["rows"] == rest["rows"]
    assert not s3.met


def test_a_bucket_that_is_not_reached_is_one_error(cli: Cli, demo: Path) -> None:
    cli.environment.update(s3_environment("http://127.0.0.1:9"))
    done = cli("run", "--matrix", demo, "--workspace", URL, code=2)
    assert "s3://bucket/ws" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 2
    assert "nonsense" in cli("runs", "--workspace", "nonsense://x", code=2).stderr


@pytest.mark.usefixtures("s3")
def test_slurm_needs_a_folder(cli: Cli, demo: Path) -> None:
    local = ("--executor-option", "cluster=local")
    assert "below a URL" in cli("run", "--matrix", demo, "--executor", "slurm", *local, code=2).stderr
