"""Texts that are scored from Python get the verdicts of `rtbench score`."""

from __future__ import annotations

from pathlib import Path

import pytest

import rtbench


def test_texts_are_scored_with_their_golds(in_workspace: Path) -> None:
    texts = ["3 + 4 = 7. The answer is 7.", "The answer is 9", "<think>The answer is 8</think>The answer is 5."]
    found = rtbench.score(texts, task="multiarith", answers=["7", "8", "5"])
    assert list(found["correct"]) == [True, False, True]
    assert list(found["extracted"]) == ["7", "9", "5"]
    assert list(found["gold"]) == ["7", "8", "5"]
    assert found.attrs["extractor"] == "flexible"


def test_choices_are_read_from_the_questions(in_workspace: Path) -> None:
    question = "Which is a fruit? Answer choices: (A) apple, (B) stone, (C) iron, (D) sand, (E) glass"
    found = rtbench.score(["It is the apple.", "(B)"], task="aqua", questions=[question] * 2, answers=["A", "A"])
    assert list(found["correct"]) == [True, False]


def test_questions_find_their_golds_in_the_data(in_workspace: Path, data_dir: Path) -> None:
    rtbench.configure(data_dir=data_dir)
    from rtbench.library.settings import open_session

    sample = open_session().task_data("multiarith", "original").samples[5]
    found = rtbench.score(
        [f"The answer is {sample.answer}", "?"], task="multiarith", questions=[sample.question, "Who?"]
    )
    assert list(found["correct"]) == [True, None]
    assert found["gold"].iloc[0] == sample.answer
    assert found["reason"].iloc[1]


@pytest.mark.parametrize("golds", [{}, {"answers": ["1"]}, {"answers": ["1", "many"]}])
def test_golds_that_do_not_fit_are_one_error(in_workspace: Path, golds: dict[str, list[str]]) -> None:
    with pytest.raises(rtbench.RtbenchError):
        rtbench.score(["a", "b"], task="multiarith", **golds)


def test_a_setting_that_does_not_exist_is_named(in_workspace: Path) -> None:
    with pytest.raises(rtbench.RtbenchError, match="workspace"):
        rtbench.configure(worksapce="x")
    with pytest.raises(rtbench.RtbenchError, match="no such folder"):
        rtbench.configure(data_dir="/no/such")
