"""pass@k and maj@k against their definitions: the mean over all choices of k completions."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtbench.schema.scores import Score
from rtbench.scoring.metrics import at_k, majority, majority_at_k, pass_at_k


@given(answers=st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=1, max_size=8), data=st.data())
def test_both_are_the_mean_over_all_choices(answers: list[str | None], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(answers)))
    right = {"a"} if data.draw(st.booleans()) else {"a", "b"}  # two spellings may both be right
    passed, won = [], []
    for drawn in itertools.combinations(answers, k):
        passed.append(any(one in right for one in drawn))
        counts = Counter(one for one in drawn if one is not None)
        most = max(counts.values(), default=0)
        first = [one for one, count in counts.items() if count == most]
        won.append(sum(one in right for one in first) / len(first) if first else 0.0)
    correct = sum(one in right for one in answers)
    assert math.isclose(pass_at_k(len(answers), correct, k), sum(passed) / len(passed), abs_tol=1e-12)
    votes = Counter(one for one in answers if one is not None)
    found = majority_at_k(
        list(votes.values()), [one in right for one in votes], k, silent=sum(one is None for one in answers)
    )
    assert math.isclose(found, sum(won) / len(won), abs_tol=1e-12)


@given(n=st.integers(1, 200), data=st.data())
def test_pass_at_k_as_published(n: int, data: st.DataObject) -> None:
    """The product form of the same paper's listing."""
    correct, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    published = 1.0 if n - correct < k else 1.0 - math.prod(1.0 - k / i for i in range(n - correct + 1, n + 1))
    assert math.isclose(pass_at_k(n, correct, k), published, abs_tol=1e-9)


def test_one_completion_is_accuracy_and_many_are_quick() -> None:
    assert majority_at_k([3, 1], [True, False], 1) == pass_at_k(4, 3, 1) == 0.75
    assert 0.5 < majority_at_k([30] + [1] * 34, [True] + [False] * 34, 40) <= 1


@pytest.mark.parametrize(("votes", "k"), [([1, 2], 4), ([1], 0), ([0, 1], 1)])
def test_what_cannot_be_drawn_is_refused(votes: list[int], k: int) -> None:
    with pytest.raises(ValueError, match="maj@"):
        majority_at_k(votes, [True] * len(votes), k)
    with pytest.raises(ValueError, match="pass@"):
        pass_at_k(2, 3, 1)


def test_means_over_questions_for_powers_of_two_and_all() -> None:
    def score(question: int, answer: str | None) -> Score:
        right = answer in {"5", "5.0"}
        return Score(
            sample_index=question, completion_index=0, extracted=answer, correct=right, contains_answer=right,
            correct_format=True, complete=True,
        )  # fmt: skip

    first = [score(0, one) for one in ("5", "5.0", "4", "4", None, "3")]
    second = [score(1, one) for one in ("1", "5", "1", "1", "1", "1")]
    found = at_k([*first, *second], lambda text: text.removesuffix(".0"))
    assert [one.k for one in found] == [1, 2, 4, 6]
    assert (found[0].pass_at_k, found[0].maj_at_k) == pytest.approx((0.25, 0.25))
    assert (found[-1].pass_at_k, found[-1].maj_at_k) == pytest.approx((1.0, 0.25)), (
        "two votes each for 5 and 4, and 1 outvotes 5"
    )
    assert at_k([], str) == []


@pytest.mark.slow
def test_thousands_of_completions_are_no_too_large_number() -> None:
    assert majority_at_k([1500, 1, 547], [True, True, False], 2048) == 1.0
    assert 0.5 < majority_at_k([1200, 848], [True, False], 3) < 0.7


def test_majority_takes_the_answer_given_most_and_of_equals_the_first() -> None:
    def score(index: int, extracted: str | None) -> Score:
        return Score(
            sample_index=1,
            completion_index=index,
            extracted=extracted,
            correct=extracted == "b",
            contains_answer=False,
            correct_format=True,
            complete=True,
        )

    def canonical(extracted: str) -> str | None:
        return extracted.removesuffix(".0") or None

    def vote(*answers: str | None) -> str | None:
        (chosen,) = majority([score(i, answer) for i, answer in enumerate(answers)], canonical)
        return chosen.extracted

    assert vote("a", "b", "b") == "b"
    assert vote("a", "b") == "a"
    assert vote(None, None, "b") == "b"
    assert vote(None, None) is None
    assert vote("", "", "5") == "5"
    assert vote("7", "5", "5.0") == "5"
