"""Every command and every format over a workspace whose texts and names try to control what shows them."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import subprocess
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from tests.helpers.cli import Cli, cli_in
from tests.helpers.runs import rewrite
from tests.helpers.servers import MakeServer, matrix
from tests.helpers.tasks import MINE, write

HOSTILE = (
    "\x1b[2J",  # clears the screen
    "\x1b]0;TITLE\x07",  # sets the title
    "\x1bP1$r\x1b\\",  # a request for a device's state
    "\x9b31m",  # the same in one byte
    "\x08\x08\rok",  # overwrites
    "\u202egpj.exe\u2066",  # turns text around
    "\u200b\ufeff",  # cannot be seen
    "\x7f",
    "[/red][link=http://evil.example]x[/link]",
    "![i](http://evil.example/i.png)<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "a|b`c`",
    "\\input{/etc/passwd} ^^5cinput $x_1$ & 5% #1",
    "\u2028alert(1)\u2029 end",
)
TEXT = " ".join(HOSTILE)
NAME = f"=cmd|' /C calc'!A0 {TEXT}"
PLUGIN = """
import sys
from rtbench.api import hookimpl

print({text!r}, file=sys.stderr)  # in the command and in its workers

@hookimpl
def rtbench_step_started(step):
    raise ValueError({text!r})

@hookimpl
def rtbench_machine_facts(services):
    return {{"odd": {text!r}}}

@hookimpl
def rtbench_run_summary(run, services):
    return {text!r}
"""
RENAMED = {"name", "teacher", "student", "reason", "description", "matrix", "method", "variant", "series"}


def controls(text: str) -> set[str]:
    """Characters that a terminal obeys, or that a reader cannot see."""
    return {c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and c not in "\n\t"}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory, parrot_site: Path) -> Cli:
    """A workspace with two runs on odd questions, golds and rationales, and a plugin with odd messages."""
    cli = cli_in(tmp_path_factory.mktemp("odd") / "user", site=parrot_site)
    lines = [{"question": f"What is {i}? {TEXT}", "answer": f"word{i % 3}\x1b[31m"} for i in range(20)]
    write(cli.folder, MINE.replace("answer_type: number", "answer_type: string"), lines)
    said = [
        {"sample_index": i, "completion": f"{TEXT} because {i}. The answer is word{(i + i % 2) % 3}\x1b[31m."}
        for i in range(20)
    ]
    (cli.folder / "m__key__mine.jsonl").write_text("".join(json.dumps(line) + "\n" for line in said))
    lost = {"question": f"{TEXT} Is this a question of the task?", "completion": TEXT}
    (cli.folder / "other__key__mine.jsonl").write_text(json.dumps(lost) + "\n")
    (cli.folder / "odd.py").write_text(PLUGIN.format(text=TEXT))
    (cli.folder / "m.yaml").write_text(
        "name: one\ntasks: [mine]\nmethods: [zero-shot, fine-tune-cot]\nstudents: [parrot]\nrecipe: {epochs: 1}\n"
        "teachers: [{name: t, use: replay, recordings: [m/key]}]\n"
    )
    cli("import", "m__key__mine.jsonl", "--task", "mine.yaml")
    for name in ("one", "two"):
        done = cli("run", "--matrix", "m.yaml", "--task", "mine.yaml", "--plugin", "odd.py", "--name", name)
        assert r"\x1b[2J" in done.stderr
        assert not controls(done.stderr)
        path = cli.workspace / "runs" / f"{name}.json"
        record = json.loads(path.read_text())
        for cell in record["cells"]:
            for key, value in cell.items():
                if key in RENAMED - {"variant"} and isinstance(value, str):
                    cell[key] = f"{NAME} {value}"
        record["description"] = record["matrix"] = NAME
        rewrite(path, record)
    return cli


COMMANDS: tuple[tuple[str, ...], ...] = (
    ("runs",),
    ("tasks",),
    ("tasks", "overlap", "--tasks", "mine"),
    ("plan", "--matrix", "m.yaml"),
    ("doctor",),
    ("data", "list"),
    ("plugins",),
    ("extractors",),
    ("show",),
    ("show", "teacher", "--prompts"),
    ("errors", "--examples", "3"),
    ("curate", "--examples", "9"),
    ("extractors", "diff", "flexible", "strict"),
    ("compare", "one", "two", "--flips", "3"),
    ("claims", "one"),
    ("claims", "one", "--format", "md"),
    ("score", "--run", "one"),
    ("score", "m__key__mine.jsonl"),
    ("score", "\x1b[2J\u202e|`x`.jsonl"),
    ("import", "other__key__mine.jsonl"),
    ("export", "rationales", "--out", "\x1b[2J\u202e"),
    ("report", "one"),
    *(("report", "one", "--format", name) for name in ("md", "csv", "json", "tex", "paper", "shout")),
    ("run", "--matrix", "m.yaml", "--name", "three"),
)


def test_no_command_prints_what_a_terminal_obeys(odd: Cli) -> None:
    for command in COMMANDS:
        for more in ((), ("--format", "json")):
            if more and (command[0] == "run" or "--format" in command or command[:2] == ("score", "--run")):
                continue
            done = _tried(odd, *command, *more)
            assert not controls(done), (command, more, controls(done))
            assert "Traceback" not in done, command


def _tried(cli: Cli, *command: str) -> str:
    done = subprocess.run(
        cli.command(*command, "--task", "mine.yaml", "--plugin", "odd.py"),
        cwd=cli.folder, env=cli.environment, capture_output=True, check=False,
    )  # fmt: skip
    return (done.stdout + done.stderr).decode()


def test_texts_are_still_recognised(odd: Cli) -> None:
    said = odd("show", "teacher", "--task", "mine.yaml").stdout
    for sign in (r"\x1b[2J", r"\x1b]0;TITLE\x07", r"\x9b31m", r"\u202egpj.exe\u2066", r"\x08\x08\rok", "[/red][link="):
        assert sign in said
    shown: Any = odd.json("show", "teacher", "--task", "mine.yaml")
    assert TEXT in shown[0]["question"], "programs get the exact text"
    board: Any = odd.json("report", "one", "--task", "mine.yaml")
    assert any(NAME in str(row.get("teacher")) for row in board["rows"])


def test_formats_have_no_active_markup(odd: Cli) -> None:
    def report(name: str) -> str:
        return odd("report", "one", "--task", "mine.yaml", "--plugin", "odd.py", "--format", name).stdout

    for markdown in (report("md"), odd("claims", "one", "--task", "mine.yaml", "--format", "md").stdout):
        tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
        kinds = {child.type for token in tokens for child in token.children or ()} | {token.type for token in tokens}
        assert not kinds & {"link_open", "image", "html_inline", "html_block", "code_inline", "em_open"}, kinds
        outside = "".join(token.content for token in tokens if token.type == "inline")
        assert "<script" not in outside, "in blocks of code alone, where it is text"
    for fields in csv.reader(io.StringIO(report("csv"))):
        assert not any(re.match(r"\s*[=+@-](?![\d.]+$)", field) for field in fields)
    latex = report("tex")
    assert "\\input" not in latex
    assert "^^" not in latex


def test_files_for_others_have_no_active_markup(odd: Cli) -> None:
    task = ("--task", "mine.yaml", "--plugin", "odd.py")
    odd("report", "one", "--html", "site", *task)
    odd("hub", "push", "one", "--out", "board", *task)
    odd("hub", "push", "one", "--what", "rationales", "--out", "rationales", *task)
    odd("export", "rationales", "one", "--out", "exported", *task)
    pages = [*odd.folder.glob("site/*.html"), *odd.folder.glob("site/cells/*.html"), *odd.folder.glob("site/data/*.js")]
    cards = [odd.folder / "board" / "README.md", odd.folder / "rationales" / "README.md"]
    for path in (*pages, *cards):
        text = path.read_text()
        assert not controls(text), path
        assert "<script>alert" not in text, path
        assert "<img src=x" not in text, path
    assert any("alert(1)" in path.read_text() for path in pages), "shown as text"
    (exported,) = odd.folder.glob("exported/*.jsonl")
    assert TEXT in json.loads(exported.read_text().split("\n")[0])["question"], "an export keeps the exact text"


def test_only_colours_reach_a_real_terminal(odd: Cli) -> None:
    for command in (("report", "one"), ("show", "teacher"), ("errors", "--examples", "2"), ("claims", "one")):
        said = _in_terminal(odd, *command, "--task", "mine.yaml", "-p", "no:odd")
        rest = re.sub(r"\x1b\[[0-9;]*m|\r+\n|\x1b\]8;;\x1b\\", "", said)
        assert not controls(rest), (command, controls(rest))
        assert "\x1b[" in said or command[0] == "claims", "our own colours"
        assert r"\x1b[2J" in said or command[0] == "claims"


def _in_terminal(cli: Cli, *command: str) -> str:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        cli.command(*command), cwd=cli.folder, env=cli.environment | {"TERM": "xterm"}, stdout=theirs, stderr=theirs
    ):
        os.close(theirs)
        said = b""
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:  # the end of a terminal
                break
            if not data:
                break
            said += data
    os.close(ours)
    return said.decode()


def test_messages_of_servers_and_of_errors_are_signs(cli: Cli, server: MakeServer) -> None:
    odd = server(status=400, message=TEXT)
    done = cli("run", "--matrix", matrix(cli, odd), code=1)
    assert "failed: " in done.stderr
    assert not controls(done.stdout + done.stderr)
    for arguments in (
        ("report", TEXT),
        ("show", "--run", TEXT),
        ("plan", "--matrix", TEXT),
        ("score", f"{TEXT}.jsonl"),
        (TEXT,),
    ):
        said = cli(*(a.replace("\0", "") for a in arguments), code=2).stderr
        assert said.startswith("error: ")
        assert not controls(said), arguments
