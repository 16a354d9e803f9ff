"""Commands whose files cannot be written: one line that names what and where, and no traceback."""

from __future__ import annotations

import errno
import os
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from rtbench import cli as command_line
from tests.helpers.cli import Cli, cli_in

SMALL = "name: small\nsource: twin\ntasks: [multiarith]\nteachers: [{name: b, use: scripted}]\nmethods: [fine-tune-cot]\nstudents: []\nlimit: 40\n"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    cli = cli_in(tmp_path_factory.mktemp("full") / "user")
    (cli.folder / "small.yaml").write_text(SMALL)
    cli("run", "--matrix", "small.yaml")
    return cli


def limited(cli: Cli, limit: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A command under a limit of the shell: writing beyond it fails as on a full disk, without a file's name."""
    command = f"ulimit {limit} && exec {shlex.join(cli.command(*arguments))}"
    # Python would cut its compiled modules short too, and every later test would find them so.
    environment = cli.environment | {"PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        ["bash", "-c", command], cwd=cli.folder, env=environment, capture_output=True, text=True, check=False
    )


def one_line(done: subprocess.CompletedProcess[str], name: str) -> None:
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("downloading")]
    assert line.startswith("error: ")
    assert name in line
    assert done.returncode in {1, 2}


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("report", "--html", "site"), "site: File too large. Make room"),
        (("report", "--format", "json", "--out", "board.json"), "File too large"),
        (("report", "--format", "lm-eval", "--out", "results"), "File too large"),
        (("hub", "push", "--out", "pushed"), "File too large"),
        (("runs", "pack", "packed"), "File too large"),
        (("tasks", "twin", "multiarith", "--count", "200", "--out", "new.txt"), "new.txt: File too large"),
    ],
)
def test_file_that_finds_no_room_is_named(ran: Cli, arguments: tuple[str, ...], name: str) -> None:
    one_line(limited(ran, "-f 1", *arguments), name)


def test_compiled_module_that_was_cut_short_is_named(tmp_path: Path) -> None:
    cli = cli_in(tmp_path / "user")
    cli.environment.update(PYTHONPYCACHEPREFIX=str(tmp_path / "compiled"), PYTHONDONTWRITEBYTECODE="")
    cli("runs")
    (compiled,) = (tmp_path / "compiled").rglob("rtbench/storage/runs.*.pyc")
    compiled.write_bytes(compiled.read_bytes()[:200])
    done = cli("runs", code=2)
    assert f"error: {compiled}: cut short, as a full disk leaves it. Remove it" in done.stderr
    compiled.unlink()
    cli("runs")


def test_other_text_that_ends_early_is_no_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise click.Abort from EOFError("cut")

    monkeypatch.setattr(command_line.cli, "main", fails)
    with pytest.raises(EOFError, match="cut"):
        command_line._run(["runs"])


def test_workspace_without_room_is_named(ran: Cli) -> None:
    """Whatever of the run finds no room, the line says where."""
    for blocks in (1, 2):
        done = limited(
            ran, f"-f {blocks}", "run", "--matrix", "small.yaml", "--workspace", "narrow", "--format", "json"
        )
        assert done.returncode in {1, 2}
        assert "narrow" in done.stderr or "failed: complete" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("report", "--html", "/dev/null/site"), "/dev/null/site"),
        (("report", "--out", "x" * 300), "File name too long. Use a shorter name"),
        (("runs", "pack", "/proc/packed"), "/proc/packed"),
        (("run", "--matrix", "small.yaml", "--workspace", "/proc/ws"), "/proc/ws"),
    ],
)
def test_place_that_cannot_be_written_to_is_named(ran: Cli, arguments: tuple[str, ...], name: str) -> None:
    one_line(ran(*arguments, code=2), name)


def test_too_many_open_files_are_one_line(ran: Cli) -> None:
    done = limited(ran, "-n 8", "run", "--matrix", "small.yaml", "--workspace", "other")
    one_line(done, "Too many open files. Raise the limit")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.EACCES])
@pytest.mark.parametrize("path", [None, "a\x1b[2J\nb", b"by\xfftes", 7])
def test_any_error_of_the_system_is_one_line(
    number: int, path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object, **__: object) -> None:
        error = OSError(number, os.strerror(number))
        error.filename = path
        raise error

    monkeypatch.setattr(command_line.cli, "main", fails)
    monkeypatch.setattr("sys.unraisablehook", lambda _: None)
    assert command_line._run(["report", "x"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert os.strerror(number) in line
    assert "\x1b" not in line
    assert ("rtbench report" in line) == (path is None)
    with pytest.raises(OSError, match=os.strerror(number)):
        command_line._run(["report", "--traceback"])


def test_subcommand_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(command_line.cli, "main", fails)
    monkeypatch.setattr("sys.unraisablehook", lambda _: None)
    command_line._run(["runs", "pack", str(tmp_path)])
    assert "rtbench runs pack: a file cannot be read or written" in capsys.readouterr().err


SECOND_RECORD_FAILS = """
import errno
from rtbench.cli import main
from rtbench.storage.runs import Runs

real, saved = Runs.save, []

def save(self, record):
    saved.append(record)
    if len(saved) > 1:
        raise OSError(errno.ENOSPC, "No space left on device")
    return real(self, record)

Runs.save = save
main(["run", "--matrix", "small.yaml", "--name", "again"])
"""


def test_leaderboard_is_shown_where_only_its_record_finds_no_room(ran: Cli) -> None:
    command = [sys.executable, "-c", SECOND_RECORD_FAILS]
    done = subprocess.run(command, cwd=ran.folder, env=ran.environment, capture_output=True, text=True, check=False)
    assert "small (again)" in done.stdout
    assert "rtbench-workspace: No space left on device" in done.stderr.splitlines()[-1]
    assert done.returncode == 2
