"""Which fold a pattern belongs to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from rtbench.schema.base import Fold

FOLDS: tuple[Fold, ...] = ("train", "validation", "test", "ood")
Bounds = Sequence[tuple[float, Fold]]
"""Upper ends of the folds' parts of [0, 1)."""


def bounds_of(sizes: Mapping[Fold, int]) -> Bounds:
    """Parts as large as the folds are."""
    total, at = sum(sizes.values()), 0.0
    out: list[tuple[float, Fold]] = []
    for fold, size in sizes.items():
        at += size / total
        out.append((at, fold))
    return out


def fold_of(pattern: str, seed: int, bounds: Bounds) -> Fold:
    """Whose a pattern is under a seed: decided by a hash, so that no draw depends on what was drawn before."""
    digest = hashlib.blake2b(f"{seed}/{pattern}".encode(), digest_size=8).digest()
    place = int.from_bytes(digest, "big") / 2**64
    return next((fold for end, fold in bounds if place < end), bounds[-1][1])
