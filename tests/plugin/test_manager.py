from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from rtbench.errors import PluginError
from rtbench.plugin import hookspecs
from rtbench.plugin.manager import PluginManager
from tests.helpers.cli import PARROT, ROOT, Cli, MakeCli

HOOKS = sorted(name for name in dir(hookspecs) if name.startswith("rtbench_"))


def test_installed_distribution_is_found_with_origin_and_version(cli: Cli) -> None:
    found = {plugin["name"]: plugin for plugin in cli.json("plugins")}
    assert found["parrot"]["origin"] == "rtbench-parrot"
    assert found["parrot"]["version"] == "0.3.0"
    assert found["parrot"]["provides"] == {
        "tasks": ["parity"],
        "teachers": ["counter"],
        "students": ["parrot"],
        "reporters": ["shout"],
    }
    assert found["multiarith"]["origin"] == "rtbench"


def test_every_task_teacher_and_student_trainer_is_a_plugin_of_its_own(make_cli: MakeCli) -> None:
    found = make_cli(site=None).json("plugins")
    tasks = [plugin for plugin in found if "tasks" in plugin["provides"]]
    assert len(tasks) == 12
    assert all(plugin["provides"]["tasks"] == [plugin["name"]] for plugin in tasks)
    assert {p["name"] for p in found if "teachers" in p["provides"]} == {
        "replay",
        "hf-teacher",
        "mix",
        "openai-teacher",
        "rewrite",
        "scripted",
        "trained",
        "vllm-teacher",
    }
    assert {p["name"] for p in found if "students" in p["provides"]} == {
        "hf-causal",
        "hf-seq2seq",
        "openai-student",
        "pocket",
    }


def test_blocked_plugin_is_gone(cli: Cli) -> None:
    names = {plugin["name"] for plugin in cli.json("plugins", "-p", "no:parrot", "-p", "no:aqua")}
    assert "multiarith" in names
    assert not names & {"parrot", "aqua"}


def test_blocking_an_unknown_plugin_is_an_error_with_a_suggestion(cli: Cli) -> None:
    assert "Did you mean 'parrot'" in cli("plugins", "-p", "no:parot", code=2).stderr


def test_one_python_file_is_a_plugin(make_cli: MakeCli, demo: Path) -> None:
    cli = make_cli(site=None)
    plugin = cli.folder / "mine.py"
    shutil.copy(PARROT / "rtbench_parrot.py", plugin)
    done = cli("run", "--plugin", plugin, "--matrix", demo, "--methods", "fine-tune", "--format", "md")
    assert "| fine-tune | parrot |" in done.stdout
    assert "; rtbench " in done.stdout
    assert "with rtbench-parrot" not in done.stdout, "the run has the file's digest instead"


def test_versions_of_installed_plugins_are_beside_the_results(cli: Cli, demo: Path) -> None:
    version = tomllib.loads((PARROT / "pyproject.toml").read_text())["project"]["version"]
    done = cli("run", "--matrix", demo, "--methods", "fine-tune", "--format", "md")
    assert f" with rtbench-parrot {version}, " in done.stdout
    assert cli.json("report")["plugins"] == {"rtbench-parrot": version}


def plugin_error(cli: Cli, text: str) -> str:
    path = cli.folder / "bad.py"
    path.write_text(text)
    return cli("plugins", "--plugin", path, code=2).stderr


def test_misspelt_hook_is_named_with_the_right_one(cli: Cli) -> None:
    said = plugin_error(
        cli,
        "from rtbench.api import hookimpl\n@hookimpl\ndef rtbench_register_task(register): pass\n",
    )
    assert "bad" in said
    assert "rtbench_register_task'" in said
    assert "Did you mean 'rtbench_register_tasks'" in said


def test_misspelt_hook_without_the_marker_is_caught_too(cli: Cli) -> None:
    said = plugin_error(cli, "def rtbench_register_tsaks(register): pass\n")
    assert "Did you mean 'rtbench_register_tasks'" in said


def test_plugin_that_raises_at_import_is_named_with_the_cure(cli: Cli) -> None:
    said = plugin_error(cli, "1 / 0\n")
    assert "bad.py" in said
    assert "ZeroDivisionError" in said
    assert "--traceback" in said


def test_traceback_is_one_flag_away(cli: Cli) -> None:
    path = cli.folder / "bad.py"
    path.write_text("1 / 0\n")
    assert "ZeroDivisionError" in cli("plugins", "--plugin", path, "--traceback", code=1).stderr


def test_plugin_whose_hook_raises_is_named(cli: Cli) -> None:
    said = plugin_error(
        cli,
        "from rtbench.api import hookimpl\n@hookimpl\ndef rtbench_register_tasks(register): [][1]\n",
    )
    assert "plugin 'bad'" in said
    assert "IndexError" in said
    assert "-p no:bad" in said


def test_name_that_is_taken_is_an_error_naming_both(cli: Cli) -> None:
    said = plugin_error(
        cli,
        "from rtbench.api import hookimpl\n@hookimpl\n"
        "def rtbench_register_tasks(register): register('multiarith', 'x:y')\n",
    )
    assert "'multiarith' is registered twice" in said
    assert "-p no:multiarith or -p no:bad" in said


def test_target_that_cannot_be_imported_is_named_when_it_is_asked_for(cli: Cli, demo: Path) -> None:
    path = cli.folder / "bad.py"
    path.write_text(
        "from rtbench.api import hookimpl\n@hookimpl\n"
        "def rtbench_register_methods(register): register('mine', 'nowhere:Nothing')\n",
    )
    said = cli("plan", "--plugin", path, "--matrix", demo, "--methods", "mine", code=2).stderr
    assert "nowhere:Nothing" in said
    assert "plugin 'bad'" in said


@pytest.mark.parametrize(
    ("axis", "name", "near"),
    [("tasks", "multiarit", "multiarith"), ("methods", "finetune", "fine-tune"), ("students", "gtp2", "gpt2")],
)
def test_unknown_name_comes_with_a_suggestion(cli: Cli, axis: str, name: str, near: str) -> None:
    said = cli("plan", "--matrix", "recorded", f"--{axis}", name, code=2).stderr
    assert f"Did you mean '{near}'" in said


def test_lifecycle_hooks_are_called(cli: Cli, demo: Path) -> None:
    path = cli.folder / "watch.py"
    path.write_text(
        "from pathlib import Path\nfrom rtbench.api import hookimpl\n"
        "def log(line):\n    with open('log', 'a') as f: f.write(line + '\\n')\n"
        "@hookimpl\ndef rtbench_modify_plan(plan): log(f'plan {len(plan.todo)}')\n"
        "@hookimpl\ndef rtbench_step_started(step): log(f'started {step.kind}')\n"
        "@hookimpl\ndef rtbench_step_finished(step, state): log(f'{state.state} {step.kind}')\n"
    )
    cli("run", "--plugin", path, "--matrix", demo, "--methods", "fine-tune")
    lines = (cli.folder / "log").read_text().splitlines()
    assert lines[0] == "plan 4"
    assert [line for line in lines if line.startswith("started")] == [
        f"started {kind}" for kind in ("curate", "train", "complete", "score")
    ]
    assert sum(line.startswith("done") for line in lines) == 4


def test_the_curator_of_the_cookbook_works(cli: Cli, demo: Path) -> None:
    (cli.folder / "brief.py").write_text((ROOT / "examples" / "brief.py").read_text())
    demo.write_text(demo.read_text() + "curators: [correct, {use: brief, words: 1}]\n")
    done = cli("run", "--plugin", "brief.py", "--matrix", demo, "--methods", "fine-tune-cot", "--degrees", "1", code=1)
    assert "no training examples: 40 completions for 40 questions, none kept" in done.stderr
    demo.write_text(demo.read_text().replace("words: 1", "wrods: 1"))
    assert "Did you mean 'words'" in cli("plan", "--plugin", "brief.py", "--matrix", demo, code=2).stderr


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("class X(Curator): pass", "cannot be created"),
        ("def X(options): return object()", "is a object, not a Curator"),
    ],
)
def test_faulty_object_of_a_plugin_is_one_clear_error(cli: Cli, demo: Path, code: str, said: str) -> None:
    (cli.folder / "bad.py").write_text(
        f"from rtbench.api import hookimpl\nfrom rtbench.api import Curator\n{code}\n"
        "@hookimpl\ndef rtbench_register_curators(register): register('x', X)\n"
    )
    demo.write_text(demo.read_text() + "curators: [x]\n")
    error = cli("plan", "--plugin", "bad.py", "--matrix", demo, code=2).stderr
    assert said in error
    assert "plugin 'bad'" in error


HELLO = """
import click
from rtbench.api import with_session
from rtbench.api import hookimpl

@click.command()
@click.argument("name")
@with_session
def hello(session, name):
    "Greet."
    print(f"hello {name}, {len(session.plugins.origins)} plugins")
    return 3

@hookimpl
def rtbench_register_commands(register): register(COMMAND, hello, summary="greets")
"""


def greeter(cli: Cli, command: str = "hello") -> Path:
    path = cli.folder / "greet.py"
    path.write_text(HELLO.replace("COMMAND", repr(command)))
    return path


def test_plugin_adds_a_command_with_options_session_and_exit_code(cli: Cli) -> None:
    done = cli("hello", "you", "--plugin", greeter(cli), code=3)
    assert done.stdout.startswith("hello you, ")
    assert "Greet." in cli("hello", f"--plugin={greeter(cli)}", "--help").stdout


def test_commands_of_plugins_are_listed_but_not_loaded_for_help(cli: Cli) -> None:
    found = {plugin["name"]: plugin["provides"] for plugin in cli.json("plugins", "--plugin", greeter(cli))}
    assert found["greet"] == {"commands": ["hello"]}
    assert found["claims"] == {"commands": ["claims"]}
    assert "From plugins (`rtbench plugins` lists all)" in cli("--help").stdout


def test_unknown_command_is_compared_with_those_of_plugins(cli: Cli) -> None:
    assert "Did you mean 'hello'" in cli("helo", "you", "--plugin", greeter(cli), code=2).stderr
    assert "Did you mean 'claims'" in cli("clams", code=2).stderr


def test_command_of_a_blocked_plugin_is_unknown(cli: Cli) -> None:
    assert "unknown command 'claims'" in cli("claims", "-p", "no:claims", code=2).stderr
    assert "unknown command 'hello'" in cli("hello", "--plugin", greeter(cli), "-p", "no:greet", code=2).stderr


def test_command_cannot_take_the_name_of_one_of_rtbenchs_own(cli: Cli) -> None:
    said = cli("plugins", "--plugin", greeter(cli, "report"), code=2).stderr
    assert "plugin 'greet': command 'report' is registered twice" in said


def test_command_that_is_none_is_named_with_its_plugin(cli: Cli) -> None:
    path = greeter(cli)
    path.write_text(path.read_text().replace("'hello', hello", "'hello', print"))
    said = cli("hello", "you", "--plugin", path, code=2).stderr
    assert "not a click command" in said
    assert "plugin 'greet'" in said


def summary(cli: Cli, body: str) -> Path:
    path = cli.folder / "below.py"
    path.write_text(f"from rtbench.api import hookimpl\n@hookimpl\ndef rtbench_run_summary(run, services): {body}\n")
    return path


def test_summary_of_plugins_comes_first_on_a_short_board_and_last_on_a_whole_one(cli: Cli, demo: Path) -> None:
    plugin = summary(cli, "return f'{run.name} has {len(run.cells)} cells, {services.store.root.name}'")
    arguments = ("--plugin", plugin, "-p", "no:claims")
    done = cli("run", "--matrix", demo, "--methods", "fine-tune", "--name", "r", *arguments)
    assert done.stdout.startswith("r has 1 cells, store\n\n")
    assert cli("report", *arguments).stdout == done.stdout
    whole = cli("report", "--verbose", *arguments).stdout
    assert whole.endswith("\n\nr has 1 cells, store\n")
    assert cli("report", "--format", "md", *arguments).stdout.endswith("```\nr has 1 cells, store\n```\n")
    assert "has 1 cells" not in cli("report", "--format", "csv", *arguments).stdout
    cli("report", "--out", "board.txt", *arguments)
    assert (cli.folder / "board.txt").read_text() == whole


@pytest.mark.parametrize(
    ("body", "said"),
    [("return 1 / 0", "raised ZeroDivisionError"), ("return 7", "TypeError: returned a int, not a str")],
)
def test_summary_that_fails_is_a_warning_that_names_the_plugin(cli: Cli, demo: Path, body: str, said: str) -> None:
    done = cli("run", "--matrix", demo, "--plugin", summary(cli, body))
    assert "fine-tune-cot" in done.stdout
    assert "Findings" in done.stdout, "the others are asked all the same"
    assert "warning: plugin 'below': rtbench_run_summary" in done.stderr
    assert said in done.stderr


def test_plugin_without_a_summary_adds_nothing(cli: Cli, demo: Path) -> None:
    without = cli("run", "--matrix", demo)
    assert cli("report", "--plugin", summary(cli, "return None")).stdout == without.stdout


def test_plugins_state_facts_of_the_machine(cli: Cli) -> None:
    path = cli.folder / "facts.py"
    path.write_text(
        "from rtbench.api import hookimpl\n@hookimpl\ndef rtbench_machine_facts(): return {'tape': 'nine-track'}\n"
    )
    found: Any = cli.json("doctor", "--plugin", path)
    assert found["machine"]["tape"] == "nine-track"
    assert "built-in" in found["machine"]["generation engine"]
    path.write_text(path.read_text().replace("{'tape': 'nine-track'}", "1 / 0"))
    done = cli("doctor", "--plugin", path)
    assert "warning: plugin 'facts': rtbench_machine_facts" in done.stderr
    assert "generation engine" in done.stdout


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_heading_in_the_docs_with_its_signature(hook: str) -> None:
    import inspect

    text = (ROOT / "docs" / "plugins.md").read_text()
    signature = inspect.signature(getattr(hookspecs, hook))
    assert f"### `{hook}({', '.join(signature.parameters)})`" in text


@pytest.mark.parametrize(
    ("hook", "command"),
    [
        ("rtbench_pinned_files(tasks)", ("data", "list", "--tasks", "parity")),
        ("rtbench_load_task(path)", ("tasks", "--task", "mine.yaml")),
    ],
)
def test_plugin_that_raises_is_named(cli: Cli, hook: str, command: tuple[str, ...]) -> None:
    (cli.folder / "mine.yaml").write_text("task: mine\n")
    (cli.folder / "bad.py").write_text(
        f"from rtbench.api import hookimpl\n@hookimpl(tryfirst=True)\ndef {hook}: raise KeyError('oops')\n"
    )
    said = cli(*command, "--plugin", "bad.py", code=2).stderr
    assert f"{hook.partition('(')[0]} raised KeyError: 'oops'" in said


def test_file_that_fails_leaves_no_module_behind(tmp_path: Path) -> None:
    (tmp_path / "half_made.py").write_text("x = 1\nraise ValueError('oops')\n")
    with pytest.raises(PluginError, match="oops"):
        PluginManager(files=[tmp_path / "half_made.py"])
    assert not [name for name in sys.modules if name.endswith("half_made")]
