"""The files of examples/ do what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cli import ROOT, Cli
from tests.helpers.runs import step_metas

EXAMPLES = ROOT / "examples"
MENTORED = EXAMPLES / "mentored.py"
MATRIX = """
name: example
source: twin
tasks: [multiarith]
methods: [fine-tune-cot, mentored]
teachers: [scripted]
students: [pocket-0.5m]
temperature: 0.7
limit: 16
recipe: {steps: 12, learning_rate: 6.0e-3, selection: last, max_new_tokens: 64}
"""


@pytest.mark.parametrize("path", [*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.yaml")], ids=lambda path: path.name)
def test_example_is_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 60


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [path for path in EXAMPLES.glob("*.py") if path != MENTORED], ids=lambda path: path.name
)
def test_example_keeps_its_contract(path: Path, cli: Cli) -> None:
    assert " 0 failed" in cli("check", path).stdout


def test_every_example_is_in_the_cookbook() -> None:
    pages = "".join(page.read_text() for page in (ROOT / "docs" / "cookbook").glob("*.md"))
    for path in EXAMPLES.iterdir():
        if path.suffix in {".py", ".yaml", ".csv"}:
            assert f"{{literalinclude}} ../../examples/{path.name}" in pages, path.name
            assert f"]({path.name})" in (EXAMPLES / "README.md").read_text(), path.name


@pytest.fixture
def stones(cli: Cli) -> Cli:
    """The run of the cookbook: a task, a teacher, a student and a curator of examples/."""
    plugins = [option for name in ("clerk", "lookup", "brief") for option in ("--plugin", EXAMPLES / f"{name}.py")]
    cli("run", "--matrix", EXAMPLES / "stones_matrix.yaml", "--task", EXAMPLES / "stones.yaml", *plugins)
    return cli


@pytest.mark.slow
def test_task_teacher_student_and_curator_work_together(stones: Cli) -> None:
    board: Any = stones.json("report")
    found = {(row["method"], row.get("degree")): row["results"]["stones"] for row in board["rows"]}
    assert found["fine-tune-cot", 1]["accuracy"] > 0.9
    assert found["fine-tune", None]["accuracy"] < 0.2
    assert set(found["fine-tune-cot", 2]["curation"]["removed"]) == {"correct", "brief"}


@pytest.mark.slow
def test_reporter_ranks_rows(stones: Cli) -> None:
    lines = stones("report", "--plugin", EXAMPLES / "ranking.py", "--format", "ranking").stdout.splitlines()
    assert lines[0] == "stones: mean over stones"
    assert [line.partition(".")[0] for line in lines[1:]] == ["1", "2", "3", "4", "5"]
    assert lines[-1].endswith(("random", "fine-tune, lookup"))


@pytest.mark.slow
def test_claims_compare_each_degree_with_its_half(stones: Cli) -> None:
    found: Any = stones.json("claims", "--plugin", EXAMPLES / "more_is_better.py", "--set", "more-is-better")
    verdicts = {claim["claim"]: claim["verdict"] for claim in found}
    assert verdicts == {"double-2": "inconclusive", "double-4": "not tested", "double-8": "not tested"}


@pytest.mark.slow
def test_task_in_python_is_scored_by_its_own_extractor(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("name: m\ntasks: [roman]\nmethods: [fine-tune]\nstudents: [lookup]\n")
    plugins = ("--plugin", EXAMPLES / "roman.py", "--plugin", EXAMPLES / "lookup.py")
    board: Any = cli.json("run", "--matrix", path, *plugins)
    (row,) = [row for row in board["rows"] if row["method"] == "fine-tune"]
    assert row["extractor"] == "last-numeral"
    assert row["results"]["roman"]["n"] == 19


@pytest.mark.slow
def test_format_of_recordings_reads_questions_and_completions(cli: Cli) -> None:
    question, answer = (EXAMPLES / "stones.csv").read_text().splitlines()[1].rsplit(",", 1)
    text = f"Q: {question}\nA: It is {answer}. The answer is {answer}.\nQ: {question}\nA: I do not know.\n"
    (cli.folder / "me__cot__stones.interview").write_text(text)
    options = ("--plugin", EXAMPLES / "interview.py", "--task", EXAMPLES / "stones.yaml")
    found: Any = cli.json("score", "me__cot__stones.interview", *options)
    assert (found["n"], found["accuracy"]) == (2, 0.5)


@pytest.mark.slow
def test_method_learns_from_teacher_and_student_what_it_finds_likeliest(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(MATRIX)
    cli("run", "--plugin", MENTORED, "--matrix", path)
    trainings = step_metas(cli, "train")
    assert len(trainings) == 2, "the first training is that of fine-tune-cot"
    (read,) = step_metas(cli, "likelihood")
    assert [i["role"] for i in read["inputs"]] == ["completions", "completions"]
    assert read["result"]["completions"] == 32
    curated = [meta for meta in step_metas(cli, "curate") if len(meta["inputs"]) == 3]
    assert len(curated) == 1
    assert curated[0]["result"]["kept"] == curated[0]["result"]["covered"], "one for each question"
