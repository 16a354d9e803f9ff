"""The files of examples/ do what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.cli import ROOT, Cli
from tests.helpers.runs import step_metas

MENTORED = ROOT / "examples" / "mentored.py"
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


def test_method_is_short() -> None:
    assert len(MENTORED.read_text().splitlines()) < 40


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
