"""Students that are trained on several tasks together, and tested on each task."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from tests.helpers.cli import Cli
from tests.helpers.runs import run_record, step_meta, write_matrix

TRANSFER = """
name: transfer
source: twin
extractor: strict
tasks: [multiarith, coin_flip, addsub]
train_tasks: [[multiarith], [multiarith, coin_flip]]
methods: [fine-tune, fine-tune-cot]
teachers: [scripted]
students: [parrot]
degrees: [2]
limit: 10
recipe: {epochs: 1, selection: last}
"""


def cells(cli: Cli) -> list[dict[str, Any]]:
    return [cell for cell in run_record(cli)["cells"] if cell["student"]]


def test_one_training_is_tested_on_every_task(cli: Cli) -> None:
    cli("run", "--matrix", write_matrix(cli, TRANSFER))
    found = {(cell["method"], tuple(cell["train_tasks"]), cell["task"]): cell for cell in cells(cli)}
    assert len(found) == 2 * 2 * 3
    for method, kept in (("fine-tune", 10), ("fine-tune-cot", 20)):
        for tasks in (("multiarith",), ("multiarith", "coin_flip")):
            trainings = {found[method, tasks, task]["checkpoint"] for task in ("multiarith", "coin_flip", "addsub")}
            assert len(trainings) == 1
            (key,) = trainings
            report = step_meta(cli, "train", key)["result"]
            examples = step_meta(cli, "curate", found[method, tasks, "addsub"]["examples"])["result"]
            assert report["rows"] == examples["kept"] <= kept * len(tasks)
            assert examples["questions"] == 10 * len(tasks)
        joined = step_meta(cli, "curate", found[method, ("multiarith", "coin_flip"), "addsub"]["examples"])
        assert [i["role"] for i in joined["inputs"]] == ["examples", "examples"]
        kept_each = [step_meta(cli, "curate", i["key"])["result"]["kept"] for i in joined["inputs"]]
        assert sum(kept_each) == joined["result"]["kept"]
        lines = (cli.workspace / "store" / "curate" / joined["key"] / "examples.jsonl").read_text().splitlines()
        assert len(lines) == joined["result"]["kept"]
    test = step_meta(cli, "complete", found["fine-tune", ("multiarith",), "addsub"]["completions"][0])
    assert test["spec"]["task"]["name"] == "addsub"
    assert test["result"]["completions"] == 10


def test_training_on_one_task_is_that_of_its_own_cell(cli: Cli) -> None:
    cli("run", "--matrix", write_matrix(cli, TRANSFER))
    trained = {cell["checkpoint"] for cell in cells(cli)}
    cli(
        "run",
        "--matrix",
        write_matrix(cli, TRANSFER.replace("train_tasks: [[multiarith], [multiarith, coin_flip]]\n", "")),
    )
    record = json.loads((cli.workspace / "runs" / "transfer.json").read_text())
    own = {cell["checkpoint"] for cell in record["cells"] if cell["student"] and cell["task"] == "multiarith"}
    assert own <= trained


def test_the_board_has_a_row_for_each_set_and_a_column_for_each_task(cli: Cli) -> None:
    said = cli("run", "--matrix", write_matrix(cli, TRANSFER), "--methods", "fine-tune", "--verbose").stdout
    assert "fine-tune trained on multiarith, coin_flip" in said
    board = json.loads(cli("report", "--format", "json").stdout)
    rows = {tuple(row["train_tasks"]): row for row in board["rows"] if row["kind"] == "measured"}
    assert set(rows) == {("multiarith",), ("multiarith", "coin_flip")}
    assert all(set(row["results"]) == {"multiarith", "coin_flip", "addsub"} for row in rows.values())
    table = list(csv.DictReader(io.StringIO(cli("report", "--format", "csv").stdout)))
    assert {line["train_tasks"] for line in table if line["kind"] == "measured"} == {
        "multiarith",
        "multiarith+coin_flip",
    }


def test_claims_compare_sets_of_tasks(cli: Cli) -> None:
    cli("run", "--matrix", write_matrix(cli, TRANSFER))
    claims = cli.folder / "claims.yaml"
    claims.write_text(
        "name: transfer\nclaims:\n- {name: more, sentence: a further task helps,"
        " left: {train_tasks: [multiarith, coin_flip]}, right: {train_tasks: [multiarith]}}\n"
    )
    results = json.loads(cli("claims", "--file", claims, "--format", "json").stdout)
    assert {one["task"]: one["verdict"] for one in results}.keys() == {"multiarith", "coin_flip", "addsub"}
    assert all(one["verdict"] != "not tested" for one in results)
    assert all(len(one["cells"]) == 4 for one in results), "both methods, each with both sets"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[[multiarith], ", "[[], ", "train_tasks"),
        ("[[multiarith], ", "[multiarith, ", "train_tasks"),
        ("[[multiarith], ", "[[multarith], ", "Did you mean 'multiarith'"),
    ],
)
def test_wrong_sets_are_one_error(cli: Cli, old: str, new: str, said: str) -> None:
    assert said in cli("plan", "--matrix", write_matrix(cli, TRANSFER.replace(old, new)), code=2).stderr


def test_what_cannot_be_trained_together_is_the_reason(cli: Cli) -> None:
    chosen = TRANSFER.replace("selection: last", "selection: val-accuracy")
    said = " ".join(cli("plan", "--matrix", write_matrix(cli, chosen)).stdout.split())
    assert "`selection: val-accuracy` checks the answers of one task, and the training is on 2" in said
    said = " ".join(cli("plan", "--matrix", write_matrix(cli, TRANSFER), "--methods", "star").stdout.split())
    assert "asks its student training questions, which works with one training task only" in said


def test_the_plan_counts_the_examples_of_all_tasks(cli: Cli) -> None:
    plan = cli.json(
        "plan", "--matrix", write_matrix(cli, TRANSFER.replace("epochs: 1", "epochs: 2")), "--methods", "fine-tune-cot"
    )
    assert isinstance(plan, dict)
    work = {step["title"].split("/")[0]: step["estimate"]["work"] for step in plan["steps"] if step["kind"] == "train"}
    assert work == {"train multiarith": 2 * 3, "train multiarith+coin_flip": 2 * 5}, "20 and 40 rows in batches of 8"


def test_a_teacher_of_some_tasks_is_not_asked_others(cli: Cli) -> None:
    text = TRANSFER.replace("teachers: [scripted]", "teachers: [{name: scripted, tasks: [multiarith, addsub]}]")
    said = " ".join(cli("plan", "--matrix", write_matrix(cli, text), "--tasks", "multiarith").stdout.split())
    assert "scripted is not for coin_flip (its `tasks`)" in said


def test_rationales_of_each_task_are_exported_once(cli: Cli) -> None:
    cli("run", "--matrix", write_matrix(cli, TRANSFER))
    out = cli.folder / "out"
    cli("export", "rationales", "--out", out)
    lines = [json.loads(line) for path in out.glob("*.jsonl") for line in path.read_text().splitlines()]
    assert {line["task"] for line in lines} == {"multiarith", "coin_flip"}
    assert len({(line["task"], line["question"], line["rationale"]) for line in lines}) == len(lines)


@pytest.mark.parametrize("sets", ["[[multiarith, addsub], [addsub, multiarith]]", "[[addsub, addsub]]"])
def test_the_same_set_twice_is_one_error(cli: Cli, sets: str) -> None:
    text = TRANSFER.replace("[[multiarith], [multiarith, coin_flip]]", sets)
    assert "the same set of tasks twice" in cli("plan", "--matrix", write_matrix(cli, text), code=2).stderr
