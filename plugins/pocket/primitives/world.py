"""Primitive of single facts of the small world."""

from __future__ import annotations

import random

from rtbench_plugins.pocket.primitives.pieces import Document, Piece, fixed, free
from rtbench_tasks.common.world import one_fact


def known_fact(rng: random.Random) -> Document:
    """Return several facts, which are not combined with each other."""
    out: list[Piece] = []
    for _ in range(rng.randint(6, 12)):
        fact = one_fact(rng)
        out += [free((" " if out else "") + fact.text_before), fixed(fact.value + fact.text_after)]
    return out
