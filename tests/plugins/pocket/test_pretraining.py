"""Pre-training in miniature: it learns, it can be interrupted, it repeats; and the probes see what was learned."""

from __future__ import annotations

import msgspec
import pytest
import torch
from rtbench_plugins.pocket.corpus import document, text_of
from rtbench_plugins.pocket.pretraining import Pretraining, new_model, tensors
from rtbench_plugins.pocket.probes import PROBES, SEEN, questions, run_probes
from rtbench_plugins.pocket.sizes import SIZES, described
from rtbench_plugins.pocket.tokenizer import new_vocabulary, tokenizer_of

from rtbench.errors import BadInputError
from rtbench.storage.digested import save_digested

TINY = msgspec.structs.replace(
    SIZES["pocket-0.5m"],
    width=16,
    feed_forward=24,
    heads=2,
    layers=("conv", "full_attention"),
    tokens=40_000,
    batch_tokens=256,
)

SHORT = msgspec.structs.replace(TINY, tokens=8_000)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tokenizer():
    import random

    return tokenizer_of(new_vocabulary(((text_of(document(random.Random(seed), 0.3)) for seed in range(400)), 2)))


def test_loss_falls(tokenizer, tmp_path):
    said: list[str] = []
    Pretraining(TINY, tokenizer, 0, tmp_path, said.append).run()
    losses = [float(line.split("determined ")[1].split()[0]) for line in said]
    assert losses[-1] < 0.9 * losses[0]


def test_probe_is_asked_every_so_many_chunks(tokenizer, tmp_path):
    asked: list[int] = []
    training = Pretraining(TINY, tokenizer, 0, tmp_path, lambda _: None)

    def probe(model) -> str:
        asked.append(training.at.chunk)
        return ""

    training.run(probe, every=2)
    assert training.at.chunk >= 4
    assert asked == list(range(2, training.at.chunk + 1, 2))


def test_stopped_run_goes_on_and_equals_an_undisturbed_one(tokenizer, tmp_path):
    whole = Pretraining(TINY, tokenizer, 0, tmp_path / "whole", lambda _: None).run()

    class PulledThePlugError(Exception):
        pass

    def pull(line: str) -> None:
        if lines:
            raise PulledThePlugError
        lines.append(line)

    lines: list[str] = []
    with pytest.raises(PulledThePlugError):
        Pretraining(TINY, tokenizer, 0, tmp_path / "cut", pull).run()
    resumed = Pretraining(TINY, tokenizer, 0, tmp_path / "cut", lambda _: None)
    assert 0 < resumed.at.tokens < TINY.tokens
    assert all(torch.equal(a, b) for a, b in zip(resumed.run().parameters(), whole.parameters(), strict=True))


@pytest.mark.parametrize(
    ("seed", "changes", "wanted"),
    [
        (1, {}, "seed 1"),
        (0, {"width": 32}, "a model 32 wide with 8,000 tokens, seed 0"),
        (0, {"tokens": 16_000}, "a model 16 wide with 16,000 tokens, seed 0"),
        (0, {"rate": 1e-3}, "with another recipe"),
    ],
)
def test_folder_of_another_training_is_refused(tokenizer, tmp_path, seed, changes, wanted):
    """Its weights, or the documents read so far, would be passed off as this one's."""
    Pretraining(SHORT, tokenizer, 0, tmp_path, lambda _: None).run()
    (state,) = tmp_path.glob("state-*.pt")
    before = state.read_bytes()
    with pytest.raises(BadInputError, match=r"has the state of a model 16 wide with 8,000 tokens, seed 0") as error:
        Pretraining(msgspec.structs.replace(SHORT, **changes), tokenizer, seed, tmp_path, lambda _: None)
    assert wanted in str(error.value)
    assert "--out" in str(error.value)
    assert state.read_bytes() == before


def test_state_that_does_not_say_whose_it_is_is_refused(tokenizer, tmp_path):
    Pretraining(SHORT, tokenizer, 0, tmp_path, lambda _: None).run()
    (path,) = tmp_path.glob("state-*.pt")
    state = torch.load(path, weights_only=True)
    del state["of"]
    save_digested(tmp_path, "state", lambda handle: torch.save(state, handle))
    with pytest.raises(BadInputError, match="unknown seed"):
        Pretraining(SHORT, tokenizer, 0, tmp_path, lambda _: None)


def test_sizes_are_called_by_their_names():
    assert [described(size) for size in SIZES.values()] == list(SIZES)
    fewer = msgspec.structs.replace(SIZES["pocket-2m"], tokens=12_000)
    assert described(fewer) == "pocket-2m with 12,000 tokens"


def test_padding_changes_no_loss_weight(tokenizer):
    from rtbench_plugins.pocket.corpus import rows

    found = rows(tokenizer, "1", first=0, count=5, progress=0.3)
    ids, weights, mask = tensors(found, tokenizer.pad_token_id)
    assert int(mask.sum()) == sum(len(row.ids) for row in found)
    assert float(weights[mask == 0].sum()) == 0
    assert ids.shape == weights.shape == mask.shape


def test_probes_ask_the_same_each_time_and_a_new_model_fails_them(tokenizer):
    model = new_model(TINY, tokenizer, 0).eval()
    found = run_probes(model, tokenizer, n=20)
    assert [result.probe for result in found] == list(PROBES)
    assert found == run_probes(model, tokenizer, n=20)
    assert all(result.accuracy < 0.95 for result in found)


def test_probes_ask_no_question_twice_and_stop_where_there_are_no_more(tokenizer):
    counts = {name: len(questions(name, 300)) for name in PROBES}
    few = {"multiplication": 14, "division": 22, "one flip": 256, "last letter": 64}
    assert counts == {name: few.get(name, 300) for name in PROBES}
    assert list(questions("one day", 300))[:50] == list(questions("one day", 50))
    found = run_probes(new_model(TINY, tokenizer, 0).eval(), tokenizer, n=30)
    assert {result.probe: result.n for result in found} == {name: min(few.get(name, 30), 30) for name in PROBES}
    assert {result.probe for result in found if result.seen} == SEEN


def test_probe_counts_what_greedy_decoding_would_write(tokenizer):
    """A model that always says the right next token is right everywhere; one wrong token anywhere is an error."""

    class Oracle:
        def __init__(self, spoil: bool) -> None:
            self.spoil = spoil

        def __call__(self, input_ids, use_cache):
            logits = torch.zeros((*input_ids.shape, len(tokenizer)))
            shifted = torch.roll(input_ids, -1, dims=1)
            if self.spoil:
                lengths = (input_ids != tokenizer.pad_token_id).sum(-1)
                shifted[torch.arange(len(shifted)), lengths - 2] = 3  # the last token of each target
            logits.scatter_(-1, shifted[..., None], 1.0)
            return type("Out", (), {"logits": logits})

    assert all(result.accuracy == 1 for result in run_probes(Oracle(spoil=False), tokenizer, n=10))
    assert all(result.accuracy == 0 for result in run_probes(Oracle(spoil=True), tokenizer, n=10))
