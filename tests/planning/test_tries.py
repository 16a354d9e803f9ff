"""Teachers that are asked until enough rationales are right."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from tests.helpers.cli import Cli
from tests.helpers.runs import write_matrix

TRIES = """
name: tries
extractor: last-word
tasks: [parity]
methods: [fine-tune-cot]
students: [parrot]
degrees: [2]
recipe: {epochs: 2}
teachers:
  - {name: sloppy, use: counter, errors: 0.5, tries: 6}
"""


def texts(cli: Cli) -> dict[int, list[bool]]:
    """For each training question, whether each of its rationales is right, in the order of their indices."""
    found: dict[int, dict[int, bool]] = {}
    for path in cli.workspace.glob("ledger/counter-*/**/*.jsonl"):
        for line in map(json.loads, path.read_text().splitlines()):
            letters = line["prompt"].split(" in ")[1].split(" even")[0]
            gold = "yes" if letters.count("x") % 2 == 0 else "no"
            if line["sample_index"] < 40:
                found.setdefault(line["sample_index"], {})[line["completion_index"]] = (
                    f"answer is {gold}" in line["text"]
                )
    assert all(sorted(by_index) == list(range(len(by_index))) for by_index in found.values())
    return {question: [by_index[at] for at in sorted(by_index)] for question, by_index in found.items()}


def test_each_question_is_asked_until_enough_are_right(cli: Cli) -> None:
    cli("run", "--matrix", write_matrix(cli, TRIES))
    by_question = texts(cli)
    assert len(by_question) == 40
    for right in by_question.values():
        assert sum(right) == 2 or (len(right) == 6 and sum(right) < 2)
        assert sum(right[:-1]) < 2 or len(right) == 2, "none is asked for that is not needed"
    assert len(set(map(len, by_question.values()))) > 2
    row = row_of(cli)
    assert row["tries"] == 6
    assert row["results"]["parity"]["curation"]["kept"] == sum(map(sum, by_question.values()))
    assert row["results"]["parity"]["curation"]["completions"] == sum(map(len, by_question.values()))


def row_of(cli: Cli) -> dict[str, Any]:
    board = json.loads(cli("report", "--format", "json").stdout)
    (row,) = [row for row in board["rows"] if row["kind"] == "measured"]
    return dict(row)


def test_the_plan_has_the_most_that_can_be_asked(cli: Cli) -> None:
    plan = cli.json("plan", "--matrix", write_matrix(cli, TRIES))
    assert isinstance(plan, dict)
    asked = [step for step in plan["steps"] if step["kind"] == "complete" and ": train" in step["title"]]
    assert [step["title"].rpartition(" ")[2] for step in asked] == ["×2", "3", "4", "5", "6"]
    assert sum(step["estimate"]["requests"] for step in asked) == 40 * 6


def test_more_tries_ask_only_for_what_is_missing(cli: Cli) -> None:
    cli("run", "--matrix", write_matrix(cli, TRIES))
    before = texts(cli)
    cli("run", "--matrix", write_matrix(cli, TRIES.replace("tries: 6", "tries: 9")))
    after = texts(cli)
    assert all(after[question][: len(right)] == right for question, right in before.items())
    grown = {question for question in after if len(after[question]) > len(before[question])}
    assert grown == {question for question, right in before.items() if sum(right) < 2}


def test_how_often_a_question_was_right_is_its_difficulty(cli: Cli) -> None:
    hard = TRIES + "curators: [{use: difficulty, most: 0.5}, correct]\n"
    cli("run", "--matrix", write_matrix(cli, hard))
    kept = Counter({question: sum(right) for question, right in texts(cli).items() if sum(right) / len(right) <= 0.5})
    assert row_of(cli)["results"]["parity"]["curation"]["kept"] == sum(kept.values())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("tries: 6", "tries: 1", "`tries: 1` cannot give 2 right rationales"),
        ("tries: 6", "tries: 0", "tries"),
        ("students: [parrot]", "students: [{name: p, use: parrot, tries: 4}]", "tries"),
    ],
)
def test_numbers_that_cannot_be_are_one_error(cli: Cli, old: str, new: str, said: str) -> None:
    assert said in cli("plan", "--matrix", write_matrix(cli, TRIES.replace(old, new)), code=2).stderr


def test_several_models_for_each_question_cannot_be_tried(cli: Cli) -> None:
    pooled = TRIES.replace(
        "{name: sloppy, use: counter, errors: 0.5, tries: 6}",
        "{name: both, use: mix, questions: all, tries: 6, sources: [{use: counter}, {use: counter, errors: 0.5}]}",
    )
    said = " ".join(cli("plan", "--matrix", write_matrix(cli, pooled)).stdout.split())
    assert "both asks several models about each question, and `tries` works with one" in said


def test_greedy_rationales_are_not_tried_again(cli: Cli) -> None:
    said = cli("plan", "--matrix", write_matrix(cli, f"{TRIES}temperature: 0\n"), code=2).stderr
    assert "`tries` needs a `temperature` above 0" in said
