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
from rtbench_plugins.pocket.primitives.pieces import FREE_WEIGHT, Document, Piece, Primitive

WEIGHTS: dict[Primitive, float] = {
    context.repeats: 5,
    context.copied_list: 6,
    context.kth_item: 6,
    context.holdings: 12,
    context.who_has: 12,
    context.events: 9,
    context.key_values: 6,
    choices.options: 22,
    arithmetic.equations: 22,
    arithmetic.updates: 10,
    arithmetic.comparisons: 7,
    arithmetic.counting: 2,
    state.swaps: 12,
    state.flips: 5,
    state.bare_flips: 5,
    letters.spelling: 8,
    letters.joining: 6,
    calendar.dates: 12,
    words.any_words: 8,
    world.known_fact: 12,
    phrases.phrases: 30,
}
"""Shares of documents (not of tokens). A word that comes in late is one that training has learned never to write, so
every primitive, and with :func:`~.words.any_words` every word, is there from the beginning."""
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
        progress: part of the training that is over; bare repetition stands at the beginning.
    """
    if rng.random() < WARM_UP_SHARE * (1 - progress / WARM_UP):
        return context.repeats(rng)
    count = 1 if rng.random() < 0.6 else rng.randint(2, 3)
    made = rng.choices(list(WEIGHTS), list(WEIGHTS.values()), k=count)
    out = list(made[0](rng))
    for primitive in made[1:]:
        text, weight = (following := primitive(rng))[0]
        out += [Piece(rng.choice((" ", "\n")) + text, weight), *following[1:]]
    return out


def text_of(pieces: Document) -> str:
    return "".join(piece.text for piece in pieces)


def rows(tokenizer: Any, stream: str, *, first: int, count: int, progress: float) -> list[TokenRow]:
    """Documents ``first`` to ``first + count`` of a stream, in tokens, each with the end mark behind it."""
    documents = [document(random.Random(f"{stream}/{at}"), progress) for at in range(first, first + count)]  # noqa: S311
    pieces = [piece for one in documents for piece in one]
    encoded = iter(tokenizer([piece.text for piece in pieces], add_special_tokens=False)["input_ids"])
    out: list[TokenRow] = []
    for one in documents:
        ids: list[int] = []
        weights: list[float] = []
        for piece in one:
            found = next(encoded)
            ids += found
            weights += [piece.weight] * len(found)
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
