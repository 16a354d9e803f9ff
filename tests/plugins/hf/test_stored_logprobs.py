"""Log-probabilities that are stored with completions, and trainings that learn them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from rtbench_plugins.hf.objectives import divergence, top_divergence
from rtbench_plugins.hf.stored_logprobs import Vocabulary
from rtbench_plugins.hf.tokenizer import train_tokenizer
from torch.nn import functional

from rtbench.errors import BadInputError, StepFailedError
from rtbench.schema.completions import Completion, completion_of
from rtbench.schema.logprobs import TokenLogprobs, token_logprobs
from rtbench.schema.objectives import Logits
from rtbench.schema.training import TrainingRow
from tests.helpers.cli import Cli
from tests.helpers.runs import run_record, step_meta, write_matrix
from tests.helpers.training import both_families

FAST = {"learning_rate": 3e-3, "batch_size": 8, "selection": "last"}


def logits(rows: int, vocabulary: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    return 3 * torch.randn(rows, vocabulary), 3 * torch.randn(rows, vocabulary)


def top_of(guide: torch.Tensor, most: int) -> tuple[torch.Tensor, torch.Tensor]:
    values, tokens = torch.topk(torch.log_softmax(guide, -1), most, -1)
    return tokens, values


def test_with_the_whole_vocabulary_it_is_the_forward_divergence() -> None:
    student, guide = logits(6, 11)
    ours, theirs = student.clone().requires_grad_(), student.clone().requires_grad_()
    found, expected = top_divergence(ours, *top_of(guide, 11)), divergence(theirs, guide, 0.0)
    torch.autograd.backward([found.sum(), expected.sum()])
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-5)


@pytest.mark.parametrize("most", [1, 3, 7])
def test_all_other_tokens_count_as_one(most: int) -> None:
    """Term by term in double precision, from the definition."""
    student, guide = logits(5, 11)
    tokens, values = top_of(guide, most)
    found = top_divergence(student, tokens, values)
    for at in range(5):
        p = torch.softmax(guide[at].double(), -1)[tokens[at]].tolist()
        q = torch.softmax(student[at].double(), -1)[tokens[at]].tolist()
        p, q = [*p, 1 - sum(p)], [*q, 1 - sum(q)]
        expected = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 1e-3 or a in p[:-1])
        assert found[at].item() == pytest.approx(expected, abs=1e-4)
    assert bool((found <= divergence(student, guide, 0.0) + 1e-2).all()), "fewer classes tell two models less apart"


def test_missing_alternatives_change_nothing_and_no_gradient_is_lost() -> None:
    student, guide = logits(5, 11)
    tokens, values = top_of(guide, 3)
    padded = functional.pad(tokens, (0, 2)), functional.pad(values, (0, 2), value=-math.inf)
    one, other = student.clone().requires_grad_(), student.clone().requires_grad_()
    torch.autograd.backward([top_divergence(one, tokens, values).sum(), top_divergence(other, *padded).sum()])
    assert torch.allclose(one.grad, other.grad, atol=1e-6)
    sure = torch.full((1, 11), -50.0).index_fill(1, torch.tensor([2]), 50.0).requires_grad_()
    loss = top_divergence(sure, torch.tensor([[2, 3]]), torch.tensor([[0.0, -60.0]]))
    loss.sum().backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-5)
    assert bool(torch.isfinite(sure.grad).all())


def test_what_is_stored_is_read_again() -> None:
    stored = token_logprobs([5, 70_000], [[(5, -0.1), (9, -2.5)], [(70_000, -0.5)]], vocabulary="v")
    assert stored is not None
    line = msgspec.json.encode(stored)
    tokens, alternatives, logprobs = msgspec.json.decode(line, type=TokenLogprobs).arrays()
    assert tokens.tolist() == [5, 70_000]
    assert alternatives.tolist() == [[5, 9], [70_000, 70_000]]
    assert logprobs[0] == pytest.approx([-0.1, -2.5], rel=1e-3)
    assert logprobs[1].tolist() == [-0.5, -math.inf]
    assert token_logprobs([], []) is None
    assert token_logprobs([3], [[]]) is None


def test_compact_form_is_smaller_than_numbers_in_json() -> None:
    torch.manual_seed(0)
    places = [
        list(zip(torch.randint(0, 150_000, (8,)).tolist(), (-10 * torch.rand(8)).tolist(), strict=True))
        for _ in range(200)
    ]
    stored = token_logprobs([place[0][0] for place in places], places)
    plain = [[[token, round(logprob, 4)] for token, logprob in place] for place in places]
    assert len(msgspec.json.encode(stored)) < 0.6 * len(msgspec.json.encode(plain))


@pytest.mark.parametrize("logprob", [0.5, math.nan, math.inf])
def test_what_is_no_log_probability_is_refused(logprob: float) -> None:
    with pytest.raises(ValueError, match="above 0 or not a number"):
        token_logprobs([1], [[(1, logprob)]])


def test_damaged_arrays_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="do not fit"):
        msgspec.json.decode(
            b'{"most":2,"tokens":"AAAAAA==","alternatives":"AAAA","logprobs":"AAAA"}', type=TokenLogprobs
        )


@both_families
@pytest.mark.parametrize("size", [1, 3, 16])
def test_generated_texts_carry_the_models_own_log_probabilities(tiny, tmp_path, family, size):
    """In batches that are refilled, greedy and sampled, some rows without."""
    folder = tiny.folder(family, tmp_path / "base")
    model = tiny.student(family, model=str(folder), generation_batch=size).load(None, (), "f")
    requests = [
        tiny.request(
            at, row.prompt, max_new_tokens=[12, 3, 7][at % 3], temperature=float(at % 2), top_logprobs=4 * (at % 4 > 0)
        )
        for at, row in enumerate(tiny.rows[:20])
    ]
    found = {one.sample_index: one for one in model.generate(requests)}
    plain = {one.sample_index: one.text for one in model.generate([without(one) for one in requests])}
    assert {at: one.text for at, one in found.items()} == plain, "asking changes no text"
    for at, one in found.items():
        assert (one.logprobs is None) == (at % 4 == 0)
        if one.logprobs is None:
            continue
        tokens, alternatives, logprobs = one.logprobs.arrays()
        assert one.usage is not None
        assert len(tokens) == one.usage.completion_tokens, "the end mark included"
        expected = own_logprobs(model, requests[at].prompt, tokens.tolist())
        for place in range(len(tokens)):
            values = [float(expected[place][token]) for token in alternatives[place]]
            assert values == pytest.approx(logprobs[place].tolist(), abs=5e-3)
            assert values[0] == pytest.approx(float(expected[place].max()), abs=1e-4)
        assert one.logprobs.vocabulary == Vocabulary(model.loaded.tokenizer).digest


def without(request: Any) -> Any:
    return msgspec.structs.replace(request, sampling=msgspec.structs.replace(request.sampling, top_logprobs=0))


def own_logprobs(model: Any, prompt: str, tokens: list[int]) -> torch.Tensor:
    """The log-probabilities at each place, by one forward pass over the text."""
    loaded = model.loaded
    (ids,) = model._codec.prompt_ids([prompt])
    with torch.inference_mode():
        if loaded.family == "decoder":
            out = loaded.model(input_ids=torch.tensor([ids + tokens])).logits[0, len(ids) - 1 : -1]
        else:
            start = loaded.model.config.decoder_start_token_id
            out = loaded.model(
                input_ids=torch.tensor([ids]), decoder_input_ids=torch.tensor([[start, *tokens[:-1]]])
            ).logits[0]
    return torch.log_softmax(out.float(), -1)


@pytest.fixture(scope="module")
def tokenizer(tiny):
    return train_tokenizer(tiny.corpus, 400, "decoder")


def stored_for(tokenizer: Any, text: str, **more: Any) -> TokenLogprobs:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    found = token_logprobs(ids, [[(token, -0.1), ((token + 1) % 300, -3.0)] for token in ids], **more)
    assert found is not None
    return found


def test_alternatives_are_at_the_labels_that_both_texts_have(tokenizer) -> None:
    vocabulary = Vocabulary(tokenizer)
    text = " Then Mary has 4 more apples than Tom, so she has 12 of them"
    stored = stored_for(tokenizer, f"{text}. The answer is 12.", vocabulary=vocabulary.digest)
    labels = tokenizer(f"{text} --> 12", add_special_tokens=False)["input_ids"]
    top = vocabulary.top_tokens(stored, labels)
    assert top is not None
    assert top.start == 0
    shared = len(top.tokens)
    assert tokenizer.decode(labels[:shared]) == text
    assert top.tokens[:, 0].tolist() == labels[:shared]
    assert vocabulary.top_tokens(stored, [1, 1, 1]) is None


def test_tokens_that_a_server_gives_as_texts_are_found_in_the_vocabulary(tokenizer) -> None:
    vocabulary = Vocabulary(tokenizer)
    ids = tokenizer(" so she has 12 apples", add_special_tokens=False)["input_ids"]
    texts = [tokenizer.decode([one]) for one in ids]
    numbered = list(dict.fromkeys([*texts, "no token of this vocabulary"]))
    places = [[(numbered.index(text), -0.2), (len(numbered) - 1, -2.0)] for text in texts]
    stored = token_logprobs([numbered.index(text) for text in texts], places, texts=numbered)
    assert stored is not None
    top = vocabulary.top_tokens(stored, ids)
    assert top is not None
    assert top.tokens[:, 0].tolist() == ids
    assert np.isneginf(top.logprobs[:, 1]).all(), "its probability is with the rest"


def test_numbers_that_the_vocabulary_lacks_are_with_the_rest(tokenizer) -> None:
    ids = tokenizer(" so she has 12 apples", add_special_tokens=False)["input_ids"]
    stored = token_logprobs(ids, [[(token, -0.1), (999_999_999, -3.0)] for token in ids])
    assert stored is not None
    top = Vocabulary(tokenizer).top_tokens(stored, ids)
    assert top is not None
    assert int(top.tokens.max()) < len(tokenizer)
    assert np.isneginf(top.logprobs[:, 1]).all()
    with pytest.raises(ValueError, match="fewer entries"):
        token_logprobs([0, 1], [[(0, -1.0)], [(2, -1.0)]], texts=["a", "b"])


def test_another_vocabulary_is_refused(tiny, tmp_path, tokenizer):
    stored = stored_for(tokenizer, " so --> 3", vocabulary="another")
    rows = [TrainingRow(sample_index=0, prompt="q", label=" so --> 3", logprobs=stored)]
    with pytest.raises(BadInputError, match="of other tokens than the student's"):
        tiny.student("decoder").train(tiny.job(tmp_path, rows=rows, objective=Logits()))


@both_families
def test_texts_that_carry_none_are_one_clear_error(tiny, tmp_path, family):
    with pytest.raises(StepFailedError, match="cover 0 % of the tokens to learn"):
        tiny.student(family).train(tiny.job(tmp_path, objective=Logits()))


@both_families
@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_a_student_comes_closer_to_stored_probabilities(tiny, tmp_path, family, alpha):
    """They differ from the texts: the teacher is never sure of an answer."""
    student = tiny.student(family)
    rows = [with_stored(tiny, row) for row in tiny.rows]
    recipe = FAST | {"epochs": 6}
    report = student.train(tiny.job(tmp_path / "a", rows=rows, recipe=recipe, objective=Logits(alpha=alpha)))
    first, last = report.history[0], report.history[-1]
    assert last["kl"] < 0.7 * first["kl"]
    assert last["cross_entropy"] < first["cross_entropy"], "the labels after the text are learnt too"
    assert 0.4 < last["covered"] < 1
    plain = student.train(tiny.job(tmp_path / "b", rows=rows, recipe=recipe))
    assert "kl" not in plain.history[0]


def with_stored(tiny: Any, row: TrainingRow) -> TrainingRow:
    tokenizer = train_tokenizer(tiny.corpus, 400, "decoder")
    return msgspec.structs.replace(row, logprobs=stored_for(tokenizer, row.label[:-1] + " or"))


def test_answers_carry_the_log_probabilities_of_their_rationales(tiny) -> None:
    from rtbench.steps.generation import with_reasoning

    first: Completion = completion_of(tiny.request(0, "Q"), " because", logprobs=token_logprobs([1], [[(1, -1.0)]]))
    answer: Completion = completion_of(tiny.request(0, "Q because A"), " 3")
    assert with_reasoning(answer, first).logprobs == first.logprobs


MATRIX = """
name: stored
source: twin
tasks: [multiarith]
methods: [distill-logits]
teachers: [{name: guide, use: hf, model: FOLDER, format: FORMAT, max_new_tokens: [12, 4], top_logprobs: 5}]
students: [{name: mine, use: hf-causal, model: FOLDER}]
curators: [non-empty]
limit: 6
recipe: {epochs: 1, selection: last, max_new_tokens: 4}
"""


@pytest.mark.parametrize("prompt_format", ["zero-shot-cot", "zero-shot"])
def test_a_run_learns_what_the_ledger_holds(cli: Cli, tiny, tmp_path: Path, prompt_format: str) -> None:
    folder = tiny.folder("decoder", tmp_path / "base")
    text = MATRIX.replace("FOLDER", str(folder)).replace("FORMAT", prompt_format)
    cli("run", "--matrix", write_matrix(cli, text))
    (cell,) = [one for one in run_record(cli)["cells"] if one["method"] == "distill-logits"]
    train = step_meta(cli, "train", cell["checkpoint"])
    assert [one["role"] for one in train["inputs"]] == ["examples", "logprobs"]
    assert "guide" not in train["spec"]
    assert train["result"]["history"][0]["covered"] > 0.3
    files = cli.workspace.glob("ledger/**/*.jsonl")
    lines = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    carrying = [line for line in lines if "logprobs" in line]
    assert len(carrying) == (12 if prompt_format == "zero-shot-cot" else 6), "test questions carry none"


def test_a_thinking_budget_and_log_probabilities_exclude_each_other(cli: Cli, tiny, tmp_path: Path) -> None:
    text = MATRIX.replace("FOLDER", str(tmp_path)).replace("FORMAT", "zero-shot")
    text = text.replace("top_logprobs: 5", "top_logprobs: 5, max_thinking_tokens: 3")
    said = cli("plan", "--matrix", write_matrix(cli, text), code=2).stderr
    assert "`top_logprobs` and `max_thinking_tokens` cannot be used together" in said
