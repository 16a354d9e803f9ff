"""Pre-training in miniature: it learns, it can be interrupted, it repeats; and the probes see what was learned."""

from __future__ import annotations

import msgspec
import pytest
import torch
from rtbench_plugins.pocket.corpus import document, text_of
from rtbench_plugins.pocket.pretraining import Pretraining, new_model, tensors
from rtbench_plugins.pocket.probes import PROBES, run_probes
from rtbench_plugins.pocket.sizes import SIZES
from rtbench_plugins.pocket.tokenizer import new_vocabulary, tokenizer_of

TINY = msgspec.structs.replace(
    SIZES["pocket-0.5m"],
    width=16,
    feed_forward=24,
    heads=2,
    layers=("conv", "full_attention"),
    tokens=40_000,
    batch_tokens=256,
)


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
