"""``rtbench new``: files that work, for every kind, as one file and as a package in a fresh environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from rtbench.errors import BadInputError
from rtbench.scaffold.files import KINDS, new_files
from tests.conformance.conftest import checked, failures
from tests.helpers.cli import MakeCli

MOST_LINES = 60
TABLES = [
    ("a.csv", "problem,solution\n1+1?,2\n2+2?,4\n3+3?,6\n4+4?,8\n", "number"),
    ("a.tsv", "Question\tLabel\nIs it?\tyes\nIs he?\tno\nIs she?\tyes\nAre we?\tno\n", "yes_no"),
    ("a.jsonl", '{"question": "a?", "answer": "red"}\n{"question": "b?", "answer": "blue"}\n' * 2, "string"),
    (
        "a.json",
        json.dumps([{"q": f"{n}?", "choices": ["x", "y"], "answer": "AB"[n % 2]} for n in range(4)]),
        "choice",
    ),
]


@pytest.mark.parametrize(("name", "content", "answers"), TABLES)
def test_task_is_made_from_a_file(tmp_path: Path, name: str, content: str, answers: str) -> None:
    (tmp_path / name).write_text(content)
    new_files("task", "mine", tmp_path, data=tmp_path / name).write()
    assert f"answer_type: {answers}" in (tmp_path / "mine.yaml").read_text()
    assert not failures(checked(tmp_path / "mine.yaml"))


def test_fold_column_is_used_as_the_split(tmp_path: Path) -> None:
    rows = "".join(f"{n} + 1?,{n + 1},{'test' if n > 3 else 'train'}\n" for n in range(6))
    (tmp_path / "a.csv").write_text("question,answer,split\n" + rows)
    new_files("task", "mine", tmp_path, data=tmp_path / "a.csv").write()
    assert not failures(checked(tmp_path / "mine.yaml"))


ODD = [
    ("a.csv", "first,second\n1,2\n", "no column of questions was found among: first, second"),
    ("a.csv", "question,answer\n", "the file has no row"),
    ("missing.csv", None, "no such file"),
]


@pytest.mark.parametrize(("name", "content", "said"), ODD)
def test_odd_files_are_errors(tmp_path: Path, name: str, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(BadInputError, match=said):
        new_files("task", "mine", tmp_path, data=tmp_path / name)


def test_data_outside_the_folder_are_an_error_unless_copied(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(TABLES[0][1])
    (tmp_path / "in").mkdir()
    with pytest.raises(BadInputError, match="not below"):
        new_files("task", "mine", tmp_path / "in", data=tmp_path / "a.csv")
    new_files("task", "mine", tmp_path / "in", data=tmp_path / "a.csv", package=True).write()
    assert (tmp_path / "in" / "rtbench-mine" / "mine" / "a.csv").is_file()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text("mine\n")
    with pytest.raises(BadInputError, match="nothing was written"):
        new_files("task", "mine", tmp_path).write()
    assert (tmp_path / "mine.jsonl").read_text() == "mine\n"
    assert not (tmp_path / "mine.yaml").exists()


@pytest.mark.parametrize("name", ["", "class", "1st", "a b", "../up", "a/b", "é" * 200, "x\x1b"])
def test_names_that_cannot_be_modules_are_errors(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInputError):
        new_files("method", name, tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_plugins_are_short(tmp_path: Path, kind: str) -> None:
    for path, text in new_files(kind, "mine", tmp_path).texts.items():
        assert text.count(b"\n") < MOST_LINES, path


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A fresh environment with one package of each kind, and the folder of the packages."""
    home = tmp_path_factory.mktemp("packages")
    for kind in KINDS:
        new_files(kind, f"my-{kind}", home, package=True).write()
    python = home / "env" / "bin" / "python"
    venv.create(home / "env", with_pip=False)
    site = next((home / "env" / "lib").glob("python*")) / "site-packages"
    (site / "rtbench-and-its-dependencies.pth").write_text(
        f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    )
    packages = [str(home / f"rtbench-my-{kind}") for kind in KINDS]
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    subprocess.run([*command, *packages], check=True, capture_output=True)
    return python, home


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_package_passes_its_tests_in_a_fresh_environment(installed: tuple[Path, Path], kind: str) -> None:
    python, home = installed
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=home / f"rtbench-my-{kind}", env=_environment(),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split(" passed")[0].split()[-1]) >= 4


@pytest.mark.slow
def test_a_matrix_runs_with_all_of_them(installed: tuple[Path, Path]) -> None:
    python, home = installed
    (home / "m.yaml").write_text(
        "{name: m, tasks: [my-task], methods: [fine-tune-cot, my-method], teachers: [my-teacher], students: [my-student], "
        "curators: [{use: my-curator, words: 30}], degrees: [1, 2], recipe: {epochs: 1, selection: last}}"
    )

    def rtbench(*arguments: str) -> str:
        done = subprocess.run(
            [python, "-m", "rtbench", *arguments],
            cwd=home,
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "my-method" in rtbench("run", "--matrix", "m.yaml")
    assert rtbench("report", "--format", "my-reporter").startswith("m: my-task\n")
    assert "more rationales per question beat one" in rtbench("claims", "--set", "my-claim")


def _environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTEST_ADDOPTS"} and "XDIST" not in k}


def test_command_says_what_is_next(make_cli: MakeCli) -> None:
    cli = make_cli(site=None)
    done = cli("new", "task", "boxes")
    assert done.stdout.splitlines()[:2] == ["wrote boxes.yaml", "wrote boxes.jsonl"]
    check, usage = (line.split()[1:] for line in done.stdout.splitlines()[-2:])
    cli(*check)
    cli("plan", *usage[1:])
    assert "it exists" in cli("new", "task", "boxes", code=2).stderr
