"""Attention by plain products, for training in bfloat16 on a CPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from rtbench_plugins.hf import attention
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from tests.plugins.hf.conftest import Tiny

LLAMA: dict[str, Any] = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2,
}  # fmt: skip
MODELS = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**LLAMA)),
    "gpt2": lambda: GPT2LMHeadModel(
        GPT2Config(vocab_size=64, n_embd=32, n_layer=2, n_head=4, resid_pdrop=0.0, attn_pdrop=0.0, embd_pdrop=0.0)
    ),
}


def gradients(model: Any, *, products: bool) -> list[torch.Tensor]:
    tokens = torch.arange(24).reshape(2, 12)
    mask = torch.ones_like(tokens)
    mask[1, 9:] = 0  # padded on the right
    model.zero_grad()
    with attention.by_products(model, bf16=products, device=torch.device("cpu")):
        assert (model.config._attn_implementation == attention.NAME) == products
        model(input_ids=tokens, attention_mask=mask).logits[mask.bool()].square().sum().backward()
    assert model.config._attn_implementation == "sdpa"
    return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("most", [1 << 23, 0])
def test_products_give_the_gradients_of_the_librarys_attention(
    name: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where rows are too long for it, so that the library's attention is used after all."""
    monkeypatch.setattr(attention, "_MOST_SCORES", most)
    torch.manual_seed(0)
    model = MODELS[name]()
    expected, found = gradients(model, products=False), gradients(model, products=True)
    assert len(expected) == len(found)
    for one, other in zip(expected, found, strict=True):
        assert torch.allclose(one, other, atol=1e-4, rtol=1e-3)


def test_checkpoint_does_not_name_our_attention(tiny: Tiny, tmp_path: Path) -> None:
    student = tiny.student("decoder", dtype="bfloat16", device="cpu")
    report = student.train(tiny.job(tmp_path))
    assert report.history[-1]["train_loss"] < report.history[0]["train_loss"] * 1.1
    for file in (tmp_path / "checkpoint").glob("*.json"):
        assert attention.NAME not in json.dumps(json.loads(file.read_text()))
