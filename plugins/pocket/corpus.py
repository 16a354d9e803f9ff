"""Pre-training text: primitives with their weights, and rows of documents in tokens. Imports no torch."""

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
"""Relative frequency of each primitive among documents (not tokens). Every primitive, and with :func:`~.words.any_words`
every word, occurs from the beginning: a model that first sees a word late has learned never to generate it."""
WARM_UP, WARM_UP_SHARE = 0.12, 0.6
"""Over the fraction ``WARM_UP`` of training, bare repetition falls from the fraction ``WARM_UP_SHARE`` of documents to its
own frequency, so that induction is learned first."""


@dataclass(frozen=True)
class TokenRow:
    """A training row in tokens."""

    ids: list[int]
    weights: list[float]
    """Loss weight of each token; the first is never used."""


def document(rng: random.Random, progress: float) -> Document:
    """Return a document, or a few documents joined by spaces or line breaks.

    Args:
        rng: source of all random choices.
        progress: fraction of the training that is done, which decides the frequency of bare repetition.
    """
    if rng.random() < WARM_UP_SHARE * (1 - progress / WARM_UP):
        return context.repeats(rng)
    count = 1 if rng.random() < 0.6 else rng.randint(2, 3)
    primitives = rng.choices(list(WEIGHTS), list(WEIGHTS.values()), k=count)
    out = list(primitives[0](rng))
    for primitive in primitives[1:]:
        text, weight = (following := primitive(rng))[0]
        out += [Piece(rng.choice((" ", "\n")) + text, weight), *following[1:]]
    return out


def text_of(pieces: Document) -> str:
    """Return the text of a document."""
    return "".join(piece.text for piece in pieces)


def rows(tokenizer: Any, stream: str, *, first: int, count: int, progress: float) -> list[TokenRow]:
    """Return the documents ``first`` to ``first + count - 1`` of a stream, in tokens, each followed by the end mark."""
    documents = [document(random.Random(f"{stream}/{at}"), progress) for at in range(first, first + count)]  # noqa: S311
    pieces = [piece for each in documents for piece in each]
    encoded = iter(tokenizer([piece.text for piece in pieces], add_special_tokens=False)["input_ids"])
    out: list[TokenRow] = []
    for each in documents:
        ids: list[int] = []
        weights: list[float] = []
        for piece in each:
            tokens = next(encoded)
            ids += tokens
            weights += [piece.weight] * len(tokens)
        out.append(TokenRow([*ids, tokenizer.eos_token_id], [*weights, FREE_WEIGHT]))
    return out


def batches(rows: Sequence[TokenRow], tokens: int, rng: random.Random) -> Iterator[list[TokenRow]]:
    """Yield batches of rows with similar lengths, in random order, with about ``tokens`` tokens each, including padding."""
    ordered = sorted(rows, key=lambda row: len(row.ids))
    grouped: list[list[TokenRow]] = []
    batch: list[TokenRow] = []
    for row in ordered:
        if batch and len(row.ids) * (len(batch) + 1) > tokens:
            grouped.append(batch)
            batch = []
        batch.append(row)
    if batch:
        grouped.append(batch)
    rng.shuffle(grouped)
    yield from grouped
