"""Generation: a text depends on its prompt, its sampling and its seed, and on nothing else."""

from __future__ import annotations

import pytest
import torch
from rtbench_plugins.hf import choosing, decoding

from tests.helpers.training import LFM2

both_families = pytest.mark.parametrize("family", ["decoder", "encoder_decoder"])


@pytest.fixture(scope="module", params=["decoder", "encoder_decoder"])
def trained(request, tiny, tmp_path_factory):
    """A student that has learnt to end; makes models of any batch size."""
    folder = tmp_path_factory.mktemp(request.param)
    recipe = {"epochs": 12, "learning_rate": 3e-3}
    tiny.student(request.param).train(tiny.job(folder, recipe=recipe))

    def load(batch: int = 8):
        student = tiny.student(request.param, generation_batch=batch)
        return student.load(folder / "checkpoint", tiny.corpus, "fingerprint")

    load.family = request.param
    return load


def texts(model, requests):
    found = {one.key: one.text for one in model.generate(requests)}
    assert len(found) == len(requests)
    return found


@pytest.mark.parametrize(
    "sampling", [{}, {"temperature": 0.7}, {"temperature": 1.5, "top_p": 0.8}], ids=["greedy", "sampled", "nucleus"]
)
def test_text_does_not_depend_on_the_batch(trained, tiny, sampling):
    requests = tiny.requests(12, **sampling)
    alone = texts(trained(1), requests)
    assert texts(trained(8), requests) == alone
    assert texts(trained(12), list(reversed(requests))) == alone
    assert texts(trained(8), requests[:3]) == {key: alone[key] for key in ("0", "1", "2")}


def test_batch_mates_with_other_sampling_change_nothing(trained, tiny):
    prompts = [row.prompt for row in tiny.rows[:6]]
    kinds = [{}, {"temperature": 1.0}, {"temperature": 1.0, "top_p": 0.5}, {"max_new_tokens": 3}, {"stop": ("-->",)}]
    requests = [tiny.request(at, prompt, **kinds[at % len(kinds)]) for at, prompt in enumerate(prompts)]
    assert texts(trained(8), requests) == texts(trained(1), requests)


def test_greedy_text_is_the_plain_argmax_of_the_whole_sequence(trained, tiny):
    """Against the slow way: no cache, no padding, the whole sequence again for every token."""
    model = trained(8)
    requests = tiny.requests(4)
    found = texts(model, requests)
    base, codec = model._base(), model._codec
    for one in requests:
        prompt, ids = codec.prompt_ids([one.prompt])[0], []
        for _ in range(12):
            with torch.no_grad():
                if base.family == "decoder":
                    logits = base.model(input_ids=torch.tensor([prompt + ids])).logits
                else:
                    start = [base.model.config.decoder_start_token_id, *ids]
                    logits = base.model(
                        input_ids=torch.tensor([prompt]), decoder_input_ids=torch.tensor([start])
                    ).logits
            token = int(logits[0, -1].argmax())
            if token == codec.end:
                break
            ids.append(token)
        assert found[one.key] == base.tokenizer.decode(ids, skip_special_tokens=True)


def test_finish_reason_and_usage_tell_how_it_ended(trained, tiny):
    ended = list(trained().generate(tiny.requests(8, max_new_tokens=30)))
    assert {one.finish_reason for one in ended} == {"stop"}
    cut = list(trained().generate(tiny.requests(8, max_new_tokens=2)))
    assert {one.finish_reason for one in cut} == {"length"}
    assert {one.usage.completion_tokens for one in cut} == {2}
    assert all(one.usage.prompt_tokens > 10 for one in cut)


def test_stop_string_ends_a_completion_and_is_no_part_of_it(trained, tiny):
    free = texts(trained(), tiny.requests(6, max_new_tokens=30))
    assert all("-->" in text for text in free.values()), "the student has learnt its label"
    done = list(trained().generate(tiny.requests(6, max_new_tokens=30, stop=("-->", "never"))))
    assert {one.key: one.text for one in done} == {key: text.partition("-->")[0] for key, text in free.items()}
    assert {one.finish_reason for one in done} == {"stop"}
    tokens = {one.key: one.usage.completion_tokens for one in trained().generate(tiny.requests(6, max_new_tokens=30))}
    assert all(one.usage.completion_tokens < tokens[one.key] for one in done), "nothing is written behind it"


def test_seeds_change_sampled_texts_and_repeat_them(trained, tiny):
    prompt = tiny.rows[0].prompt

    def draw(seed):
        requests = [tiny.request(at, prompt, seed=seed, temperature=2.0) for at in range(6)]
        return texts(trained(), requests)

    assert draw(0) == draw(0)
    assert draw(0) != draw(1000)
    assert len(set(draw(0).values())) > 3, "completions of one prompt differ"


def test_greedy_ignores_the_seed(trained, tiny):
    one, other = (texts(trained(), [tiny.request(0, tiny.rows[0].prompt, seed=seed)]) for seed in (0, 1))
    assert one == other


@both_families
def test_untrained_base_loads_and_is_the_same_each_time(tiny, family):
    requests = tiny.requests(3)
    first = texts(tiny.student(family).load(None, tiny.corpus, "f"), requests)
    again = texts(tiny.student(family).load(None, tiny.corpus, "f"), requests)
    other = texts(tiny.student(family, init_seed=1).load(None, tiny.corpus, "f"), requests)
    assert first == again
    assert first != other


@both_families
def test_local_folder_and_the_base_it_was_saved_from_write_the_same(tiny, tmp_path, family):
    folder = tiny.folder(family, tmp_path / "base")
    requests = tiny.requests(4)
    random = tiny.student(family).load(None, tiny.corpus, "f")
    local = tiny.student(family, model=str(folder)).load(None, (), "f")
    for text in (tiny.corpus[0], " 12 apples,\n\tmore  spaces… é ###"):
        assert local._codec.label_ids([text]) == random._codec.label_ids([text])
        assert local._codec._decode(local._codec.label_ids([text])[0]) == text
    assert texts(local, requests) == texts(random, requests)


def test_prompt_beyond_the_models_positions_keeps_its_end_and_is_counted(tiny):
    model = tiny.student("decoder", config={"n_positions": 64}).load(None, tiny.corpus, "f")
    long = " ".join(row.prompt for row in tiny.rows[:4])
    done = list(model.generate([tiny.request(0, long, max_new_tokens=500), tiny.request(1, "How many? ###")]))
    assert len(done) == 2
    assert sorted(completion.prompt_cut for completion in done) == [False, True]
    by_key = {one.key: one for one in done}
    assert by_key["0"].usage.prompt_tokens == 48
    assert by_key["0"].usage.prompt_tokens + by_key["0"].usage.completion_tokens <= 64
    cut = model._rows([tiny.request(0, long, max_new_tokens=500)])[0]
    assert cut.prompt == model._codec.prompt_ids([long])[0][-48:]
    assert by_key["0"].prompt == long, "the completion names the prompt as asked"


@both_families
def test_empty_prompt_is_answered(tiny, family):
    done = list(tiny.student(family).load(None, tiny.corpus, "f").generate([tiny.request(0, "")]))
    assert done[0].usage.prompt_tokens >= 1


def test_no_requests_give_no_completions(tiny):
    assert list(tiny.student("decoder").load(None, tiny.corpus, "f").generate([])) == []


def test_completions_come_while_others_are_still_written(trained, tiny):
    requests = [tiny.request(0, "x ###", max_new_tokens=1), tiny.request(1, "x ###", max_new_tokens=12)]
    stream = trained().generate(requests)
    assert next(stream).key == "0"
    assert [one.key for one in stream] == ["1"]


def test_batch_that_does_not_fit_is_halved(trained, tiny, monkeypatch):
    asked = texts(trained(), tiny.requests(8))
    sizes: list[tuple[int, int]] = []
    real = decoding.decode

    def short_of_memory(base, rows, size, *rest):
        sizes.append((len(rows), size))
        written = real(base, rows, size, *rest)
        yield next(written)
        if size > 2:
            raise torch.cuda.OutOfMemoryError("no memory")
        yield from written

    monkeypatch.setattr("rtbench_plugins.hf.decoding.decode", short_of_memory)
    assert texts(trained(), tiny.requests(8)) == asked
    assert sizes == [(8, 8), (7, 4), (6, 2)], "what was finished is kept"


def test_nucleus_never_draws_outside_and_draws_by_probability():
    from rtbench.schema.completions import Sampling

    logits = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05])).repeat(4000, 1)
    for top_p, expected in ((1.0, [0.5, 0.3, 0.15, 0.05]), (0.7, [0.625, 0.375, 0.0, 0.0])):
        rows = [
            choosing.SamplingRow(at, [1], 1, Sampling(max_new_tokens=1, temperature=1.0, top_p=top_p), seed=at)
            for at in range(4000)
        ]
        tokens = choosing.Chooser(rows, torch.device("cpu")).choose(logits)
        shares = torch.bincount(tokens, minlength=4) / 4000
        assert shares.tolist() == pytest.approx(expected, abs=0.03)
        assert (shares[torch.tensor(expected) == 0] == 0).all()


@both_families
def test_long_texts_equal_the_librarys_own_greedy_search(tiny, family):
    model = tiny.student(family).load(None, tiny.corpus, "f")
    requests = tiny.requests(3, max_new_tokens=200)
    found = texts(model, requests)
    base, codec = model._base(), model._codec
    for one in requests:
        ids = torch.tensor(codec.prompt_ids([one.prompt]))
        out = base.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=200, do_sample=False)[0]
        new = out[ids.shape[1] :] if family == "decoder" else out[1:]
        assert found[one.key] == base.tokenizer.decode(new, skip_special_tokens=True)
        assert len(new) == 200 or int(new[-1]) == codec.end


@pytest.mark.parametrize("sampling", [{}, {"temperature": 0.7}], ids=["greedy", "sampled"])
def test_hybrid_with_short_convolutions_writes_the_same_alone_and_in_a_batch(tiny, tmp_path, sampling):
    """LFM2 keeps states of its convolutions besides keys and values; padding must not leak into them, and rows that
    are finished must leave both."""
    from transformers import Lfm2Config, Lfm2ForCausalLM

    load = tiny.other("decoder", tmp_path, Lfm2Config, Lfm2ForCausalLM, **LFM2)
    requests = [tiny.request(at, row.prompt[: 5 + 9 * at], **sampling) for at, row in enumerate(tiny.rows[:12])]
    requests = [tiny.request(at, r.prompt, max_new_tokens=3 + 2 * at, **sampling) for at, r in enumerate(requests)]
    alone = texts(load(1), requests)
    assert texts(load(12), requests) == alone
    assert len(set(alone.values())) > 6
