"""Thinking budgets: what a model that writes words one by one is asked, and what becomes of its parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from rtbench_plugins.methods.thinking import begun, parted

from rtbench.errors import StepFailedError
from rtbench.plugin.models import TextModel
from rtbench.schema.completions import Completion, Prefill, Request, Sampling, Usage, completion_of
from rtbench.steps.thinking import within_budget

TAGS = ("<think>", "</think>")


class Writer(TextModel):
    """Writes what a prompt says, word by word. A word is a token. After a closed thinking it answers at once."""

    fingerprint = "writer"
    continues_answers = True

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        for request in requests:
            self.asked.append(request)
            words = request.prompt.split(" ")
            if request.prefill is not None:
                done = begun(request.prefill, TAGS)
                words = ["it", "is", "7"] if done.endswith("</think>\n\n") else words[len(done.split()) :]
            kept = words[: request.sampling.max_new_tokens]
            text, thinking = parted(" ".join(kept) if request.prefill is None else f" {' '.join(kept)}", TAGS)
            yield completion_of(
                request,
                text,
                reasoning=thinking,
                finish_reason="stop" if len(kept) == len(words) else "length",
                usage=Usage(prompt_tokens=10, completion_tokens=len(kept)),
            )


def request(prompt: str, *, budget: int | None = 5, most: int = 20, key: str = "k") -> Request:
    sampling = Sampling(max_new_tokens=most, max_thinking_tokens=budget)
    return Request(task="t", sample_index=0, completion_index=0, prompt=prompt, sampling=sampling, key=key, seed=1)


def one(prompt: str, **options: int) -> tuple[Completion, list[Request]]:
    model = Writer()
    (found,) = within_budget(model, [request(prompt, **options)])
    return found, model.asked


def test_long_thinking_is_ended_and_the_answer_asked_for() -> None:
    found, asked = one("<think> a b c d e f g h </think> so 9")
    assert found.reasoning == " a b c d"
    assert found.text.split() == ["it", "is", "7"]
    assert (found.thinking_cut, found.finish_reason, found.cut) == (True, "stop", False)
    assert [one.sampling.max_new_tokens for one in asked] == [5, 15]
    assert asked[1].prefill == Prefill(thinking=" a b c d")
    assert asked[1].seed != asked[0].seed, "the first draws are not drawn again"
    assert found.key == "k"
    assert found.usage == Usage(prompt_tokens=20, completion_tokens=8), "both parts are paid"


def test_short_thinking_is_left_alone() -> None:
    found, asked = one("<think> a </think> x y")
    assert (found.reasoning, found.text.split(), found.thinking_cut) == (" a ", ["x", "y"], False)
    assert len(asked) == 1


def test_an_answer_that_goes_beyond_the_budget_goes_on() -> None:
    found, asked = one("<think> a </think> r s t u v w")
    assert found.text.split() == ["r", "s", "t", "u", "v", "w"]
    assert len(asked) == 2
    assert asked[1].prefill is not None
    assert asked[1].prefill.text.split() == ["r", "s"]
    assert not found.thinking_cut


def test_a_text_that_ends_within_its_thinking_is_asked_for_its_answer() -> None:
    found, asked = one("<think> a b")
    assert (found.reasoning, found.text.split()) == (" a b", ["it", "is", "7"])
    assert not found.thinking_cut, "it ended by itself"
    assert len(asked) == 2


@pytest.mark.parametrize(("prompt", "calls"), [("x y z", 1), ("r s t u v w x", 2)])
def test_a_model_that_does_not_think_answers_as_without_a_budget(prompt: str, calls: int) -> None:
    found, asked = one(prompt)
    assert (found.text, found.reasoning) == (prompt, None)
    assert len(asked) == calls


def test_requests_with_and_without_a_budget_are_answered_together() -> None:
    model = Writer()
    prompt = "<think> a b c d e f </think> so 9"
    found = {c.key: c for c in within_budget(model, [request(prompt, key="a"), request(prompt, budget=None, key="b")])}
    assert found["a"].text.split() == ["it", "is", "7"]
    assert found["b"].text.split() == ["so", "9"]


def test_a_model_that_cannot_continue_is_one_error() -> None:
    model = Writer()
    model.continues_answers = False
    with pytest.raises(StepFailedError, match="needs a model that can continue an answer"):
        list(within_budget(model, [request("x")]))


class Failing(Writer):
    """Refuses some requests, after it has answered the others."""

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        bad = [one for one in requests if one.prompt == "bad"]
        yield from super().generate([one for one in requests if one not in bad])
        if bad:
            raise StepFailedError("1 request was refused")


def test_a_refused_request_does_not_cost_the_other_answers() -> None:
    model = Failing()
    asked = [request("<think> a b c d e f </think> so 9", key="a"), request("bad", key="b")]
    answers = within_budget(model, asked)
    found = next(answers)
    assert (found.key, found.text.split()) == ("a", ["it", "is", "7"])
    with pytest.raises(StepFailedError, match="refused"):
        next(answers)


def test_first_parts_are_kept_and_not_asked_for_again() -> None:
    asked = [request("<think> a b c d e f </think> so 9", key="a")]
    kept: list[Completion] = []
    (before,) = within_budget(Writer(), asked, store=kept.append)
    assert [one.key for one in kept] == ["a"]
    model = Writer()
    (after,) = within_budget(model, asked, {"a": kept[0]})
    assert after == before
    assert [one.prefill is not None for one in model.asked] == [True]
