from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import rtbench.api
from rtbench.api import _HOMES


def test_the_three_lists_of_names_are_one() -> None:
    """What type checkers read, what is loaded on first use, and what `*` imports."""
    tree = ast.parse(Path(rtbench.api.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    checked = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
        if not (alias.asname is None and node.module in {"collections.abc", "typing"})
    }
    lazy = {name: home for name, home in _HOMES.items() if name in checked}
    assert lazy == checked
    assert set(_HOMES) == set(checked)
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")}
    assert set(rtbench.api.__all__) == {*_HOMES, *defined, *vars_of_module(tree)}
    assert len(rtbench.api.__all__) == len(set(rtbench.api.__all__))


def vars_of_module(tree: ast.Module) -> set[str]:
    """Names imported at run time and re-exported."""
    return {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rtbench")
        for alias in node.names
        if not (alias.asname or alias.name).startswith("_")
    }


@pytest.mark.parametrize("name", rtbench.api.__all__)
def test_every_name_can_be_had_and_is_described(name: str) -> None:
    value = getattr(rtbench.api, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert value.__doc__, name


def test_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        rtbench.api.Nothing  # noqa: B018
