"""Generation in bfloat16 on a CPU: packed weights give the same products, and batches are as large as memory allows."""

from __future__ import annotations

import pytest
import torch
from rtbench_plugins.hf import models, packing
from torch import nn

from tests.plugins.hf.test_decoding import Watched

able = pytest.mark.skipif(not packing._able(), reason="this CPU has no products in bfloat16")


@able
@pytest.mark.parametrize("rows", [1, 3, 64])
@pytest.mark.parametrize("bias", [True, False])
def test_a_packed_layer_gives_the_same_product(rows: int, bias: bool) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(96, 200, bias=bias, dtype=torch.bfloat16)
    packed = packing.PackedLinear(linear, 16)
    given = torch.randn(2, rows, 96, dtype=torch.bfloat16)
    with torch.inference_mode():
        assert torch.allclose(packed(given), linear(given), rtol=0.02, atol=0.02)


@able
def test_layers_of_a_model_in_bfloat16_are_packed_and_others_are_not() -> None:
    def net(dtype: torch.dtype) -> nn.Module:
        return nn.Sequential(nn.Linear(32, 32), nn.Sequential(nn.Linear(32, 8), nn.ReLU())).to(dtype)

    assert packing.pack(net(torch.bfloat16), 4) == 2
    assert packing.pack(net(torch.float32), 4) == 0


@pytest.fixture
def llama(tiny, tmp_path):
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
    tiny.other(
        "decoder", tmp_path, LlamaConfig, LlamaForCausalLM, **sizes, num_attention_heads=4, num_key_value_heads=1
    )
    return lambda **options: tiny.student("decoder", model=str(tmp_path), **options).load(None, (), "f")


def test_texts_hardly_differ_from_those_of_unpacked_weights(tiny, llama, monkeypatch):
    """Rounding may change a token here and there, in texts of random weights more often than elsewhere."""
    requests = tiny.requests(40, max_new_tokens=6)
    packed = {one.key: one.text for one in llama(dtype="bfloat16").generate(requests)}
    monkeypatch.setattr(models, "pack", lambda model, rows: 0)
    plain = {one.key: one.text for one in llama(dtype="bfloat16").generate(requests)}
    assert sum(packed[key] == plain[key] for key in plain) >= 30


def test_shared_heads_are_counted_once(llama):
    """Four heads of queries share one of keys and values: a token takes a quarter of the memory."""
    model = llama()._base().model
    assert models._bytes_per_token(model) == 2 * 2 * (64 // 4) * 4


def test_rows_of_different_limits_are_generated_in_few_batches(tiny, llama, monkeypatch):
    """Rows that fit in equally large batches are together, although their limits alternate."""
    monkeypatch.setattr(models, "_CPU_CACHE_BYTES", 2000 * 2 * 2 * 16 * 4)
    requests = [tiny.request(at, row.prompt, max_new_tokens=(2, 200)[at % 2]) for at, row in enumerate(tiny.rows[:32])]
    model = llama(generation_batch=16)
    watched = Watched(model)
    assert len(list(model.generate(requests))) == 32
    assert watched.single < 3 * 200, "32 rows in turn would take 16 times 200 steps"
