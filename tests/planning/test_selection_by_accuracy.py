"""The epoch that answers most held-out training questions correctly is tested."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from tests.helpers.cli import Cli
from tests.helpers.runs import run_record, step_meta, write_matrix

BY_ACCURACY = """
name: chosen
extractor: last-word
tasks: [parity]
methods: [fine-tune-cot, fine-tune]
students: [parrot]
teachers: [counter]
recipe: {epochs: 3, selection: val-accuracy, validation_fraction: 0.25}
"""


def cell(cli: Cli, method: str) -> dict[str, Any]:
    return next(one for one in run_record(cli)["cells"] if one["method"] == method)


@pytest.mark.parametrize("method", ["fine-tune", "fine-tune-cot"])
def test_the_best_epoch_on_held_out_questions_is_tested(cli: Cli, method: str) -> None:
    cli("run", "--matrix", write_matrix(cli, BY_ACCURACY))
    one = cell(cli, method)
    chosen = step_meta(cli, "score", one["selected_by"])["result"]
    accuracies = chosen["accuracy_per_epoch"]
    assert len(accuracies) == 3
    assert chosen["epoch"] == 1 + accuracies.index(max(accuracies))
    assert step_meta(cli, "score", one["selected_by"])["spec"]["questions"] == {
        "fold": "train",
        "limit": None,
        "fraction": 1.0,
        "held_out": {"seed": 0, "fraction": 0.25},
    }
    training = cli.workspace / "store" / "train" / one["checkpoint"]
    assert sorted(path.name for path in training.iterdir() if path.is_dir()) == [f"epoch-{chosen['epoch']}"], (
        "the others were removed"
    )
    (tested,) = [step_meta(cli, "complete", key) for key in one["completions"]]
    assert [i["role"] for i in tested["inputs"]] == ["checkpoint", "selection"]
    asked = [
        step_meta(cli, "complete", i["key"])["result"] for i in step_meta(cli, "score", one["selected_by"])["inputs"]
    ]
    assert [result["completions"] for result in asked] == [10, 10, 10]
    assert step_meta(cli, "train", one["checkpoint"])["result"]["rows"] == 30, "the ten are not trained on"


def test_the_board_says_so_and_a_second_run_does_nothing(cli: Cli) -> None:
    first = cli("run", "--matrix", write_matrix(cli, BY_ACCURACY), "--verbose").stdout
    assert "val-accuracy: the epoch that answered most held-out training questions correctly" in first
    again = cli.json("plan", "--matrix", write_matrix(cli, BY_ACCURACY))
    assert isinstance(again, dict)
    assert {step["state"] for step in again["steps"]} == {"cached"}
    assert str(cli("show", "--run", "chosen").stdout)


def test_the_cost_is_in_the_plan(cli: Cli) -> None:
    plan = cli.json("plan", "--matrix", write_matrix(cli, BY_ACCURACY), "--methods", "fine-tune")
    assert isinstance(plan, dict)
    held_out = [step for step in plan["steps"] if "held out" in step["title"]]
    assert [step["title"].rpartition(", ")[2] for step in held_out] == ["epoch 1", "epoch 2", "epoch 3"]
    assert [step["estimate"]["requests"] for step in held_out] == [10, 10, 10]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("epochs: 3", "steps: 30", "`steps` cannot be used with `selection: val-accuracy`"),
        ("0.25", "0", "`selection: val-accuracy` needs held-out questions"),
        ("epochs: 3", "epochs: 3, patience: 1", "`patience`"),
    ],
)
def test_recipes_that_cannot_be_are_one_error(cli: Cli, old: str, new: str, said: str) -> None:
    assert said in cli("plan", "--matrix", write_matrix(cli, BY_ACCURACY.replace(old, new)), code=2).stderr


def test_the_board_shows_the_selected_epoch(cli: Cli) -> None:
    cli("run", "--matrix", write_matrix(cli, BY_ACCURACY), "--methods", "fine-tune")
    chosen = step_meta(cli, "score", cell(cli, "fine-tune")["selected_by"])["result"]["epoch"]
    assert chosen < 3, "else the last epoch would be the same"
    board = json.loads(cli("report", "--format", "json").stdout)
    (row,) = [row for row in board["rows"] if row["kind"] == "measured"]
    assert row["results"]["parity"]["epoch"] == chosen


def test_another_selection_trains_again_what_was_removed(cli: Cli) -> None:
    cli("run", "--matrix", write_matrix(cli, BY_ACCURACY), "--methods", "fine-tune")
    one = cell(cli, "fine-tune")
    for key in (one["selected_by"], one["score"]):
        shutil.rmtree(cli.workspace / "store" / "score" / key)
    for key in one["completions"]:
        shutil.rmtree(cli.workspace / "store" / "complete" / key)
    said = cli("plan", "--matrix", write_matrix(cli, BY_ACCURACY), "--methods", "fine-tune", "--steps").stdout
    assert "train" in said
    cli("run", "--matrix", write_matrix(cli, BY_ACCURACY), "--methods", "fine-tune")


def test_one_question_is_not_enough(cli: Cli) -> None:
    said = " ".join(cli("plan", "--matrix", write_matrix(cli, BY_ACCURACY), "--limit", "1").stdout.split())
    assert "needs at least two training questions" in said
