"""The checks of the tree's shape find what is planted in a copy of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.cli import ROOT

CIRCLES = [sys.executable, str(ROOT / ".ci" / "check_rooms.py")]
CONTRACTS = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the three packages that is imported in place of ours."""
    root = tmp_path_factory.mktemp("tree")
    packages = root / "packages"
    packages.mkdir()
    for package, folder in (("rtbench", "rtbench"), ("rtbench_plugins", "plugins"), ("rtbench_tasks", "tasks")):
        ignored = shutil.ignore_patterns("__pycache__", "*.yaml", "*.html", "*.js", "*.css")
        shutil.copytree(ROOT / folder, root / folder, ignore=ignored)
        (packages / package).symlink_to(root / folder)
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def checked(tree: Path, command: list[str]) -> tuple[int, str]:
    environment = os.environ | {"PYTHONPATH": str(tree / "packages"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def planted(path: Path, text: str, tree: Path, command: list[str]) -> tuple[int, str]:
    """What a check says with a text at the end of a file."""
    before = path.read_text() if path.exists() else None
    path.write_text((before or "") + text)
    try:
        return checked(tree, command)
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_text(before)


def test_tree_has_no_circle_no_lost_hook_and_keeps_the_contracts(tree: Path) -> None:
    assert checked(tree, CIRCLES) == (0, "circles: 0\nunreachable hooks: 0\n")
    code, said = checked(tree, CONTRACTS)
    assert code == 0, said
    assert "0 broken" in said


def test_root_of_the_core_has_six_modules_at_most() -> None:
    assert len([path for path in (ROOT / "rtbench").glob("*.py") if not path.name.startswith("__")]) <= 6


def test_planted_circle_of_types_alone_is_found(tree: Path) -> None:
    imported = "\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from rtbench.storage.ledger import Ledger\n"
    code, said = planted(tree / "rtbench" / "storage" / "writing.py", imported, tree, CIRCLES)
    assert code == 1
    assert "circles: 1\n" in said
    assert "rtbench.storage.writing" in said


@pytest.mark.parametrize(
    ("path", "imported", "contract"),
    [
        ("plugins/methods/star.py", "from rtbench.storage.ledger import Ledger", "Plug-ins and tasks use rtbench.api"),
        (
            "tasks/gsm8k/__init__.py",
            "from rtbench.storage.files import read_json",
            "Plug-ins and tasks use rtbench.api",
        ),
        ("rtbench/stats/intervals.py", "from rtbench.cli.common import print_json", "A room imports rooms below"),
        ("plugins/site/charts.py", "import rtbench_plugins.hub.push", "different kinds"),
    ],
)
def test_planted_private_import_breaks_a_contract(tree: Path, path: str, imported: str, contract: str) -> None:
    code, said = planted(tree / path, f"\n{imported}\n", tree, CONTRACTS)
    assert code == 1, said
    assert "BROKEN" in said
    assert any(contract in line and "BROKEN" in line for line in said.splitlines()), said


@pytest.mark.parametrize(
    ("path", "name", "why"),
    [
        (
            "plugins/methods/lost.py",
            "rtbench_register_methods",
            "lost.rtbench_register_methods: no entry point loads it",
        ),
        ("plugins/methods/star.py", "rtbench_register_methodz", "methodz: there is no such hook"),
    ],
)
def test_planted_hook_that_nothing_calls_is_found(tree: Path, path: str, name: str, why: str) -> None:
    text = f"\nfrom rtbench.api import hookimpl\n\n\n@hookimpl\ndef {name}(register):\n    pass\n"
    code, said = planted(tree / path, text, tree, CIRCLES)
    assert code == 1
    assert why in said
