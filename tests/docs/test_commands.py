"""The commands of README.md and docs/: each is known to click with its options, and those that can run here run.

A block ```` ```sh (REASON) ```` is not run, for the reason that it states. Blocks below docs/benchmarks are measurements, which are
made by hand. A block after `<!-- file: NAME -->` is a file that the page's commands use.

Most commands need a finished run. `RTBENCH_TEST_WORKSPACE` names a workspace with a finished run of the default matrix, which is
copied for each page. Without it, only the commands that need no run are run.
"""

from __future__ import annotations

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from tests.helpers.cli import DATA, ROOT
from tests.helpers.commands import all_commands
from tests.helpers.docs_blocks import Block, blocks_of, commands_in

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MEASUREMENTS = ROOT / "docs" / "benchmarks"
WORKSPACE = os.environ.get("RTBENCH_TEST_WORKSPACE")
DEFAULT_RUN = "pocket"
NEED_NO_RUN = {"plan", "matrices", "tasks", "plugins", "score", "import", "doctor", "new", "check"}
"""Commands that work in an empty workspace."""
OWN_RUN = "examples/stones_matrix.yaml"
"""Part of blocks that begin with a quick run of their own."""
NEEDS_DATA = re.compile(r"tasks export|--matrix paper")
"""Commands that read published data sets."""
PYTHON_RUNS = ROOT / "docs" / "tutorial.md"
"""The page whose Python is run too, in a workspace that has the default run."""
EXAMPLES = {"hello"}
"""Commands that the pages let a plugin add."""
FILES = Path(__file__).parent / "files"
"""Files that pages name and do not show."""


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def shell_blocks(page: Path) -> list[Block]:
    return [block for block in blocks_of(page) if block.language == "sh"]


def runnable(page: Path) -> list[Block]:
    """The page's files and the shell blocks that are run."""
    if page.is_relative_to(MEASUREMENTS):
        return []
    blocks = [block for block in blocks_of(page) if block.file or (block.language == "sh" and block.reason is None)]
    if not DATA.is_dir():
        blocks = [block for block in blocks if block.file or not NEEDS_DATA.search(block.text)]
    if WORKSPACE is None:
        blocks = [
            block
            for block in blocks
            if block.file
            or OWN_RUN in block.text
            or {args[0] for args in commands_in(block.text) if args} <= NEED_NO_RUN
        ]
    elif page == PYTHON_RUNS:
        blocks += [block for block in blocks_of(page) if block.language == "python"]
    return blocks if any(not block.file for block in blocks) else []


def unknown_in(arguments: list[str]) -> str | None:
    """Return what a call of rtbench has that the command line does not know; None where it knows all."""
    path, rest = "rtbench", list(arguments)
    commands = all_commands()
    while rest and f"{path} {rest[0]}" in commands:
        path += f" {rest.pop(0)}"
    command = commands.get(path)
    if command is None:
        return None if not rest or rest[0] in {"--help", "--version"} else f"unknown command {rest[0]}"
    parser = command.make_parser(click.Context(command, info_name=path))
    try:
        values, left, _ = parser.parse_args(rest)
    except click.UsageError as error:
        return f"{path}: {error.format_message()}"
    if left:
        return f"{path}: unexpected {left}"
    for parameter in command.params:
        value = values.get(parameter.name)
        if isinstance(parameter.type, click.Choice) and isinstance(value, str) and value not in parameter.type.choices:
            return f"{path}: {value!r} is none of {', '.join(parameter.type.choices)}"
    return None


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_commands_of_a_page_are_known(page: Path) -> None:
    wrong = [
        f"rtbench {' '.join(arguments)}: {unknown}"
        for block in shell_blocks(page)
        for arguments in commands_in(block.text)
        if (unknown := unknown_in(arguments))
    ]
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_commands_within_sentences_have_known_options(page: Path) -> None:
    """Code such as `rtbench report [RUN] --format md|csv`: its command and its options exist."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    known = all_commands()
    for code in re.findall(r"`(?:\.venv/bin/)?rtbench ([^`]+)`", text):
        words = code.replace("\\|", "|").replace("[", " ").replace("]", " ").split()
        path = "rtbench"
        while words and f"{path} {words[0].split('|')[0]}" in known:
            path += f" {words.pop(0).split('|')[0]}"
        if path == "rtbench":
            assert words[0].startswith("-") or not words[0].islower() or words[0] in EXAMPLES, (
                f"rtbench {code}: unknown command"
            )
            continue
        options = {name for parameter in known[path].params for name in [*parameter.opts, *parameter.secondary_opts]}
        options |= {"--help", "-h"}
        for word in words:
            if word.startswith("--"):
                assert word.split("=")[0].rstrip(",.;:)") in options, f"rtbench {code}: unknown option {word}"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_python_and_yaml_of_a_page_are_valid(page: Path) -> None:
    """Python compiles and imports existing names; YAML can be read."""
    for block in blocks_of(page):
        if block.language == "yaml":
            yaml.safe_load(block.text)
        if block.language == "python":
            for node in ast.walk(ast.parse(block.text)):
                if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("rtbench"):
                    module = importlib.import_module(node.module)
                    assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


def test_blocks_that_are_not_run_say_why() -> None:
    for page in PAGES:
        for block in shell_blocks(page):
            assert block.reason is None or len(block.reason.split()) >= 2, f"{_name(page)}: {block.reason}"


@pytest.mark.parametrize(
    ("call", "what"),
    [
        ("rtbench rnu", "unknown command rnu"),
        ("rtbench report --fromat md", "No such option '--fromat'"),
        ("cd x && .venv/bin/rtbench du --by day | head", "'day' is none of"),
        ("rtbench compare a b c", "unexpected"),
    ],
)
def test_wrong_command_is_noticed(call: str, what: str) -> None:
    (arguments,) = commands_in(call)
    assert what in (unknown_in(arguments) or "")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with `rtbench` on its path, and a workspace with the default run where there is one to copy."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "rtbench").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rtbench "$@"\n')
    (tools / "rtbench").chmod(0o755)
    folder = tmp_path / "here"
    shutil.copytree(FILES, folder)
    shutil.copytree(ROOT / "examples", folder / "examples")
    if WORKSPACE is not None:
        copy_workspace(Path(WORKSPACE), folder / "rtbench-workspace")
    return folder


def copy_workspace(source: Path, target: Path) -> None:
    """Copy the default run of a workspace. Files of the store never change, so they are linked where that is possible."""
    target.mkdir()
    for name in ("ledger", "runs"):
        shutil.copytree(source / name, target / name)
    shutil.copy2(source / "format.json", target)
    try:
        shutil.copytree(source / "store", target / "store", copy_function=os.link)
    except shutil.Error:  # on another file system
        shutil.rmtree(target / "store")
        shutil.copytree(source / "store", target / "store")
    for record in (target / "runs").iterdir():
        if record.name.partition(".")[0] != DEFAULT_RUN:
            record.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if runnable(page)], ids=_name)
def test_commands_of_a_page_run(page: Path, folder: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RTBENCH_")}
    environment |= {
        "PATH": f"{folder.parent / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "RTBENCH_CACHE": str(folder.parent / "cache"),
        "XDG_STATE_HOME": str(folder.parent / "state"),
        "HF_HUB_OFFLINE": "1",
        "COLUMNS": "100",
    }
    if DATA.is_dir():
        environment["RTBENCH_DATA_DIR"] = str(DATA)
    for block in runnable(page):
        if block.file:
            (folder / block.file).write_text(block.text)
            continue
        shell = ["bash", "-euo", "pipefail", "-c"]
        done = subprocess.run(
            [*([sys.executable, "-c"] if block.language == "python" else shell), block.text],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{block.text}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        assert "Traceback" not in done.stderr
