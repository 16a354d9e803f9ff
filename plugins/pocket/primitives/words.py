"""Primitive of random words of the vocabulary, copied, so that no word is new to a student. It says nothing else of them."""

from __future__ import annotations

import random
import re
from functools import cache

from rtbench_plugins.pocket.primitives.pieces import Document, fixed, free
from rtbench_plugins.pocket.tokenizer import VOCABULARY_FILE


def any_words(rng: random.Random) -> Document:
    """Return a random segment of words and marks, and its repetition."""
    spaced, bare = _words()
    if rng.random() < 0.8:
        segment = "".join(rng.choices(spaced, k=rng.randint(4, 14)))
    else:
        segment = "".join(f"\n{word}" for word in rng.choices(bare, k=rng.randint(3, 8)))
    return [free(segment + " ."), fixed(segment + " .")]


@cache
def _words() -> tuple[list[str], list[str]]:
    """Return the words of the vocabulary with a space before them, and those that begin a line."""
    pieces = VOCABULARY_FILE.read_text(encoding="utf-8").split("\n")
    spaced = [f" {piece[1:]}" for piece in pieces if re.fullmatch(r"Ġ(?:[A-Za-z]+|###|-->)", piece)]
    return spaced, [piece for piece in pieces if re.fullmatch(r"[A-Za-z]{2,}", piece)]
