"""Commands whose output cannot be written: one line that says so, and an exit code that is not 0."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.cli import Cli

COMMANDS = (
    ("tasks",),
    ("plugins", "--format", "json"),
    ("runs",),
    ("report",),
    ("report", "--format", "json"),
    ("errors",),
    ("claims",),
    ("doctor",),
    ("--help",),
    ("run", "--matrix", "demo.yaml"),
)


def in_shell(cli: Cli, arguments: tuple[str, ...], where: str) -> subprocess.CompletedProcess[str]:
    command = f"{shlex.join(cli.command(*arguments))} {where}"
    return subprocess.run(
        ["bash", "-c", command], cwd=cli.folder, env=cli.environment, stderr=subprocess.PIPE, text=True, check=False
    )


@pytest.fixture
def after_a_run(cli: Cli, demo: Path) -> Cli:
    (cli.folder / "demo.yaml").write_text(demo.read_text())
    cli("run", "--matrix", "demo.yaml")
    return cli


def test_every_command_tells_that_its_output_is_lost(after_a_run: Cli) -> None:
    for arguments in COMMANDS:
        for where, why in ((">&-", "it is closed"), ("> /dev/full", "No space left on device")):
            done = in_shell(after_a_run, arguments, where)
            lines = [line for line in done.stderr.splitlines() if not line.startswith("for details:")]
            assert lines == [f"error: standard output cannot be written ({why}): the output of this command is lost"]
            assert done.returncode == 2, arguments


def test_what_is_not_lost_is_no_error(after_a_run: Cli) -> None:
    assert in_shell(after_a_run, ("tasks",), "2>&- > /dev/null").returncode == 0
    assert in_shell(after_a_run, ("tasks",), "| true").stderr == "", "the reader wants no more"
    assert in_shell(after_a_run, ("report",), "> /dev/full 2> /dev/full").returncode == 2


def test_run_without_output_writes_its_results_and_nothing_else(cli: Cli, demo: Path) -> None:
    """The number of standard output is not given to a file of the workspace."""
    assert in_shell(cli, ("run", "--matrix", str(demo)), ">&- 2>&- <&-").returncode == 2
    assert cli.json("report")["rows"]  # type: ignore[index]
    assert cli("run", "--matrix", demo).returncode == 0


def test_error_of_a_user_keeps_its_message_without_an_output(cli: Cli) -> None:
    done = in_shell(cli, ("report", "nothing"), ">&-")
    assert done.stderr.startswith("error: ")
    assert "standard output" not in done.stderr
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("\x1b[2Ja\x07", r"\x1b[2Ja\x07"),
        ("\r 10%\r 20%\r\n", "\n 10%\n 20%\n"),
        ("\u202e\ud800é", r"\u202e\ud800é"),
    ],
)
def test_streams_are_guarded_whoever_prints(printed: str, shown: str) -> None:
    """A library prints to standard error, in a locale that has no letters but ASCII."""
    code = (
        f"import sys; from rtbench.cli.output import prepare_streams; prepare_streams(); sys.stderr.write({printed!r})"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert done.stderr.decode() == shown


def test_output_in_another_encoding_has_signs_for_what_it_lacks() -> None:
    code = "from rtbench.cli.output import echo, prepare_streams; prepare_streams(); echo('é三\\x1b')"
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert done.stdout.decode("latin-1") == "é\\u4e09\\x1b\n"
