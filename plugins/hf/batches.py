"""Training rows into tensors, and tensors into logits and labels. Imports torch."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from rtbench_plugins.hf.encoding import IGNORED, EncodedRow
from rtbench_plugins.hf.loading import Loaded

from rtbench.records import Family

_GROUP = {"decoder": 16, "encoder_decoder": 50}
"""Batches that are shuffled together and then sorted by length, so that little is padded."""


@dataclass(frozen=True)
class Batch:
    """Tensors of one step, on the device."""

    input_ids: torch.Tensor
    """Shape (rows, longest), padded on the right; packed: (1, tokens of all rows)."""
    attention_mask: torch.Tensor | None
    """None where it is packed: each row looks at itself alone."""
    labels: torch.Tensor
    position_ids: torch.Tensor | None
    """Of packed rows: each begins at 0."""
    first: int
    """Decoder: columns before it have no label to predict, in any row."""


def collate(rows: Sequence[EncodedRow], pad: int, device: torch.device, *, causal: bool) -> Batch:
    """Pads rows on the right. A decoder's labels are as long as its inputs; an encoder-decoder's have their own
    length."""
    width = max(len(row.input_ids) for row in rows)
    label_width = max(len(row.labels) for row in rows)
    assert not causal or width == label_width
    inputs = torch.full((len(rows), width), pad)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    labels = torch.full((len(rows), label_width), IGNORED)
    for at, row in enumerate(rows):
        inputs[at, : len(row.input_ids)] = torch.tensor(row.input_ids)
        mask[at, : len(row.input_ids)] = 1
        labels[at, : len(row.labels)] = torch.tensor(row.labels)
    first = min(row.labels.index(next(label for label in row.labels if label != IGNORED)) for row in rows) - 1
    return Batch(inputs.to(device), mask.to(device), labels.to(device), None, max(0, first))


def pack(rows: Sequence[EncodedRow], device: torch.device) -> Batch:
    """Puts a decoder's rows one behind the other, without padding. Their first tokens have no label, so that no row is
    asked for the beginning of the next."""
    assert all(row.labels[0] == IGNORED for row in rows)
    inputs = torch.cat([torch.tensor(row.input_ids) for row in rows])[None]
    labels = torch.cat([torch.tensor(row.labels) for row in rows])[None]
    positions = torch.cat([torch.arange(len(row.input_ids)) for row in rows])[None]
    return Batch(inputs.to(device), None, labels.to(device), positions.to(device), 0)


def forward(base: Loaded, model: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and the labels they are to meet, aligned, shapes (…, vocabulary) and (…). Logits are the largest tensor by
    far; most of those that no label needs are not computed.

    Args:
        base: its model tells what can be asked of it.
        model: the same, or what it is wrapped in.
        batch: rows.
    """
    if base.family == "encoder_decoder":
        shifted = base.model.prepare_decoder_input_ids_from_labels(labels=batch.labels)
        inputs = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
        return model(**inputs, decoder_input_ids=shifted, use_cache=False).logits, batch.labels
    fewer = "logits_to_keep" in inspect.signature(base.model.forward).parameters
    targets = batch.labels[:, 1:]
    more: dict[str, Any]
    if batch.position_ids is not None:
        needed = (targets[0] != IGNORED).nonzero()[:, 0]
        more = {"logits_to_keep": needed} if fewer else {}
        logits = model(input_ids=batch.input_ids, position_ids=batch.position_ids, use_cache=False, **more).logits
        return logits if fewer else logits[:, needed], targets[:, needed]
    more = {"logits_to_keep": batch.labels.shape[1] - batch.first} if fewer else {}
    logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False, **more).logits
    return logits[:, :-1], targets[:, batch.first :] if fewer else targets


def epoch_batches(rows: Sequence[EncodedRow], size: int, seed: int, family: Family) -> Iterator[list[EncodedRow]]:
    """Yields every row once, in random batches of rows of like length."""
    many = size * _GROUP[family]
    generator = torch.Generator().manual_seed(seed)
    order: list[int] = torch.randperm(len(rows), generator=generator).tolist()
    batches: list[list[int]] = []
    for at in range(0, len(order), many):
        drawn = order[at : at + many]
        if family == "decoder":
            group = sorted(drawn, key=lambda index: rows[index].length)
        else:
            group = _by_both_lengths(drawn, rows, size)
        batches += [group[start : start + size] for start in range(0, len(group), size)]
    for index in torch.randperm(len(batches), generator=generator).tolist():
        yield [rows[row] for row in batches[index]]


def _by_both_lengths(group: Sequence[int], rows: Sequence[EncodedRow], size: int) -> list[int]:
    """Input and labels are padded apart: in order of the labels' lengths, and runs of some batches in order of the inputs',
    up and down in turn, so that a batch over the end of a run is of like rows too."""
    run = size * max(1, math.isqrt(-(-len(group) // size)))
    ordered = sorted(group, key=lambda index: len(rows[index].labels))
    runs = (ordered[start : start + run] for start in range(0, len(ordered), run))
    return [
        index
        for number, part in enumerate(runs)
        for index in sorted(part, key=lambda index: len(rows[index].input_ids), reverse=number % 2 == 1)
    ]


@torch.no_grad()
def keeps_rows_apart(base: Loaded) -> bool:
    """Whether a packed row's logits are its own: what stands before it is changed, and they must stay as they are. Not so
    where a layer looks at neighbours without regard to positions (convolutions, recurrent states) or the model has no
    ``position_ids``."""
    if base.family != "decoder" or "position_ids" not in inspect.signature(base.model.forward).parameters:
        return False
    vocabulary, length = base.model.get_input_embeddings().weight.shape[0], 8
    own = torch.arange(length, device=base.device) % vocabulary
    positions = torch.arange(length, device=base.device).repeat(2)[None]
    model = base.model
    was_training = model.training
    model.eval()
    before = [own.roll(1), (own + 1) % vocabulary]
    first, second = (
        model(input_ids=torch.cat([one, own])[None], position_ids=positions, use_cache=False).logits[0, length:]
        for one in before
    )
    model.train(was_training)
    return torch.equal(first, second)
