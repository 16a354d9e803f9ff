"""Pieces of documents, and words that several primitives use."""

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
"""1 in 10 operand pairs is never in the text; the probes use these pairs."""


FREE_WEIGHT = 0.1
"""Loss weight of tokens that are not determined; determined tokens have weight 1."""
SENTENCE_WEIGHT = 0.3
"""Loss weight of the twins' sentences, which are not determined, but which a student has to generate similarly."""


class Piece(NamedTuple):
    """A piece of text in a document."""

    text: str
    weight: float
    """Loss weight of its tokens."""

    @property
    def determined(self) -> bool:
        """Return whether it follows from the text before it or from the small world."""
        return self.weight == 1.0


Document = list[Piece]
Primitive = Callable[[random.Random], Document]


def free(text: str) -> Piece:
    """Return a piece that is not determined."""
    return Piece(text, FREE_WEIGHT)


def fixed(text: str) -> Piece:
    """Return a determined piece."""
    return Piece(text, 1.0)


def told(text: str) -> Piece:
    """Return a piece of a twin's sentence."""
    return Piece(text, SENTENCE_WEIGHT)


def held_out(op: str, a: int | str, b: int | str) -> bool:
    """Return whether a calculation is held out for the probes, ``a + b`` together with ``b + a``, and products likewise."""
    first, second = sorted((int(a), int(b))) if op in "+*" else (a, b)
    return zlib.crc32(f"{op}/{first}/{second}".encode()) % HELD_OUT == 0


def pool(rng: random.Random) -> Sequence[str]:
    """Return a pool of words of a random kind, from which a list can be filled."""
    kind = rng.randrange(7)
    if kind == 0:
        return [str(n) for n in rng.sample(range(1, 200), 12)]
    if kind == 1:
        return ALPHABET
    if kind == 2:
        return [f"{rng.choice(COLOURS)} {rng.choice(ITEMS)}" for _ in range(14)]
    return (NAMES, THINGS, COLOURS, PLACES + DAYS)[kind - 3]


def distinct(rng: random.Random, pool: Sequence[str], count: int) -> list[str]:
    """Return up to ``count`` different words of a pool, in random order."""
    return rng.sample(sorted(set(pool)), min(count, len(set(pool))))


def joined(items: Sequence[str], rng: random.Random) -> str:
    """Return a list as text, in one of three ways of writing."""
    return listed(items, (", ", ", and ", " and ")[rng.randrange(3)])
