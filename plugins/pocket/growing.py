"""Growing of a small base model into a larger one that computes the same, and is trained further. Imports torch.

This is Net2Net (source: Chen, Goodfellow, Shlens 2016, arXiv 1511.05641) for this architecture. New weights that read have
random values and new weights that write are zero, so the larger model computes the same as the smaller. The weights that
write learn from the first step, those that read from the second.
A larger size then needs only a fraction of the pre-training that it would need from random weights.
"""

from __future__ import annotations

from typing import Any

import torch

_WRITERS = ("out_proj.weight", "w2.weight")
"""Matrices that write into the residual stream."""


@torch.no_grad()
def grow(small: Any, large: Any) -> None:
    """Copy the weights of an LFM2 model into a larger, newly initialised one.

    Args:
        small: the model that is grown.
        large: the model that gets its weights, changed in place. It must be at least as wide, begin with the same layers,
            and have heads of the same width and the same vocabulary.

    Raises:
        ValueError: the shapes do not allow it.
    """
    few, many = small.config.layer_types, large.config.layer_types
    if few != many[: len(few)] or small.config.vocab_size != large.config.vocab_size:
        raise ValueError("the larger model must begin with the smaller one's layers and have its vocabulary")
    before, after = small.config.hidden_size, large.config.hidden_size
    if before // small.config.num_attention_heads != after // large.config.num_attention_heads:
        raise ValueError("both models must have heads of the same width")
    if before > after or small.config.intermediate_size > large.config.intermediate_size:
        raise ValueError("the larger model must be as wide as the smaller one, or wider")
    old = dict(small.named_parameters())
    for name, parameter in large.named_parameters():
        if name.endswith(_WRITERS) or "embed_tokens" in name:
            parameter.zero_()  # also in new layers, which do not contribute yet
        if name not in old:
            continue
        if name.endswith("conv.in_proj.weight"):  # three stacked matrices
            pairs = zip(parameter.chunk(3), old[name].chunk(3), strict=True)
        elif name.endswith("_norm.weight"):
            # A norm divides by the root mean square over all dimensions, most of which are now zero.
            pairs = zip((parameter,), (old[name] * (before / after) ** 0.5,), strict=True)
        else:
            pairs = zip((parameter,), (old[name],), strict=True)
        for new, kept in pairs:
            new[tuple(slice(0, length) for length in kept.shape)] = kept
