"""The pre-training text: primitives by weight, and rows of them in tokens. Imports no torch."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rtbench_plugins.pocket.primitives import (
    arithmetic,
    calendar,
    choices,
    context,
    letters,
    phrases,
    state,
    words,
    world,
)
from rtbench_plugins.pocket.primitives.pieces import Document, Piece, Primitive

FREE_WEIGHT = 0.1
"""Loss weight of tokens that nothing determines; those that something does count 1."""
WEIGHTS: dict[Primitive, float] = {
    context.repeats: 5,
    context.copied_list: 6,
    context.kth_item: 6,
    context.holdings: 16,
    context.events: 9,
    context.key_values: 6,
    choices.options: 14,
    arithmetic.equations: 16,
    arithmetic.updates: 9,
    arithmetic.comparisons: 6,
    arithmetic.counting: 2,
    state.swaps: 12,
    state.flips: 5,
    letters.spelling: 7,
    letters.joining: 5,
    calendar.dates: 9,
}
"""Shares of documents (not of tokens)."""
LATER: dict[Primitive, float] = {
    phrases.phrases: 40,
    world.known_fact: 12,
    words.any_words: 12,
    state.bare_flips: 8,
}
"""Weights of what comes in beside them in the second half: what is said last is kept best."""
LATER_FROM = 0.5
_ALL = WEIGHTS | LATER
WARM_UP, WARM_UP_SHARE = 0.12, 0.6
"""Over this part of training, bare repetition falls from this share of documents to its own: induction comes first."""


@dataclass(frozen=True)
class TokenRow:
    """One training row."""

    ids: list[int]
    weights: list[float]
    """Of the loss on each token; the first token's is never used."""


def document(rng: random.Random, progress: float) -> Document:
    """One document, or a few joined by a space or a line break.

    Args:
        rng: decides all.
        progress: part of the training that is over; bare repetition stands at the beginning, :data:`LATER` in the second half.
    """
    if rng.random() < WARM_UP_SHARE * (1 - progress / WARM_UP):
        return context.repeats(rng)
    count = 1 if rng.random() < 0.6 else rng.randint(2, 3)
    weights = WEIGHTS if progress < LATER_FROM else _ALL
    made = rng.choices(list(weights), list(weights.values()), k=count)
    out = list(made[0](rng))
    for primitive in made[1:]:
        text, determined = (following := primitive(rng))[0]
        out += [Piece(rng.choice((" ", "\n")) + text, determined), *following[1:]]
    return out


def text_of(pieces: Document) -> str:
    return "".join(piece.text for piece in pieces)


def rows(tokenizer: Any, seed: int, *, first: int, count: int, progress: float) -> list[TokenRow]:
    """Documents ``first`` to ``first + count`` of a seed, in tokens, each with the end mark behind it."""
    documents = [document(random.Random(f"{seed}/{at}"), progress) for at in range(first, first + count)]  # noqa: S311
    pieces = [piece for one in documents for piece in one]
    encoded = iter(tokenizer([piece.text for piece in pieces], add_special_tokens=False)["input_ids"])
    out: list[TokenRow] = []
    for one in documents:
        ids: list[int] = []
        weights: list[float] = []
        for piece in one:
            found = next(encoded)
            ids += found
            weights += [1.0 if piece.determined else FREE_WEIGHT] * len(found)
        out.append(TokenRow([*ids, tokenizer.eos_token_id], [*weights, FREE_WEIGHT]))
    return out


def batches(rows: Sequence[TokenRow], tokens: int, rng: random.Random) -> Iterator[list[TokenRow]]:
    """Rows of like length together, about ``tokens`` a batch with padding, in random order."""
    ordered = sorted(rows, key=lambda row: len(row.ids))
    made: list[list[TokenRow]] = []
    batch: list[TokenRow] = []
    for row in ordered:
        if batch and len(row.ids) * (len(batch) + 1) > tokens:
            made.append(batch)
            batch = []
        batch.append(row)
    if batch:
        made.append(batch)
    rng.shuffle(made)
    yield from made
