"""A thinking budget in the built-in engine: the second part is what the model writes after the closed thinking."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from rtbench_plugins.hf.models import HfModel
from rtbench_plugins.methods.thinking import begun

from rtbench.errors import StepFailedError
from rtbench.schema.completions import Completion, Prefill
from rtbench.steps.thinking import within_budget

TAGS = ("<t>", "</t>")


def model(tiny, family="decoder", thinking=TAGS, rows=4) -> HfModel:
    found = tiny.student(family, thinking=thinking).load(None, tiny.corpus, "f")
    assert isinstance(found, HfModel)
    return found


def budgeted(tiny, count: int, **sampling):
    return [
        replace(one, sampling=replace(one.sampling, max_thinking_tokens=3))
        for one in tiny.requests(count, max_new_tokens=10, **sampling)
    ]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_text_beyond_the_budget_is_that_of_both_parts(tiny, temperature):
    requests = budgeted(tiny, 6, temperature=temperature)
    found: dict[str, Completion] = {c.key: c for c in within_budget(model(tiny), requests)}
    assert set(found) == {one.key for one in requests}
    for request in requests:
        plain = replace(request, sampling=replace(request.sampling, max_new_tokens=3, max_thinking_tokens=None))
        (first,) = model(tiny).generate([plain])
        if first.finish_reason == "stop":
            assert found[request.key] == first
            continue
        assert found[request.key].text.startswith(first.text)
        assert found[request.key].usage is not None
        assert found[request.key].usage.completion_tokens <= 10


def test_an_answer_is_continued_after_its_closed_thinking(tiny):
    (request,) = tiny.requests(1, max_new_tokens=8)
    prefill = Prefill(thinking=" one two", text="so")
    (found,) = model(tiny).generate([replace(request, prefill=prefill)])
    (plain,) = model(tiny).generate([replace(request, prompt=request.prompt + begun(prefill, TAGS))])
    assert found.text == plain.text
    assert found.prompt == request.prompt


@pytest.mark.parametrize(("family", "thinking"), [("decoder", None), ("encoder_decoder", TAGS)])
def test_models_that_cannot_are_one_error(tiny, family, thinking):
    with pytest.raises(StepFailedError, match="continue an answer"):
        list(within_budget(model(tiny, family, thinking), budgeted(tiny, 1)))
