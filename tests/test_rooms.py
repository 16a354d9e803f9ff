"""Who may import whom in the core, as docs/design.md states it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

CORE = Path(__file__).parent.parent / "rtbench"
ROOMS = [
    {"__init__", "errors", "machine", "commands"},
    {"records", "keys"},
    {"files", "mistakes", "budget"},
    {"twins"},
    {"interfaces"},
    {
        "hookspecs",
        "registry",
        "specs",
        "stats",
        "bootstrap",
        "paired",
        "metrics",
        "download",
        "questions",
        "prompts",
        "answers",
    }
    | {"answer_text", "equations", "overlap"},
    {"plugins", "data", "ledger", "store", "filters", "extraction"},
    {"recordings", "kojima_log", "lm_eval_samples"},
    {"asking", "session", "config", "scoring", "importing"},
    {"asking_steps", "builder", "narrowing", "expansion"},
    {"plan"},
    {"steps", "history"},
    {"estimate", "readiness", "runs", "pilot", "judged", "rescoring", "export"},
    {"board", "report", "reference", "spending", "comparing", "error_analysis", "paper_tables"},
    {"cli", "__main__"},
]
"""From the ground up: a room may import, when it is itself imported, what stands below it or beside it."""
PLACE = {name: place for place, names in enumerate(ROOMS) for name in names}


def module_level(tree: ast.Module) -> list[ast.ImportFrom]:
    """Imports that run when the module is imported: not those in functions, nor those for type checkers."""
    return [node for node in tree.body if isinstance(node, ast.ImportFrom)]


def room_of(path: Path) -> str:
    return path.relative_to(CORE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=lambda path: str(path.relative_to(CORE)))
def test_imports_point_downwards(path: Path) -> None:
    room = room_of(path)
    assert room in PLACE, f"rtbench/{room} has no place in ROOMS and docs/design.md"
    for node in module_level(ast.parse(path.read_text())):
        module = node.module or ""
        if module == "rtbench":
            continue
        if module.startswith("rtbench."):
            other = module.split(".")[1]
            assert PLACE[other] <= PLACE[room], f"{path.name} imports {module}"
        assert not module.startswith(("rtbench_plugins", "rtbench_tasks"))
