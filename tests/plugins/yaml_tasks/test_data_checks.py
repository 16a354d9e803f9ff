"""Questions and golds of own tasks are checked, never guessed: one error that names the file and the record."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from rtbench_plugins.yaml_tasks import load_task

from rtbench.data.files import DataFiles
from rtbench.errors import BadInputError
from rtbench.schema.completions import Completion
from rtbench.schema.tasks import Sample
from rtbench.scoring.rules import RULES
from tests.helpers.tasks import MINE, write

FILES = DataFiles(offline=True)


def samples(folder: Path, text: str, lines: list[dict[str, Any]]) -> list[Sample]:
    return list(load_task(write(folder, text, lines)).load(FILES, "original").samples.values())


def of_type(kind: str, options: str = "") -> str:
    return MINE.replace("number", kind) + (f"    options: {{{options}}}\n" if options else "")


@pytest.mark.parametrize(
    ("kind", "gold", "said"),
    [
        ("number", "nan", "'nan' is not of type number"),
        ("number", "inf", "'inf' is not of type number"),
        ("number", "1,5", "'1,5' is not of type number"),
        ("number", "12,34", "'12,34' is not of type number"),
        ("number", "1_000", "'1_000' is not of type number"),
        ("number", "18 apples", "'18 apples' is not of type number"),
        ("number", "", "'answer' is empty"),
        ("number", "  ", "'answer' is empty"),
        ("number", None, "'answer' is null"),
        ("number", True, "'answer' is true or false (True), not text"),
        ("number", [3], "'answer' is a list ([3]), not text"),
        ("number", {"value": 3}, "'answer' is an object"),
        ("yes_no", "maybe", "'maybe' is not of type yes_no"),
        ("yes_no", "True", "Write yes"),
        ("yes_no", "Yes.", "Write yes"),
        ("choice", "(B)", "Write B"),
        ("choice", "B.", "Write B"),
        ("choice", "b", "Write B"),
        ("choice", "F", "not of type choice (ABCDE)"),
        ("string", ["abc"], "'answer' is a list (['abc']), not text"),
        ("string", True, "'answer' is true or false"),
        ("string", None, "'answer' is null"),
    ],
)
def test_gold_of_another_type_is_named(tmp_path: Path, kind: str, gold: Any, said: str) -> None:
    good = {"number": 1, "yes_no": "no", "choice": "A", "string": "abc"}[kind]
    lines = [{"question": "Which?", "answer": good}, {"question": "What?", "answer": gold}]
    with pytest.raises(BadInputError) as raised:
        samples(tmp_path, of_type(kind), lines)
    assert said in str(raised.value)
    assert "mine.jsonl, line 2" in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "gold", "read"),
    [
        ("number", 39.0, "39"),
        ("number", "1,200.50", "1,200.50"),
        ("number", "12,50,000", "12,50,000"),
        ("number", "-$5", "-$5"),
        ("number", ".5", ".5"),
        ("number", "1e3", "1e3"),
        ("number", 10**20, "1" + "0" * 20),
        ("yes_no", True, "yes"),
        ("yes_no", "No", "No"),
        ("string", 12, "12"),
        ("string", " abc ", "abc"),
    ],
)
def test_gold_of_the_type_is_kept(tmp_path: Path, kind: str, gold: Any, read: str) -> None:
    lines = [{"question": "Which?", "answer": gold}] * 4
    assert [s.answer for s in samples(tmp_path, of_type(kind), lines)] == [read] * 4


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (None, "'question' is null"),
        ("", "'question' is empty"),
        (" \n", "'question' is empty"),
        (5, "'question' is a number (5)"),
        (["How?"], "'question' is a list"),
    ],
)
def test_question_that_is_no_text_is_named(tmp_path: Path, question: Any, said: str) -> None:
    with pytest.raises(BadInputError) as raised:
        samples(tmp_path, MINE, [{"question": "One?", "answer": 1}, {"question": question, "answer": 2}])
    assert said in str(raised.value)
    assert "mine.jsonl, line 2" in str(raised.value)


# --------------------------------------------------------------------------------------------------------- choices


def legs(golds: list[Any], choices: Any = ("2", "4", "6", "8")) -> list[dict[str, Any]]:
    return [{"question": f"How many? ({i})", "options": list(choices), "answer": gold} for i, gold in enumerate(golds)]


CHOICES = of_type("choice", "choices: options")


@pytest.mark.parametrize(
    ("golds", "letters"),
    [
        ([2, 4, 6, 8], "ABCD"),  # texts, although 2 may be a position
        (["2", "8"], "AD"),
        ([0, 1, 2, 3], "ABCD"),
        (["0", "3"], "AD"),
        (["A", "d"], "AD"),
    ],
)
def test_golds_of_a_file_are_read_in_one_way(tmp_path: Path, golds: list[Any], letters: str) -> None:
    assert "".join(sample.answer for sample in samples(tmp_path, CHOICES, legs(golds))) == letters


@pytest.mark.parametrize(
    ("golds", "choices", "said"),
    [
        ([2, 2], ("2", "4", "6", "8"), "the answer 2 is choice A as a text, but C as a position"),
        (["A", 1], ("red", "green"), "other records have its letter"),
        (["red", "blue"], ("red", "green"), "the answer 'blue' is not the letter, position or text of a choice"),
        ([1, 2, 3, 4], ("a dog", "a cat", "a cow", "a hen"), "counted from 1, add `gold: rank`"),
        ([1] * 40, ("red", "green", "blue"), "they may be counted from 1"),
        (["A"], ("red",), "1 choices; a question has 2 to 26"),
        (["A"], tuple(f"o{i}" for i in range(30)), "30 choices; a question has 2 to 26, lettered A to Z"),
        (["A"], ("red", None), "a choice in 'options' is null, not text"),
        (["A"], ("red", " "), "a choice in 'options' is an empty text"),
        (["A"], ("red", ["x"]), "a choice in 'options' is a list"),
        ([None], ("red", "green"), "'answer' is null"),
    ],
)
def test_golds_of_two_readings_and_odd_choices_are_named(tmp_path: Path, golds: Any, choices: Any, said: str) -> None:
    with pytest.raises(BadInputError) as raised:
        samples(tmp_path, CHOICES, legs(golds, choices))
    assert said in str(raised.value)
    assert "mine.jsonl, line " in str(raised.value)


@pytest.mark.parametrize(("reading", "letters"), [("text", "AA"), ("position", "CC"), ("rank", "BB")])
def test_reading_of_golds_may_be_stated(tmp_path: Path, reading: str, letters: str) -> None:
    text = of_type("choice", f"choices: options, gold: {reading}")
    assert "".join(sample.answer for sample in samples(tmp_path, text, legs([2, 2]))) == letters


def test_labels_of_the_data_are_read(tmp_path: Path) -> None:
    lines = [{"question": "Which?", "options": {"text": ["red", "green"], "label": ["1", "2"]}, "answer": "2"}] * 2
    assert [sample.answer for sample in samples(tmp_path, CHOICES, lines)] == ["B", "B"]


def test_choices_may_be_columns_of_a_table(tmp_path: Path) -> None:
    with (tmp_path / "mine.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows(
            [["ask", "a", "b", "c", "right"], ["Which?", "red", "green", "", "b"], ["What?", 1, 2, 3, "c"]]
        )
    text = of_type("choice", "question: ask, choices: [a, b, c], answer: right").replace("mine.jsonl", "mine.csv")
    (tmp_path / "mine.yaml").write_text(text)
    found = list(load_task(tmp_path / "mine.yaml").load(FILES, "original").samples.values())
    assert [(sample.choices, sample.answer) for sample in found] == [(("red", "green"), "B"), (("1", "2", "3"), "C")]


@pytest.mark.parametrize("rule", sorted(RULES))
def test_as_many_letters_as_choices_are_scored(tmp_path: Path, rule: str) -> None:
    """Without ``letters`` in the YAML: answers F to J are right as well."""
    lines = [
        {"question": f"Which ({i})?", "options": [f"crate {i}-{j}" for j in range(10)], "answer": i} for i in range(10)
    ]
    task = load_task(write(tmp_path, CHOICES, lines))
    data = task.load(FILES, "original")
    answers = [Completion("", "", s.index, 0, "", f"The answer is ({s.answer}).") for s in data.samples.values()]
    assert all(score.correct for score in task.extractor(rule).score(answers, data.samples, "The answer is"))
    wrong = [
        Completion("", "", s.index, 0, "", f"The answer is ({'BA'[s.answer == 'B']}).") for s in data.samples.values()
    ]
    scores = task.extractor(rule).score(wrong[2:], data.samples, "The answer is")
    assert not any(score.correct for score in scores)


def test_forms_of_files_give_the_same_task(tmp_path: Path) -> None:
    rows = [{"question": f"How much is {i} and 1?", "answer": i + 1} for i in range(10)]
    found = {}
    for name, data in {
        "a.jsonl": "".join(json.dumps(row) + "\n" for row in rows).encode("utf-16"),
        "a.json": json.dumps(rows).encode(),
        "a.tsv": "".join(
            f"{row['question']}\t{row['answer']}\n" for row in [{"question": "question", "answer": "answer"}, *rows]
        ).encode(),
    }.items():
        (tmp_path / name).write_bytes(data)
        (tmp_path / "mine.yaml").write_text(MINE.replace("mine.jsonl", name))
        found[name] = load_task(tmp_path / "mine.yaml").load(FILES, "original").samples
    assert found["a.jsonl"] == found["a.json"] == found["a.tsv"]
