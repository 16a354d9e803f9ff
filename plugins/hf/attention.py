"""Attention for training in bfloat16 on a CPU. Imports torch.

In a training of a model with 135M parameters, torch's fused attention took a fifth of the time of a step, most of it in its
backward pass (docs/experiments.md, 2026-11-29). For rows of usual length, plain products are faster.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch.nn import functional
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, eager_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

NAME = "rtbench_products"
_MOST_SCORES = 1 << 23
"""Highest number of attention scores of a layer; above, torch's attention is used, which does not keep them."""


def products(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **more: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the attention's output, shape (rows, length, heads, width), in the form of transformers' interface."""
    rows, heads, length, width = query.shape
    special = any(more.get(name) is not None for name in ("softcap", "position_bias", "cache"))
    if attention_mask is None or special or rows * heads * length * key.shape[2] > _MOST_SCORES:
        mask = None if attention_mask is None else attention_mask.to(query.dtype)
        output: tuple[torch.Tensor, torch.Tensor | None] = sdpa_attention_forward(
            module, query, key, value, mask, scaling=scaling, dropout=dropout, **more
        )
        return output
    kept = key.shape[1]  # several heads of the query share a head of keys and values
    grouped = query.reshape(rows, kept, heads // kept * length, width) * (scaling or width**-0.5)
    scores = (grouped @ key.transpose(2, 3)).view(rows, heads, length, -1)
    weights = functional.softmax(scores + attention_mask, dim=-1, dtype=torch.float32).to(query.dtype)
    weights = functional.dropout(weights, dropout, module.training)
    out = (weights.view(rows, kept, heads // kept * length, -1) @ value).view(rows, heads, length, width)
    return out.transpose(1, 2).contiguous(), None


@contextlib.contextmanager
def by_products(model: Any, *, bf16: bool, device: torch.device) -> Iterator[None]:
    """Use plain products for attention where they are faster, and torch's attention again afterwards.

    Args:
        model: of transformers.
        bf16: whether it computes in bfloat16.
        device: of the model.
    """
    able = bf16 and device.type == "cpu" and getattr(model.config, "_attn_implementation", "") == "sdpa"
    if not able or not model._can_set_attn_implementation():  # noqa: SLF001 - there is no public question
        yield
        return
    ALL_ATTENTION_FUNCTIONS.register(NAME, products)
    ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, eager_mask)
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation("sdpa")
