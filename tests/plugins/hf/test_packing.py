"""Rows packed, grouped and alone are one and the same training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from rtbench_plugins.hf import loading
from rtbench_plugins.hf.batches import collate, forward, keeps_rows_apart, pack, picks_positions
from rtbench_plugins.hf.encoding import Codec, encode_rows
from rtbench_plugins.hf.options import StudentOptions

from rtbench.errors import BadInputError
from tests.helpers.training import NO_DROPOUT

LLAMA = {
    "model_type": "llama", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "max_position_embeddings": 512,
}  # fmt: skip
LFM2 = LLAMA | {"model_type": "lfm2", "layer_types": ["conv", "full_attention"], "num_key_value_heads": 2}
GPT2 = {"n_layer": 2, "n_embd": 32, "n_inner": 64, "n_head": 2}


def base_and_rows(tiny, config, family="decoder"):
    options = StudentOptions(config=config, vocab_size=400)
    base = loading.random_base(family, options, tiny.corpus, torch.device("cpu"))
    codec = Codec(base.tokenizer, base.model.config, family, chat=False, thinking=None, name="tiny")
    return base, codec, encode_rows(codec, tiny.rows[:7], tiny.job(Path("/tmp")).recipe)


def nats_and_gradients(base, batches):
    base.model.zero_grad()
    nats = 0.0
    for batch in batches:
        logits = forward(base, base.model, batch, picks=picks_positions(base))
        loss = torch.nn.functional.cross_entropy(logits, batch.targets, reduction="sum")
        loss.backward()
        nats += float(loss.detach())
    return nats, {name: parameter.grad.clone() for name, parameter in base.model.named_parameters()}


@pytest.mark.parametrize("config", [GPT2, LLAMA], ids=["gpt2", "llama"])
def test_packed_grouped_and_single_rows_have_one_loss_and_one_gradient(tiny, config):
    base, codec, rows = base_and_rows(tiny, config)
    assert keeps_rows_apart(base)
    single = nats_and_gradients(base, [collate([row], codec.pad, base.device, causal=True) for row in rows])
    grouped = nats_and_gradients(base, [collate(rows, codec.pad, base.device, causal=True)])
    packed = nats_and_gradients(base, [pack(rows, base.device)])
    assert len({len(row.input_ids) for row in rows}) > 3, "rows of many lengths"
    for nats, gradients in (grouped, packed):
        assert nats == pytest.approx(single[0], rel=1e-5)
        for name, gradient in gradients.items():
            assert torch.allclose(gradient, single[1][name], atol=1e-4, rtol=1e-3), name
    assert max(float(gradient.abs().max()) for gradient in single[1].values()) > 0.1, "gradients that could differ"


def test_grouped_and_single_rows_of_an_encoder_decoder_have_one_loss_and_one_gradient(tiny):
    base, codec, rows = base_and_rows(tiny, {"num_layers": 1, "num_decoder_layers": 1}, "encoder_decoder")
    single = nats_and_gradients(base, [collate([row], codec.pad, base.device, causal=False) for row in rows])
    grouped = nats_and_gradients(base, [collate(rows, codec.pad, base.device, causal=False)])
    assert grouped[0] == pytest.approx(single[0], rel=1e-5)
    for name, gradient in grouped[1].items():
        assert torch.allclose(gradient, single[1][name], atol=1e-4, rtol=1e-3), name


def test_packed_training_is_the_grouped_one(tiny, tmp_path):
    plain = tiny.student("decoder", config=NO_DROPOUT["decoder"])
    packed = tiny.student("decoder", config=NO_DROPOUT["decoder"], packing=True)
    assert plain.model().fingerprint == packed.model().fingerprint, "one training, up to rounding"
    job = {"rows": tiny.rows[:40], "validation": tiny.rows[40:], "recipe": {"selection": "val"}}
    reports = [one.train(tiny.job(tmp_path / name, **job)) for one, name in ((plain, "a"), (packed, "b"))]
    for one, other in zip(reports[0].history, reports[1].history, strict=True):
        assert one == pytest.approx(other, rel=1e-4)


def test_model_that_lets_rows_see_each_other_is_never_packed(tiny, tmp_path):
    """LFM2's convolutions look at neighbours whatever their positions."""
    base, *_ = base_and_rows(tiny, LFM2)
    assert not keeps_rows_apart(base)
    with pytest.raises(BadInputError, match="keep packed rows apart"):
        tiny.student("decoder", config=LFM2, packing=True).train(tiny.job(tmp_path))


def test_encoder_decoder_is_never_packed(tiny, tmp_path):
    with pytest.raises(BadInputError, match="keep packed rows apart"):
        tiny.student("encoder_decoder", packing=True).train(tiny.job(tmp_path))


class Reshaping(torch.nn.Module):
    """Its logits take the shape of its input again, so that its output layer cannot be given some positions alone."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = torch.nn.Embedding(9, 4), torch.nn.Linear(4, 9)

    def get_input_embeddings(self) -> torch.nn.Module:
        return self.embedding

    def get_output_embeddings(self) -> torch.nn.Module:
        return self.head

    def forward(self, input_ids, attention_mask, use_cache):
        del attention_mask, use_cache
        return SimpleNamespace(logits=self.head(self.embedding(input_ids)).view(*input_ids.shape, -1))


def test_model_that_cannot_pick_positions_computes_all(tiny):
    base, codec, rows = base_and_rows(tiny, GPT2)
    odd = replace(base, model=Reshaping())
    assert not picks_positions(odd)
    batch = collate(rows, codec.pad, base.device, causal=True)
    batch = replace(batch, input_ids=batch.input_ids % 9)
    assert forward(odd, odd.model, batch, picks=False).shape == (len(batch.targets), 9)
    odd.model.get_output_embeddings = lambda: None
    assert not picks_positions(odd)
