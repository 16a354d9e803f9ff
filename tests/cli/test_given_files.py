"""A run remembers its task and plugin files, so that later commands need no options again."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path

import pytest

from tests.helpers.cli import PARROT, Cli, MakeCli
from tests.helpers.runs import rewrite

TASK = """
task: sums
dataset_path: json
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
metadata:
  version: 1
  rtbench:
    answer_type: number
    files: [{name: sums.jsonl}]
"""


@pytest.fixture
def user(make_cli: MakeCli) -> Cli:
    """A user whose parrot is a plugin file, and whose task is a YAML file. A run with both is finished."""
    cli = make_cli(site=None)
    (cli.folder / "parrot_file.py").write_bytes((PARROT / "rtbench_parrot.py").read_bytes())
    (cli.folder / "sums.yaml").write_text(TASK)
    rows = (f'{{"question": "{a} + {b}?", "answer": {a + b}}}' for a in range(1, 6) for b in range(1, 5))
    (cli.folder / "sums.jsonl").write_text("\n".join(rows))
    matrix = cli.folder / "mine.yaml"
    matrix.write_text("{name: mine, tasks: [sums], methods: [zero-shot], students: [parrot], extractor: flexible}")
    cli("run", "--matrix", matrix, "--task", "sums.yaml", "--plugin", "parrot_file.py")
    return cli


LATER = [
    ["report"],
    ["report", "--format", "shout"],
    ["show", "sums/zero-shot"],
    ["errors"],
    ["score", "--run", "mine"],
    ["claims", "mine"],
    ["extractors", "diff", "flexible", "strict"],
    ["compare", "mine", "mine"],
]


def test_later_commands_know_the_files(user: Cli) -> None:
    done = {" ".join(command): user(*command) for command in LATER}
    assert not [command for command, ended in done.items() if "warning" in ended.stderr or "is not" in ended.stderr]
    assert "gold: '2'" in done["show sums/zero-shot"].stdout


def test_changed_task_is_said_and_read_as_it_is_now(user: Cli) -> None:
    (user.folder / "sums.yaml").write_text(TASK + "    title: Sums\n")
    done = user("report")
    assert "task file of run mine" in done.stderr
    assert "has changed since" in done.stderr


def test_changed_plugin_is_not_loaded_until_it_is_given_again(user: Cli) -> None:
    plugin = user.folder / "parrot_file.py"
    marker = user.folder / "loaded"
    plugin.write_text(plugin.read_text() + f"\nopen({str(marker)!r}, 'w').close()\n")
    done = user("report", "--format", "md")
    assert f"has changed since, and is not loaded; to load it: --plugin {plugin}" in done.stderr
    assert not marker.exists()
    user("report", "--format", "shout", "--plugin", plugin)
    assert marker.exists()


def test_plugin_of_a_run_can_be_blocked(user: Cli) -> None:
    done = user("report", "--format", "shout", "-p", "no:parrot_file", code=2)
    assert "unknown reporter 'shout'" in done.stderr
    assert "unknown plugin" in user("report", "-p", "no:parrot_fill", code=2).stderr


def test_plugin_that_clashes_now_is_said_and_left_out(user: Cli) -> None:
    again = user.folder / "again.py"
    again.write_bytes((PARROT / "rtbench_parrot.py").read_bytes())
    done = user("report", "--format", "md", "--plugin", again)
    assert "parrot_file.py cannot be loaded" in done.stderr
    assert "| zero-shot" in done.stdout


def test_file_that_is_gone_is_said(user: Cli) -> None:
    (user.folder / "sums.yaml").unlink()
    done = user("report", "--format", "md")
    assert "sums.yaml is not there any more" in done.stderr
    assert "sums" in done.stdout, "the leaderboard needs no questions"


def test_workspace_of_somebody_else_loads_no_code(user: Cli) -> None:
    other = Cli(user.folder, {**user.environment, "XDG_STATE_HOME": str(user.folder / "elsewhere")})
    done = other("report", "--format", "md")
    assert done.stderr.count("was not given on this machine by you") == 2
    assert "| zero-shot" in done.stdout


def test_path_in_a_foreign_record_is_not_touched(user: Cli) -> None:
    path = user.workspace / "runs" / "mine.json"
    pipe = user.folder / "pipe.yaml"
    os.mkfifo(pipe)  # a command that opened it would wait for ever
    rewrite(path, json.loads(path.read_text()) | {"files": [{"kind": "task", "path": str(pipe), "digest": "0"}]})
    assert "was not given on this machine by you" in user("report", "--format", "md").stderr


def test_state_that_cannot_be_written_is_no_error(user: Cli) -> None:
    other = Cli(user.folder, {**user.environment, "XDG_STATE_HOME": os.devnull})
    other("run", "--matrix", "mine.yaml", "--task", "sums.yaml", "--plugin", "parrot_file.py")


def test_hints_can_be_pasted(user: Cli, tmp_path: Path) -> None:
    place = tmp_path / "a place"
    done = user(
        "run", "--matrix", "mine.yaml", "--task", "sums.yaml", "--plugin", "parrot_file.py", "--workspace", place
    )
    hints = done.stderr.rpartition("for details: ")[2].splitlines()[0]
    commands = [hint.strip() for hint in hints.split(";")]
    assert len(commands) == 4
    for command in commands:
        name, *arguments = shlex.split(command)
        assert name == "rtbench"
        assert arguments[-2:] == ["--workspace", str(place)]
        user(*arguments)
    assert (user.folder / "site" / "index.html").is_file()
    said = user("show", "no-such-cell", "--workspace", place, code=2).stderr
    (listing,) = re.findall("`(rtbench show [^`]*)`", said)
    user(*shlex.split(listing)[1:])


def test_commands_in_errors_repeat_what_was_stated() -> None:
    from rtbench.cli.hints import with_stated
    from rtbench.cli.show import show

    text = "Use `rtbench run` first, or `rtbench show --run x`. See `rtbench plugins` and `rtbench run --workspace y`."
    with show.make_context("show", ["cell"]):
        assert with_stated(text) == text
    with show.make_context("show", ["cell", "--workspace", "a place", "--data-dir=d", "--offline"]):
        assert with_stated(text) == (
            "Use `rtbench run --workspace 'a place' --data-dir d --offline` first, or `rtbench show --run x --workspace 'a place' "
            "--data-dir d --offline`. See `rtbench plugins` and `rtbench run --workspace y`."
        )
