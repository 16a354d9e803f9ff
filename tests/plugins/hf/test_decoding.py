"""The decode loop: a batch that is kept full writes the same, and does no work that nobody needs."""

from __future__ import annotations

import inspect

import pytest
from rtbench_plugins.hf.decoders import LEAST_SHARED, common_prefix

from tests.helpers.training import LFM2

both_families = pytest.mark.parametrize("family", ["decoder", "encoder_decoder"])
greedy_and_sampled = pytest.mark.parametrize("sampling", [{}, {"temperature": 0.9}], ids=["greedy", "sampled"])


def texts(model, requests):
    found = {one.key: (one.text, one.finish_reason) for one in model.generate(requests)}
    assert len(found) == len(requests)
    return found


class Watched:
    """A model that notes the shape of what it reads."""

    def __init__(self, model):
        self.model = model
        self.steps: list[tuple[int, int]] = []
        """Rows and columns of tokens at each call of the decoder."""
        self.widest = 0
        inner = model._base().model
        forward = inner.forward

        def noted(*args, **given):
            tokens = given.get("input_ids", given.get("decoder_input_ids"))
            mask = given.get("attention_mask" if "input_ids" in given else "decoder_attention_mask")
            self.steps.append(tuple(tokens.shape))
            self.widest = max(self.widest, 0 if mask is None else mask.shape[1])
            return forward(*args, **given)

        noted.__signature__ = inspect.signature(forward)
        inner.forward = noted

    @property
    def single(self) -> int:
        """Calls that wrote one token per row."""
        return sum(columns == 1 for _, columns in self.steps)

    @property
    def read(self) -> int:
        """Tokens read, padding and all, besides those written."""
        return sum(rows * columns for rows, columns in self.steps if columns > 1)


def untrained(tiny, family, size, **options):
    return tiny.student(family, generation_batch=size, init_seed=3, **options).load(None, tiny.corpus, "f")


def varied(tiny, count, **sampling):
    """Requests whose texts end at very different lengths: an untrained model writes up to the limit."""
    limits = [2, 3, 40, 5, 1, 7, 3, 90, 4, 2, 6]
    kinds = [sampling, sampling | {"top_p": 0.8}] if sampling else [{}]
    return [
        tiny.request(
            at, tiny.rows[at % 48].prompt[: 20 + 7 * (at % 9)], **kinds[at % len(kinds)],
            max_new_tokens=limits[at % len(limits)],
        )
        for at in range(count)
    ]  # fmt: skip


@both_families
@greedy_and_sampled
@pytest.mark.parametrize("size", [2, 3, 16])
def test_rows_that_take_over_others_places_write_what_they_write_alone(tiny, family, sampling, size):
    requests = varied(tiny, 60, **sampling)
    assert texts(untrained(tiny, family, size), requests) == texts(untrained(tiny, family, 1), requests)


@both_families
def test_long_text_does_not_hold_up_the_others(tiny, family):
    """One row of 90 tokens, begun first, among forty of 5: the places beside it are given on meanwhile."""
    requests = [tiny.request(at, row.prompt, max_new_tokens=5) for at, row in enumerate(tiny.rows[:40])]
    requests.append(tiny.request(40, 2 * max((row.prompt for row in tiny.rows), key=len), max_new_tokens=90))
    model = untrained(tiny, family, 4)
    watched = Watched(model)
    done = [one.key for one in model.generate(requests)]
    assert done[-1] == "40"
    assert watched.single <= 90 + (40 if family == "encoder_decoder" else 0), "40 are the new rows' first tokens"


def test_hardly_a_step_is_spent_on_finished_rows(tiny):
    requests = varied(tiny, 200)
    model = untrained(tiny, "decoder", 16)
    watched = Watched(model)
    useful = sum(one.usage.completion_tokens for one in model.generate(requests))
    spent = sum(rows for rows, columns in watched.steps if columns == 1) + len(requests)
    assert useful > 0.8 * spent


def test_columns_that_nobody_looks_at_are_dropped(tiny):
    """Else a batch that is kept full would grow wider and wider, and beyond the model's positions."""
    requests = [tiny.request(at, tiny.rows[at].prompt[:30], max_new_tokens=9 + at % 4) for at in range(48)]
    small = untrained(tiny, "decoder", 3, config={"n_positions": 64})
    watched = Watched(small)
    assert texts(small, requests) == texts(untrained(tiny, "decoder", 1, config={"n_positions": 64}), requests)
    assert watched.single > 120
    assert watched.widest <= 64


def test_completions_of_one_prompt_read_it_once(tiny):
    prompt = tiny.rows[0].prompt
    requests = [tiny.request(at, prompt, temperature=1.0) for at in range(12)]
    model = untrained(tiny, "decoder", 12)
    watched = Watched(model)
    assert len(set(texts(model, requests).values())) > 6
    assert watched.steps[0] == (1, len(model._codec.prompt_ids([prompt])[0]))
    assert texts(untrained(tiny, "decoder", 1), requests) == texts(untrained(tiny, "decoder", 12), requests)


@greedy_and_sampled
def test_demonstrations_are_read_once(tiny, sampling):
    shown = "\n\n".join(row.prompt + row.label for row in tiny.rows[40:44]) + "\n\n"
    requests = [
        tiny.request(at, shown + row.prompt[: 15 + 3 * at], **sampling, max_new_tokens=2 + at % 5 * 4)
        for at, row in enumerate(tiny.rows[:20])
    ]
    model = untrained(tiny, "decoder", 8)
    watched = Watched(model)
    found = texts(model, requests)
    alone = {key: one for r in requests for key, one in texts(untrained(tiny, "decoder", 8), [r]).items()}
    assert found == alone
    demonstrations = len(model._codec.prompt_ids([shown])[0])
    questions = sum(len(ids) for ids in model._codec.prompt_ids([r.prompt for r in requests])) - 20 * demonstrations
    assert demonstrations > 2 * LEAST_SHARED
    assert watched.read < demonstrations + 2 * questions


@both_families
def test_positions_that_a_model_counts_in_its_own_way(tiny, tmp_path, family):
    """Bloom's positions follow from the mask, BART's from the number of columns."""
    from transformers import BartConfig, BartForConditionalGeneration, BloomConfig, BloomForCausalLM

    if family == "decoder":
        load = tiny.other(family, tmp_path, BloomConfig, BloomForCausalLM, hidden_size=32, n_layer=2, n_head=2)
    else:
        fields = {"ffn_dim": 32, "layers": 1, "attention_heads": 2}
        sides = {f"{side}_{name}": value for side in ("encoder", "decoder") for name, value in fields.items()}
        load = tiny.other(
            family, tmp_path, BartConfig, BartForConditionalGeneration, d_model=32, forced_eos_token_id=None, **sides
        )
    requests = varied(tiny, 30, temperature=0.9)
    assert texts(load(4), requests) == texts(load(1), requests)


@greedy_and_sampled
def test_rows_with_states_of_convolutions_are_given_on(tiny, tmp_path, sampling):
    """LFM2, the pocket students' kind."""
    from transformers import Lfm2Config, Lfm2ForCausalLM

    load = tiny.other("decoder", tmp_path, Lfm2Config, Lfm2ForCausalLM, **LFM2)
    requests = varied(tiny, 60, **sampling)
    long = 3 * max((row.prompt for row in tiny.rows), key=len)
    requests += [tiny.request(100 + at, long, max_new_tokens=2, **sampling) for at in range(2)]
    shown = tiny.rows[40].prompt * 3
    requests += [tiny.request(200 + at, shown + row.prompt, **sampling) for at, row in enumerate(tiny.rows[:6])]
    model = load(5)
    watched = Watched(model)
    found = texts(model, requests)
    assert found == texts(load(1), requests)
    assert watched.single < sum(request.sampling.max_new_tokens for request in requests) / 3
    assert len({text for text, _ in found.values()}) > 30


def test_windows_of_attention_keep_their_own_cache_and_long_texts_are_set_aside(tiny, tmp_path):
    """Gemma 3 keeps the last tokens only in most layers: its rows cannot be given on, yet none may hold up the rest."""
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    load = tiny.other(
        "decoder", tmp_path, Gemma3TextConfig, Gemma3ForCausalLM, hidden_size=32, intermediate_size=48, head_dim=16,
        num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, sliding_window=16,
        layer_types=["sliding_attention", "full_attention"],
    )  # fmt: skip
    requests = [tiny.request(at, row.prompt, temperature=0.9, max_new_tokens=4) for at, row in enumerate(tiny.rows)]
    requests += [tiny.request(50, tiny.rows[0].prompt, temperature=0.9, max_new_tokens=60)]
    requests += [tiny.request(60, 3 * tiny.rows[0].prompt, max_new_tokens=1)]  # leaves columns that nobody looks at
    model = load(16)
    watched = Watched(model)
    found = texts(model, requests)
    assert found == texts(load(1), requests)
    assert watched.single < 4 * 4 + 60, "the long one is written once the others are done"


def test_common_prefix_leaves_each_text_a_token_of_its_own():
    assert common_prefix([[1, 2, 3, 4], [1, 2, 5], [1, 2, 3]]) == [1, 2]
    assert common_prefix([[1, 2, 3, 4], [1, 2, 3]]) == [1, 2]
    assert common_prefix([[1, 2], [1, 2]]) == ()
    assert common_prefix([[1], [2, 1]]) == []
