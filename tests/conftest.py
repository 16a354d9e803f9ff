"""Fixtures that run the real thing: the real data, the real command line, a real third-party distribution."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

if "PYTEST_XDIST_WORKER" in os.environ:  # the cores are shared with the other test processes; before torch is imported
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.helpers.cli import DATA, DEMO, PARROT, ROOT, Cli, MakeCli, cli_in
from tests.helpers.runs import await_end
from tests.helpers.servers import MakeServer, Server

# How long an example takes says nothing of the product: the machine may be busy.
settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")

SLOW = (
    "plugins/executors",
    "plugins/hf",
    "plugins/lm_eval",
    "plugins/pocket",
    "plugins/remote/test_transformers_serve.py",
    "plugins/reporters/test_inspect_logs.py",
    "plugins/site",
)
"""Tests that train models, drive a browser or a cluster, or import another harness."""
QUICK = ("cli/test_commands.py",)
"""Tests of commands that run no matrix: that every command starts is tried at every edit."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes seconds: what trains, and what runs whole commands in processes of their own."""
    for item in items:
        where = item.path.relative_to(ROOT / "tests").as_posix()
        fixtures = set(getattr(item, "fixturenames", ()))
        runs = fixtures & ({"demo"} if where in QUICK else {"demo", "make_cli", "server"})
        if where.startswith(SLOW) or runs:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The real data sets and recordings. Where they are missing, what needs them is skipped; CI fails instead."""
    if not DATA.is_dir():
        pytest.skip(f"the real data are missing: {DATA} (set RTBENCH_TEST_DATA)")
    return DATA


@pytest.fixture(scope="session")
def parrot_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the third-party distribution ``rtbench-parrot``."""
    site = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source") / "parrot"
    source.mkdir()
    for name in ("pyproject.toml", "rtbench_parrot.py"):
        (source / name).write_bytes((PARROT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--target", str(site), str(source)], check=True, capture_output=True)
    return site


@pytest.fixture
def make_cli(tmp_path: Path, parrot_site: Path) -> MakeCli:
    """Makes command lines with the parrot installed, each in a folder of its own."""

    def make(name: str = "user", *, site: Path | None = parrot_site, data: Path | None = None) -> Cli:
        return cli_in(tmp_path / name, site=site, data=data)

    return make


@pytest.fixture
def cli(make_cli: MakeCli) -> Cli:
    return make_cli()


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """A matrix over the parrot's task, teacher and student: every kind of step in seconds."""
    path = tmp_path / "demo.yaml"
    path.write_text(DEMO)
    return path


@pytest.fixture
def server() -> Iterator[MakeServer]:
    """Starts fault servers, and stops them."""
    started: list[subprocess.Popen[str]] = []

    def start(**settings: Any) -> Server:
        command = [sys.executable, "-m", "tests.helpers.fault_server", json.dumps(settings)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        process = subprocess.Popen(command, cwd=ROOT, **pipes)  # type: ignore[call-overload]
        started.append(process)
        return Server(process, int(process.stdout.readline()))

    yield start
    for process in started:
        process.stdin.close()
        await_end(process)
        process.stdout.close()
