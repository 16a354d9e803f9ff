"""The assignment of patterns to folds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from rtbench.schema.base import Fold

FOLDS: tuple[Fold, ...] = ("train", "validation", "test", "ood")
Bounds = Sequence[tuple[float, Fold]]
"""Upper ends of the folds' intervals in [0, 1)."""


def bounds_of(sizes: Mapping[Fold, int]) -> Bounds:
    """Return intervals in proportion to the folds' sizes."""
    total, end = sum(sizes.values()), 0.0
    bounds: list[tuple[float, Fold]] = []
    for fold, size in sizes.items():
        end += size / total
        bounds.append((end, fold))
    return bounds


def fold_of(pattern: str, seed: int, bounds: Bounds) -> Fold:
    """Return the fold of a pattern under a seed. A hash decides it, so that it does not depend on earlier draws."""
    digest = hashlib.blake2b(f"{seed}/{pattern}".encode(), digest_size=8).digest()
    place = int.from_bytes(digest, "big") / 2**64
    return next((fold for end, fold in bounds if place < end), bounds[-1][1])
