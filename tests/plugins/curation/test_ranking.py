"""Curators that compare the completions of a question: by length, and by how many are right."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from rtbench_plugins.curation.ranking import by_length, difficulty

from rtbench.errors import BadInputError
from rtbench.matrix.resolve import curators_of
from rtbench.schema.matrix import Block
from tests.helpers.sessions import session
from tests.plugins.curation.test_curators import candidate, context, kept

LENGTHS = [candidate(text, question=number // 4) for number, text in enumerate(["a b c", "a", "a b", "a b c d"] * 2)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["a"]),
        ({"prefer": "shortest", "most": 2}, ["a", "a b"]),
        ({"prefer": "longest", "most": 2}, ["a b c", "a b c d"]),
        ({"prefer": "median", "most": 2}, ["a b c", "a b"]),
        ({"prefer": "median"}, ["a b"]),
        ({"most": 9}, ["a b c", "a", "a b", "a b c d"]),
    ],
)
def test_by_length_ranks_within_each_question_and_keeps_the_order(options, expected) -> None:
    assert kept(by_length(options), *LENGTHS) == expected * 2


def test_of_equally_long_rationales_the_first_is_kept() -> None:
    found = [candidate("b b"), candidate("a a"), candidate("c c")]
    for prefer in ("shortest", "longest"):
        assert kept(by_length({"prefer": prefer}), *found) == ["b b"]


def drawn(right: dict[int, str]):
    """Completions by question: ``x`` is right, ``o`` wrong."""
    return [
        replace(candidate(f"{question}{at}", question=question, index=at), correct=mark == "x")
        for question, marks in right.items()
        for at, mark in enumerate(marks)
    ]


@pytest.mark.parametrize(
    ("options", "questions"),
    [({}, "0123"), ({"least": 0.2, "most": 0.8}, "12"), ({"least": 1}, "3"), ({"most": 0.25}, "01")],
)
def test_difficulty_keeps_questions_by_their_share_of_right_completions(options, questions) -> None:
    found = kept(difficulty(options), *drawn({0: "oooo", 1: "xooo", 2: "xxxo", 3: "xxxx"}))
    assert {text[0] for text in found} == set(questions)
    assert len(found) == 4 * len(questions), "wrong completions are left to `correct`"


def test_difficulty_after_correct_is_an_error_of_the_plan() -> None:
    def check(*curators: Any) -> None:
        curators_of(session(), Block(curators=list(curators)), where="m.yaml")

    hard = {"use": "difficulty", "most": 0.5}
    with pytest.raises(BadInputError, match="correct before it removes all of them") as error:
        check("complete", "correct", "distinct", hard)
    assert "m.yaml, curators[3]" in str(error.value)
    assert "Put difficulty before correct." in str(error.value)
    check(hard, "correct", "distinct")
    check("complete", hard)


def test_difficulty_says_where_it_sees_no_wrong_completions() -> None:
    told = context()
    difficulty({"most": 0.5}).keep(drawn({0: "xx", 1: "x"}), told)
    assert told.notes == ["difficulty: every completion that reaches it is right, so it tells no questions apart"]


def test_a_range_that_ends_before_it_begins_is_an_error() -> None:
    with pytest.raises(BadInputError, match="below"):
        difficulty({"least": 0.8, "most": 0.2})
