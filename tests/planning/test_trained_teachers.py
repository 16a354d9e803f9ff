"""Teachers that are trained students of other cells of the same matrix."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.helpers.cli import Cli
from tests.helpers.runs import run_record, step_meta, write_matrix

MENTOR = """
name: mentored
extractor: last-word
tasks: [parity]
methods: [fine-tune-cot]
students: [parrot]
seeds: [0, 1]
recipe: {epochs: 2, selection: last}
blocks:
  - teachers: [counter]
  - teachers:
      - {name: mentor, from: {method: fine-tune-cot, teacher: counter}}
    students: [{name: small, use: parrot, accent: s}]
"""


def cell(cli: Cli, name: str) -> dict[str, Any]:
    return next(one for one in run_record(cli)["cells"] if one["name"] == name)


SELECTED = MENTOR.replace("teacher: counter}", "teacher: counter, student: parrot}")


def test_a_student_is_taught_by_the_student_of_another_cell(cli: Cli) -> None:
    cli("run", "--matrix", write_matrix(cli, SELECTED))
    for seed in (0, 1):
        mentor = cell(cli, f"parity/fine-tune-cot/counter/parrot/D1/seed{seed}")
        taught = cell(cli, f"parity/fine-tune-cot/mentor/small/D1/seed{seed}")
        examples = step_meta(cli, "curate", taught["examples"])
        (asked,) = [one["key"] for one in examples["inputs"]]
        complete = step_meta(cli, "complete", asked)
        assert [(one["role"], one["key"]) for one in complete["inputs"]] == [("checkpoint", mentor["checkpoint"])]
        assert complete["spec"]["questions"]["fold"] == "train"
        assert complete["result"]["completions"] == 40
        assert examples["result"]["kept"] == 40, "it learned by heart, so all are right"
        assert taught["checkpoint"] != mentor["checkpoint"]
        assert set(taught["trainings"]) == {taught["checkpoint"], mentor["checkpoint"]}, "both are paid for"
        assert taught["asked"] == mentor["asked"], "the teacher's rationales behind it too"
    board = json.loads(cli("report", "--format", "json").stdout)
    rows = {(row["method"], row["teacher"]) for row in board["rows"] if row["kind"] in {"measured", "teacher"}}
    assert rows == {("fine-tune-cot", "counter"), ("fine-tune-cot", "mentor"), ("teacher", "counter")}


def test_the_cell_of_the_teacher_is_trained_once_and_before(cli: Cli) -> None:
    plan = cli.json("plan", "--matrix", write_matrix(cli, SELECTED))
    assert isinstance(plan, dict)
    titles = [step["title"] for step in plan["steps"]]
    trains = [title for title in titles if title.startswith("train")]
    assert len(trains) == 4
    asked = "complete parity/fine-tune-cot/counter/parrot/D1/seed0: train"
    (place,) = [at for at, title in enumerate(titles) if title.startswith(asked)]
    assert titles.index("train parity/fine-tune-cot/counter/parrot/D1/seed0") < place
    assert place < titles.index("train parity/fine-tune-cot/mentor/small/D1/seed0")


def test_a_chain_of_students_and_a_mix_with_one(cli: Cli) -> None:
    chain = (
        SELECTED
        + """
  - teachers:
      - name: both
        use: mix
        sources:
          - {share: 1, name: mentor, use: trained, method: fine-tune-cot, teacher: mentor, student: small}
          - {share: 3, use: counter, errors: 0.5}
    students: [{name: smaller, use: parrot, accent: t}]
"""
    )
    cli("run", "--matrix", write_matrix(cli, chain))
    taught = cell(cli, "parity/fine-tune-cot/both/smaller/D1/seed0")
    assert len(taught["trainings"]) == 3
    inputs = step_meta(cli, "curate", taught["examples"])["inputs"]
    counts = [step_meta(cli, "complete", one["key"])["result"]["completions"] for one in inputs]
    assert counts == [10, 30]


@pytest.mark.parametrize(
    ("selector", "said"),
    [
        ("{teacher: counter}", "`method`"),
        ("{method: fine-tune-cot, teacher: conter}", "Did you mean 'counter'"),
        ("{method: fine-tune-cot, student: parot}", "Did you mean 'parrot'"),
        ("{method: zero-shot, student: parrot}", "zero-shot"),
        ("{method: fine-tune-cot, student: small}", "would be taught by its own student"),
        ("parrot", "Write {name: …, from: {method:"),
        ("{method: fine-tune-cot, degrees: 1}", "degrees"),
    ],
)
def test_what_selects_no_cell_is_one_error(cli: Cli, selector: str, said: str) -> None:
    text = MENTOR.replace("{method: fine-tune-cot, teacher: counter}", selector)
    assert said in cli("plan", "--matrix", write_matrix(cli, text), code=2).stderr


def test_several_cells_are_an_error_with_their_names(cli: Cli) -> None:
    text = SELECTED.replace("  - teachers: [counter]\n", "  - teachers: [counter]\n    degrees: [1, 2]\n")
    said = cli("plan", "--matrix", write_matrix(cli, text), code=2).stderr
    assert "selects several trainings" in said
    assert "counter/parrot/D1/seed0" in said
    assert "counter/parrot/D2/seed0" in said


def test_a_missing_cell_is_the_reason_of_the_cell(cli: Cli) -> None:
    said = cli(
        "plan", "--matrix", write_matrix(cli, SELECTED.replace("student: parrot}", "student: parrot, seed: 7}"))
    ).stdout
    assert "teacher mentor selects no cell of the matrix" in said


def test_a_selector_has_no_other_options(cli: Cli) -> None:
    text = SELECTED.replace("{method: fine-tune-cot, teacher", "{use: counter, method: fine-tune-cot, teacher")
    assert "`from` selects a cell" in cli("plan", "--matrix", write_matrix(cli, text), code=2).stderr


def test_a_teacher_of_several_tasks_teaches_where_it_was_trained_on_them(cli: Cli) -> None:
    text = """
name: together
source: twin
extractor: strict
tasks: [multiarith]
train_tasks: [[multiarith, coin_flip]]
methods: [fine-tune-cot]
students: [parrot]
limit: 8
recipe: {epochs: 1, selection: last}
blocks:
  - teachers: [scripted]
  - teachers: [{name: mentor, from: {method: fine-tune-cot, teacher: scripted, student: parrot}}]
    students: [{name: small, use: parrot, accent: s}]
"""
    plan = cli.json("plan", "--matrix", write_matrix(cli, text))
    assert isinstance(plan, dict)
    titles = [step["title"] for step in plan["steps"]]
    assert [title for title in titles if title.startswith("train ")] == [
        "train multiarith+coin_flip/fine-tune-cot/scripted/parrot/D1/seed0",
        "train multiarith+coin_flip/fine-tune-cot/mentor/small/D1/seed0",
    ]
    asked = [
        title for title in titles if title.startswith("complete multiarith+coin_flip/fine-tune-cot/scripted/parrot")
    ]
    assert len(asked) == 3, "training questions of both tasks, and the test"


def test_the_rationales_behind_a_mentor_are_part_of_the_price(cli: Cli) -> None:
    text = """
name: priced
source: twin
extractor: strict
tasks: [multiarith]
methods: [fine-tune-cot]
students: [parrot]
limit: 8
recipe: {epochs: 1, selection: last}
blocks:
  - teachers: [{name: brief, use: scripted, price: {input: 1, output: 100, currency: USD}}]
  - teachers: [{name: mentor, from: {method: fine-tune-cot, teacher: brief, student: parrot}}]
    students: [{name: small, use: parrot, accent: s}]
"""
    cli("run", "--matrix", write_matrix(cli, text))
    board = json.loads(cli("report", "--format", "json").stdout)
    rows = {row["teacher"]: row["results"]["multiarith"] for row in board["rows"] if row["kind"] == "measured"}
    assert rows["mentor"]["spending"]["money"] == rows["brief"]["spending"]["money"] > 0
    assert board["spending"].keys() == {"brief"}, "it is not counted twice"


def test_a_mix_may_have_a_student_as_a_source(cli: Cli) -> None:
    text = (
        SELECTED
        + """
  - teachers: [{name: both, use: mix, questions: all, sources: [counter, x]}]
    students: [{name: smaller, use: parrot, accent: t}]
    degrees: [2]
""".replace(
            "[counter, x]",
            "[{use: counter}, {name: mine, from: {method: fine-tune-cot, teacher: counter, student: parrot}}]",
        )
    )
    cli("run", "--matrix", write_matrix(cli, text))
    taught = cell(cli, "parity/fine-tune-cot/both/smaller/D2/seed0")
    counts = [
        step_meta(cli, "complete", one["key"])["result"]["completions"]
        for one in step_meta(cli, "curate", taught["examples"])["inputs"]
    ]
    assert counts == [40, 40]
    said = " ".join(
        cli("plan", "--matrix", write_matrix(cli, text.replace("degrees: [2]", "degrees: [1]"))).stdout.split()
    )
    assert "both asks 2 models about each question, and the degree is 1" in said
