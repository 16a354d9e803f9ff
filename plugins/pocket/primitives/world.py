"""Facts of the small world, one at a time."""

from __future__ import annotations

import random

from rtbench_plugins.pocket.primitives.pieces import Document, Piece, fixed, free
from rtbench_tasks.common.world import one_fact


def known_fact(rng: random.Random) -> Document:
    """Some facts, each by itself; none is joined to another."""
    out: list[Piece] = []
    for _ in range(rng.randint(6, 12)):
        said = one_fact(rng)
        out += [free((" " if out else "") + said.text_before), fixed(said.value + said.text_after)]
    return out
