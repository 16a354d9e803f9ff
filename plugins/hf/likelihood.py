"""How likely a model finds the labels of training rows. Imports torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from rtbench_plugins.hf.encoding import Codec, EncodedRow, encode_rows
from rtbench_plugins.hf.loaded import LoadedModel
from rtbench_plugins.hf.network import Network
from torch.nn import functional

from rtbench.api import Progress, Recipe, TrainingRow

_LOGITS = 1 << 28
"""Highest number of bytes of a batch's logits."""


def likelihoods(
    base: LoadedModel, codec: Codec, rows: Sequence[TrainingRow], recipe: Recipe, progress: Progress
) -> Iterator[tuple[int, float]]:
    """Yield the number of tokens of each row's label, and their negative log-likelihood in nats, in order.

    Args:
        base: the model.
        codec: its tokenizer.
        rows: the rows.
        recipe: lengths at which prompts and labels are cut.
        progress: receives the number of rows done.
    """
    encoded = encode_rows(codec, rows, recipe)
    network = Network(base, codec.pad)
    found: dict[int, tuple[int, float]] = {}
    vocabulary = base.model.get_output_embeddings().weight.shape[0]
    for places in _batches(encoded, most=_LOGITS // (4 * vocabulary)):
        for place, nats in zip(places, _nats(network, [encoded[place] for place in places]), strict=True):
            found[place] = (encoded[place].supervised, nats)
        progress(len(found), len(encoded), "rows")
    yield from (found[place] for place in range(len(encoded)))


@torch.inference_mode()
def _nats(network: Network, rows: Sequence[EncodedRow]) -> list[float]:
    logits, batch = network.logits(rows)
    each = functional.cross_entropy(logits.float(), batch.targets, reduction="none").double()
    parts = torch.split(each, [row.supervised for row in rows])
    return [float(part.sum()) for part in parts]


def _batches(rows: Sequence[EncodedRow], most: int) -> Iterator[list[int]]:
    """Yield the places of rows of similar length, in batches of at most so many tokens with padding, or of one row."""
    part: list[int] = []
    for place in sorted(range(len(rows)), key=lambda place: (rows[place].length, place)):
        if part and (len(part) + 1) * rows[place].length > most:
            yield part
            part = []
        part.append(place)
    if part:
        yield part
