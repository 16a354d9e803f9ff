"""Check what import-linter does not: circles between modules, and hooks that no entry point reaches.

Imports under ``if TYPE_CHECKING:`` count: what a type needs, a reader needs too. Prints the number of each, and exits with 1
where one is found. Runs in the folder that holds ``pyproject.toml`` and the packages.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import grimp
import networkx as nx

PACKAGES = {"rtbench": "rtbench", "rtbench_plugins": "plugins", "rtbench_tasks": "tasks"}
"""Folders by package."""


def circles(graph: grimp.ImportGraph) -> list[list[str]]:
    """Return the sets of modules that import each other, directly or not."""
    imports = nx.DiGraph(
        (module, found) for module in graph.modules for found in graph.find_modules_directly_imported_by(module)
    )
    return sorted(sorted(found) for found in nx.strongly_connected_components(imports) if len(found) > 1)


def unreachable(graph: grimp.ImportGraph, root: Path) -> list[str]:
    """Return the hook implementations that are never called: no entry point loads them, or no hook has their name."""
    stated = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    entries = {target.partition(":")[0] for target in stated["project"]["entry-points"]["rtbench"].values()}
    hooks = {name for name, _ in _functions(_parsed(root / "rtbench" / "plugin" / "hookspecs.py"))}
    out: list[str] = []
    for package, folder in PACKAGES.items():
        for path in sorted((root / folder).rglob("*.py")):
            module = ".".join([package, *path.relative_to(root / folder).with_suffix("").parts]).removesuffix(
                ".__init__"
            )
            tree = _parsed(path)
            for name, top in _functions(tree, "hookimpl"):
                # pluggy takes a module's own functions from the module of the entry point alone.
                importing = {module} if top else {module, *graph.find_downstream_modules(module)}
                if not importing & entries:
                    out.append(f"{module}.{name}: no entry point loads it")
                elif name not in hooks:
                    out.append(f"{module}.{name}: there is no such hook")
    return out


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _functions(tree: ast.Module, decorator: str = "hookspec") -> Iterator[tuple[str, bool]]:
    """Yield the functions with a decorator, and whether they stand at the top of the module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            names = {ast.unparse(one).partition("(")[0] for one in node.decorator_list}
            if decorator in names:
                yield node.name, node in tree.body


def main() -> int:
    """Print what was found; return 1 where anything was."""
    root = Path.cwd()
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    rings, lost = circles(graph), unreachable(graph, root)
    print(f"circles: {len(rings)}")
    for ring in rings:
        print(f"  {', '.join(ring)}")
    print(f"unreachable hooks: {len(lost)}")
    for one in lost:
        print(f"  {one}")
    return 1 if rings or lost else 0


if __name__ == "__main__":
    sys.exit(main())
