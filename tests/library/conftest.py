"""The Python API in this process, with the parrot as a plugin file and a workspace of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rtbench
from rtbench.library.settings import CURRENT
from tests.helpers.cli import PARROT

DEMO = {
    "name": "demo",
    "extractor": "last-word",
    "tasks": ["parity"],
    "methods": ["zero-shot", "fine-tune", "fine-tune-cot"],
    "teachers": ["counter"],
    "students": ["parrot"],
    "degrees": [1, 4],
    "recipe": {"epochs": 2},
}


@pytest.fixture(scope="module")
def in_workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace for all tests of a file; settings and registered objects are those from before at the end."""
    folder = tmp_path_factory.mktemp("library")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RTBENCH_WORKSPACE", "RTBENCH_DATA_DIR", "RTBENCH_RECORDINGS"):
            patch.delenv(name, raising=False)
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        plugin = folder / "parrot_file.py"
        plugin.write_bytes((PARROT / "rtbench_parrot.py").read_bytes())
        patch.setattr(CURRENT, "settings", CURRENT.settings)
        patch.setattr(CURRENT, "objects", ())
        patch.setattr(CURRENT, "tasks", {})
        patch.setattr(CURRENT, "registered", b"")
        rtbench.configure(workspace=folder / "ws", cache_dir=folder / "cache", plugins=[plugin])
        yield folder


@pytest.fixture(scope="module")
def demo_run(in_workspace: Path) -> rtbench.Run:
    """A finished run of every kind of step."""
    return rtbench.run(DEMO, progress=False)


def plain(frame: Any) -> list[dict[str, Any]]:
    """The rows of a table, with None for what is missing."""
    return frame.astype(object).where(frame.notna(), None).to_dict("records")
