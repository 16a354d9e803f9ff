"""An exception that a plugin let through is one message that names the plugin."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.helpers.claims import Bench, share
from tests.helpers.cli import ROOT, Cli

EXAMPLES = ROOT / "examples"
PLAN = ("plan", "--matrix", EXAMPLES / "stones_matrix.yaml", "--task", EXAMPLES / "stones.yaml")
OTHERS = {"clerk", "lookup", "brief"}
CASES = {  # file: function that raises, first letters of its body, command
    "mentored": ("Mentored.steps", "        n = cell", ("plan", "--methods", "mentored", "--tasks", "multiarith")),
    "clerk": ("ClerkTeacher.members", "        return", PLAN),
    "lookup": ("LookupStudent.model", '        return ModelSpec("student', PLAN),
    "roman": (
        "Roman.load",
        "        samples",
        ("plan", "--methods", "zero-shot", "--tasks", "roman", "--source", "upstream"),
    ),
}


def broken(name: str, body: str, folder: Path, fault: str = "1 / 0") -> Path:
    """A copy of an example with an exception in front of a line."""
    text = (EXAMPLES / f"{name}.py").read_text()
    start = text.index(body)
    path = folder / f"{name}.py"
    path.write_text(f"{text[:start]}{' ' * (len(body) - len(body.lstrip()))}{fault}\n{text[start:]}")
    return path


@pytest.mark.parametrize("name", CASES)
def test_plugin_that_raises_is_one_message(name: str, cli: Cli, tmp_path: Path) -> None:
    function, body, command = CASES[name]
    path = broken(name, body, tmp_path)
    plugins = [path, *(EXAMPLES / f"{other}.py" for other in OTHERS - {name})]
    options = [option for plugin in plugins for option in ("--plugin", plugin)]
    said = cli(*command, *options, code=2).stderr
    line = path.read_text().splitlines().index(next(x for x in path.read_text().splitlines() if "1 / 0" in x)) + 1
    assert f"plugin '{path}', line {line}: {function} raised ZeroDivisionError: division by zero" in said
    assert "--traceback shows where" in said
    assert "Traceback" in cli(*command, *options, "--traceback", code=1).stderr


def test_claim_that_raises_is_one_message(cli: Cli, tmp_path: Path) -> None:
    bench = Bench(cli.workspace)
    bench.cot(share(60))
    bench.record()
    path = broken("more_is_better", '        cells = view.trained("fine', tmp_path, "view.no_such()")
    said = cli("claims", "--plugin", path, "--set", "more-is-better", code=2).stderr
    assert f"plugin '{path}', line " in said
    assert "Doubling.compare raised AttributeError" in said


def test_installed_plugin_is_named_with_the_option_that_leaves_it_out(monkeypatch) -> None:
    from rtbench.cli import blame

    module = type(pytest)("their_plugin.methods")
    exec(compile("def steps():\n    return {}['x']\n", "their_plugin/methods.py", "exec"), module.__dict__)

    class Point:
        name, module, dist = "their", "their_plugin", type("Dist", (), {"name": "their-plugin"})

    monkeypatch.setattr(blame.importlib.metadata, "entry_points", lambda group: [Point])
    with pytest.raises(KeyError) as caught:
        module.steps()
    found = blame.plugin_error(caught.value)
    assert found is not None
    assert "plugin 'their_plugin/methods.py', line 2: steps raised KeyError" in str(found)
    assert "-p no:their" in str(found)


def test_fault_of_our_own_plugin_is_not_blamed_on_its_caller(monkeypatch) -> None:
    from rtbench.cli import blame

    theirs, ours = type(pytest)("their_plugin"), type(pytest)("rtbench_plugins.fake")
    exec(compile("def inner():\n    1 / 0\n", "ours.py", "exec"), ours.__dict__)
    exec(compile("def outer(inner):\n    inner()\n", "theirs.py", "exec"), theirs.__dict__)
    points = [("their_plugin", "their-plugin"), ("rtbench_plugins.fake", "rtbench")]
    found = [SimpleNamespace(name="x", module=module, dist=SimpleNamespace(name=name)) for module, name in points]
    monkeypatch.setattr(blame.importlib.metadata, "entry_points", lambda group: found)
    with pytest.raises(ZeroDivisionError) as caught:
        theirs.outer(ours.inner)
    assert blame.plugin_error(caught.value) is None


def test_fault_of_rtbench_is_not_blamed_on_a_plugin() -> None:
    from rtbench.cli.blame import plugin_error
    from rtbench.texts import shortened_error

    with pytest.raises(AttributeError) as caught:
        shortened_error(None.no_such)  # type: ignore[attr-defined]
    assert plugin_error(caught.value) is None
