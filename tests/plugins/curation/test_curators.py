"""Which completions each curator keeps."""

from __future__ import annotations

import random
from typing import Any

import pytest
from rtbench_plugins.curation import basic, judge, overlap, similarity

from rtbench.plugin.curators import CurationContext
from rtbench.schema.completions import Completion
from rtbench.schema.tasks import Sample
from rtbench.schema.training import Candidate, Example


def candidate(rationale: str, question: int = 0, index: int = 0, **rest: Any) -> Candidate:
    example = Example(
        sample_index=question,
        completion_index=index,
        question=rest.pop("asked", f"Question {question}?"),
        answer="1",
        rationale=rationale,
    )
    completion = Completion(
        key="", task="t", sample_index=question, completion_index=index, prompt="", text=rationale, **rest
    )
    return Candidate(example=example, completion=completion, correct=True)


def context(*tests: str) -> CurationContext:
    samples = [Sample(index=i, question=text, answer="1") for i, text in enumerate(tests)]
    return CurationContext(samples={}, test_samples=samples, degree=1)


def kept(curator: Any, *candidates: Candidate, tests: tuple[str, ...] = ()) -> list[str]:
    return [c.example.rationale or "" for c in curator.keep(candidates, context(*tests))]


def test_complete_drops_what_was_cut_and_keeps_what_nobody_knows() -> None:
    found = kept(
        basic.complete({}),
        candidate("a", finish_reason="stop"),
        candidate("b", finish_reason="length"),
        candidate("c"),
    )
    assert found == ["a", "c"]


def test_complete_looks_at_the_stage_that_wrote_the_rationale() -> None:
    """In two stages an answer that was cut makes no rationale worse, and one that ended none whole."""
    found = kept(
        basic.complete({}),
        candidate("whole", reasoning_finish="stop", finish_reason="length"),
        candidate("cut", reasoning_finish="length", finish_reason="stop"),
    )
    assert found == ["whole"]


def test_unhinted_drops_what_speaks_of_a_hint_that_the_question_does_not_hold() -> None:
    found = kept(
        basic.unhinted({}),
        candidate("According to the hint, the total must be 12."),
        candidate("As hinted, 12."),
        candidate("3 + 9 is 12, a whint."),
        candidate("The hint says 4.", asked="Ada gives Bo a hint. How many words has it?"),
    )
    assert found == ["3 + 9 is 12, a whint.", "The hint says 4."]


def test_length_counts_words() -> None:
    assert kept(basic.length({"least": 2, "most": 3}), *map(candidate, ["a", "a b", "a b c", "a b c d"])) == [
        "a b",
        "a b c",
    ]


def test_cap_counts_by_question() -> None:
    found = kept(basic.cap({"most": 2}), *(candidate(f"{q}{i}", q, i) for i in range(4) for q in range(2)))
    assert found == ["00", "10", "01", "11"]


def test_unalike_drops_near_copies_within_a_question_only() -> None:
    text = "First he has five apples and then he gives two of them away so three are left for him to eat"
    near = text.replace("three are left", "three remain")
    far = "Five minus two is three."
    found = kept(
        similarity.unalike({"threshold": 0.6}), candidate(text), candidate(near), candidate(far), candidate(near, 1)
    )
    assert found == [text, far, near]
    assert kept(similarity.unalike({"threshold": 1.0}), candidate(text), candidate(near)) == [text, near]
    assert kept(similarity.unalike({"threshold": 1.0}), candidate(text), candidate(text.upper())) == [text]


def test_diverse_keeps_the_first_and_what_differs_most_in_the_order_drawn() -> None:
    texts = ["a b c d e f", "a b c d e g", "a b c d e f", "x y z u v w", "a b c d h i"]
    assert kept(similarity.diverse({"most": 2}), *map(candidate, texts)) == ["a b c d e f", "x y z u v w"]
    assert kept(similarity.diverse({"most": 3}), *map(candidate, texts)) == [
        "a b c d e f",
        "x y z u v w",
        "a b c d h i",
    ]
    assert kept(similarity.diverse({"most": 9}), *map(candidate, texts)) == texts


def test_diverse_never_has_a_nearer_pair_than_the_first_ones() -> None:
    draw = random.Random(3)
    texts = [" ".join(draw.choice("abcdefgh") for _ in range(12)) for _ in range(30)]

    def nearest(chosen: list[str]) -> float:
        sets = [similarity.shingles(text) for text in chosen]
        return max(similarity.likeness(a, b) for i, a in enumerate(sets) for b in sets[:i])

    assert nearest(kept(similarity.diverse({"most": 6}), *map(candidate, texts))) <= nearest(texts[:6])


def test_decontaminated_finds_a_run_of_words_whatever_its_marks_and_case() -> None:
    test = "Ada has three red apples and buys seven more at the market on Sunday morning, says Bo."
    curator = overlap.decontaminated({"words": 8})
    copied = candidate("We know: ada has THREE red apples; and buys seven more. So ten.")
    clean = candidate("Ada has three red apples and eats one. So two.")
    asked = candidate("So ten.", asked="Bo said that Ada has three red apples and buys seven more at the shop?")
    assert kept(curator, copied, clean, asked, tests=(test,)) == [clean.example.rationale]
    only = overlap.decontaminated({"words": 8, "look_at": "question"})
    assert len(kept(only, copied, clean, asked, tests=(test,))) == 2


def test_short_test_question_counts_as_a_whole() -> None:
    curator = overlap.decontaminated({})
    assert kept(
        curator, candidate("Is a coin heads up? Yes."), candidate("Is a coin up?"), tests=("Is a coin heads up?", "?!")
    ) == ["Is a coin up?"]


@pytest.mark.parametrize(
    ("make", "options", "said"),
    [
        (basic.cap, {"most": 0}, "at least 1"),
        (basic.cap, {}, "most"),
        (basic.length, {"least": 5, "most": 3}, "below"),
        (basic.complete, {"most": 1}, "unknown key"),
        (similarity.unalike, {"threshold": 0}, "threshold"),
        (similarity.unalike, {"threshold": 1.5}, "at most 1"),
        (basic.length, {"least": -1}, "at least 0"),
        (judge.judge, {"model": {"use": "openai"}, "max_new_tokens": 0}, "at least 1"),
        (similarity.diverse, {"most": -1}, "at least 1"),
        (overlap.decontaminated, {"words": 0}, "at least 1"),
        (overlap.decontaminated, {"look_at": "all"}, "look_at"),
    ],
)
def test_bad_options(make: Any, options: dict[str, Any], said: str) -> None:
    from rtbench.errors import RtbenchError

    with pytest.raises(RtbenchError, match=said):
        make(options)
