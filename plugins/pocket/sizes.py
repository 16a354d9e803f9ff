"""Sizes of the pocket base models. Imports no torch."""

from __future__ import annotations

import msgspec

from rtbench.api import Record

VOCABULARY = 1536
"""Number of rows of the embedding; rows after the tokenizer's last word are never used."""


class Size(Record, frozen=True):
    """Shape and pre-training of a base model."""

    width: int
    feed_forward: int
    heads: int
    layers: tuple[str, ...]
    """Types of the layers from the bottom up: ``conv`` (short convolution) or ``full_attention``."""
    tokens: int
    """Tokens of the whole pre-training, without padding."""
    batch_tokens: int
    """Tokens per step, with padding."""
    matrix_rate: float
    """Learning rate of Muon."""
    rate: float = 4e-3
    """Learning rate of AdamW, for embeddings, norms and convolutions."""
    grown_from: str = ""
    """Shipped smaller model whose weights it begins with; empty: it begins with random weights."""


SIZES: dict[str, Size] = {
    "pocket-0.5m": Size(
        width=96, feed_forward=256, heads=3, layers=("conv", *["full_attention"] * 3),
        tokens=16_000_000, batch_tokens=2048, matrix_rate=8e-3,
    ),
    "pocket-2m": Size(
        width=160, feed_forward=432, heads=5, layers=("conv", *["full_attention"] * 4),
        tokens=7_000_000, batch_tokens=2048, matrix_rate=6e-3, rate=3e-3, grown_from="pocket-0.5m",
    ),
    "pocket-6m": Size(
        width=256, feed_forward=688, heads=8, layers=("conv", *["full_attention"] * 6),
        tokens=4_500_000, batch_tokens=3072, matrix_rate=5e-3, rate=2.5e-3, grown_from="pocket-2m",
    ),
}  # fmt: skip


def described(size: Size) -> str:
    """Return a size in words: its name, and its budget where that differs from the one in :data:`SIZES`."""
    for name, own in SIZES.items():
        if msgspec.structs.replace(size, tokens=own.tokens) == own:
            return name if size.tokens == own.tokens else f"{name} with {size.tokens:,} tokens"
    return f"a model {size.width} wide with {size.tokens:,} tokens"
