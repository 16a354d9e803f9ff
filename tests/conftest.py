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

from tests.helpers.cli import DEMO, PARROT, ROOT, Cli, MakeCli, cli_in
from tests.helpers.servers import MakeServer, Server


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The real data sets and recordings; a test run without them fails."""
    folder = Path(os.environ.get("RTBENCH_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.fail(f"the real data are missing: {folder} (set RTBENCH_TEST_DATA)")
    return folder.resolve()


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
        process.wait(10)
        process.stdout.close()
