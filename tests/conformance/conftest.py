"""New plugins as ``rtbench new`` writes them, and their checks in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rtbench.conformance.check import CheckResult
from rtbench.conformance.suite import Stated, open_suite
from rtbench.scaffold.files import new_files
from rtbench.schema.environment import Environment
from tests.helpers.cli import DATA

Checked = Callable[..., list[CheckResult]]


def checked(target: object, stated: Stated | None = None, folder: Path | None = None) -> list[CheckResult]:
    data = str(DATA) if DATA.is_dir() else None
    environment = Environment(workspace=str(folder or "unused"), data_dir=data, offline=True)
    with open_suite(environment, str(target), stated) as suite:
        return list(suite.run())


def failures(results: list[CheckResult]) -> str:
    return "\n".join(f"{one.kind} {one.name}: {one.check}: {one.message}" for one in results if one.state == "failed")


@pytest.fixture
def made(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a new plugin or task, and returns its file."""

    def make(kind: str) -> Path:
        files = new_files(kind, f"my-{kind}", tmp_path)
        files.write()
        return next(path for path in files.texts if path.suffix in {".py", ".yaml"})

    return make
