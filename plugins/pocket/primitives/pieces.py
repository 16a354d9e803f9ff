"""Documents in pieces, and the words that several primitives use."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rtbench_tasks.common.text import listed
from rtbench_tasks.common.words import COLOURS, DAYS, NAMES, PLACES, THINGS

LETTERS = "ABCDEFGH"
ALPHABET = "abcdefghijklmnopqrstuvwxyz"
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
VERBS = (
    ("runs", "run"), ("sings", "sing"), ("waits", "wait"), ("sleeps", "sleep"), ("reads", "read"), ("cooks", "cook"),
    ("flips", "flip"), ("turns", "turn"), ("jumps", "jump"), ("writes", "write"), ("paints", "paint"),
    ("smiles", "smile"),
)  # fmt: skip
ITEMS = (
    "ball", "book", "box", "cake", "card", "chair", "coin", "cup", "flower", "gift", "hat", "kite", "lamp", "mug",
    "pen", "pencil", "photo", "pie", "plate", "present", "ring", "shirt", "spoon", "stamp", "stone", "toy",
)  # fmt: skip
HELD_OUT = 10
"""One in so many operand pairs is never shown; the probes ask those."""


FREE_WEIGHT = 0.1
"""Loss weight of tokens that nothing determines; those that something does count 1."""
SENTENCE_WEIGHT = 0.3
"""Loss weight of the twins' sentences: nothing determines them, but a student has to write their like."""


class Piece(NamedTuple):
    """A run of text in a document."""

    text: str
    weight: float
    """Of the loss on its tokens."""

    @property
    def determined(self) -> bool:
        """Whether the text before it, or the small world, fixes it."""
        return self.weight == 1.0


Document = list[Piece]
Primitive = Callable[[random.Random], Document]


def free(text: str) -> Piece:
    return Piece(text, FREE_WEIGHT)


def fixed(text: str) -> Piece:
    return Piece(text, 1.0)


def told(text: str) -> Piece:
    return Piece(text, SENTENCE_WEIGHT)


def held_out(op: str, a: int | str, b: int | str) -> bool:
    """Whether this calculation is kept for the probes; ``a + b`` and ``b + a`` are one, and so are products."""
    first, second = sorted((int(a), int(b))) if op in "+*" else (a, b)
    return zlib.crc32(f"{op}/{first}/{second}".encode()) % HELD_OUT == 0


def pool(rng: random.Random) -> Sequence[str]:
    """Some kind of words to fill a list with."""
    kind = rng.randrange(7)
    if kind == 0:
        return [str(n) for n in rng.sample(range(1, 200), 12)]
    if kind == 1:
        return ALPHABET
    if kind == 2:
        return [f"{rng.choice(COLOURS)} {rng.choice(ITEMS)}" for _ in range(14)]
    return (NAMES, THINGS, COLOURS, PLACES + DAYS)[kind - 3]


def distinct(rng: random.Random, pool: Sequence[str], count: int) -> list[str]:
    return rng.sample(sorted(set(pool)), min(count, len(set(pool))))


def joined(items: Sequence[str], rng: random.Random) -> str:
    """A list, as one of three ways of writing puts it."""
    return listed(items, (", ", ", and ", " and ")[rng.randrange(3)])
