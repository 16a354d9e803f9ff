"""Training rows into tensors, and tensors into logits and labels. Imports torch."""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from rtbench_plugins.hf.encoding import IGNORED, EncodedRow
from rtbench_plugins.hf.loading import LoadedModel
from torch.nn import functional

from rtbench.api import Family

_GROUP = {"decoder": 16, "encoder_decoder": 50}
"""Batches that are shuffled together and then sorted by length, so that little is padded."""


@dataclass(frozen=True)
class Batch:
    """Tensors of one step, on the device."""

    input_ids: torch.Tensor
    """Shape (rows, longest), padded on the right; packed: (1, tokens of all rows)."""
    attention_mask: torch.Tensor | None
    """None where it is packed: each row looks at itself alone."""
    labels: torch.Tensor | None
    """Of an encoder-decoder, which makes its decoder's input of them, shape (rows, longest)."""
    position_ids: torch.Tensor | None
    """Of packed rows: each begins at 0."""
    needed: torch.Tensor
    """Positions whose next token is a label, counted through all rows of the output, shape (labels,)."""
    targets: torch.Tensor
    """Those labels, shape (labels,)."""


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
    return _batch(inputs, mask, labels, None, device, causal=causal)


def pack(rows: Sequence[EncodedRow], device: torch.device) -> Batch:
    """Puts a decoder's rows one behind the other, without padding. Their first tokens have no label, so that no row is
    asked for the beginning of the next."""
    assert all(row.labels[0] == IGNORED for row in rows)
    inputs = torch.cat([torch.tensor(row.input_ids) for row in rows])[None]
    labels = torch.cat([torch.tensor(row.labels) for row in rows])[None]
    positions = torch.cat([torch.arange(len(row.input_ids)) for row in rows])[None]
    return _batch(inputs, None, labels, positions, device, causal=True)


def _batch(
    inputs: torch.Tensor,
    mask: torch.Tensor | None,
    labels: torch.Tensor,
    positions: torch.Tensor | None,
    device: torch.device,
    *,
    causal: bool,
) -> Batch:
    # A decoder's output at a token is of the one after it.
    following = functional.pad(labels[:, 1:], (0, 1), value=IGNORED) if causal else labels
    needed = (following.flatten() != IGNORED).nonzero()[:, 0]  # here, where no GPU must be waited for
    targets = following.flatten()[needed]
    return Batch(
        input_ids=inputs.to(device),
        attention_mask=None if mask is None else mask.to(device),
        labels=None if causal else labels.to(device),
        position_ids=None if positions is None else positions.to(device),
        needed=needed.to(device),
        targets=targets.to(device),
    )


def forward(base: LoadedModel, model: Any, batch: Batch, *, picks: bool) -> torch.Tensor:
    """Logits of the positions that a label needs, shape (labels, vocabulary): the largest tensor by far.

    Args:
        base: its model tells what can be asked of it.
        model: the same, or what it is wrapped in.
        batch: rows.
        picks: :func:`picks_positions` of it: no others are computed.
    """
    inputs: dict[str, Any] = {"input_ids": batch.input_ids}
    if batch.attention_mask is not None:
        inputs["attention_mask"] = batch.attention_mask
    if batch.position_ids is not None:
        inputs["position_ids"] = batch.position_ids
    if base.family == "encoder_decoder":
        inputs["decoder_input_ids"] = base.model.prepare_decoder_input_ids_from_labels(labels=batch.labels)
    logits: torch.Tensor
    if not picks:
        logits = model(**inputs, use_cache=False).logits.flatten(0, 1)[batch.needed]
        return logits
    with _output_of(base.model, batch.needed):
        logits = model(**inputs, use_cache=False).logits
    return logits


@contextlib.contextmanager
def _output_of(model: Any, needed: torch.Tensor) -> Iterator[None]:
    """The output layer computes these positions alone."""

    def pick(_: Any, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return (given[0].flatten(0, 1)[needed], *given[1:])

    handle = model.get_output_embeddings().register_forward_pre_hook(pick)
    try:
        yield
    finally:
        handle.remove()


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
    """Input and labels are padded apart: in order of the labels' lengths, and runs of some batches in order of the inputs'."""
    run = size * max(1, math.isqrt(-(-len(group) // size)))
    ordered = sorted(group, key=lambda index: len(rows[index].labels))
    runs = (ordered[start : start + run] for start in range(0, len(ordered), run))
    return [index for part in runs for index in sorted(part, key=lambda index: len(rows[index].input_ids))]


@torch.no_grad()
def picks_positions(base: LoadedModel) -> bool:
    """Whether the model computes logits by one output layer, each position for itself, which may be given some of them:
    tried on a few tokens."""
    if getattr(base.model, "is_loaded_in_4bit", False):
        return False  # bitsandbytes on a CPU repacks weights for good when a model is but once put into evaluation
    if not hasattr(base.model, "get_output_embeddings") or base.model.get_output_embeddings() is None:
        return False
    tokens = torch.arange(6, device=base.device)[None] % base.model.get_input_embeddings().weight.shape[0]
    inputs = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
    if base.family == "encoder_decoder":
        inputs["decoder_input_ids"] = tokens
    needed = torch.tensor([1, 4], device=base.device)
    with _evaluated(base.model):
        whole = base.model(**inputs, use_cache=False).logits[0, needed]
        try:
            with _output_of(base.model, needed):
                part = base.model(**inputs, use_cache=False).logits
        except (RuntimeError, IndexError, ValueError):  # it goes on with a shape that this is not
            return False
    # Two hundredths: what bfloat16 rounds, and far below what other positions' logits would differ by.
    return whole.shape == part.shape and bool((whole - part).abs().max() <= 0.02 * whole.abs().max())


@contextlib.contextmanager
def _evaluated(model: Any) -> Iterator[None]:
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


@torch.no_grad()
def keeps_rows_apart(base: LoadedModel) -> bool:
    """Whether a packed row's logits are its own: what stands before it is changed, and they must stay as they are. Not so
    where a layer looks at neighbours without regard to positions (convolutions, recurrent states) or the model has no
    ``position_ids``."""
    if base.family != "decoder" or "position_ids" not in inspect.signature(base.model.forward).parameters:
        return False
    vocabulary, length = base.model.get_input_embeddings().weight.shape[0], 8
    own = torch.arange(length, device=base.device) % vocabulary
    positions = torch.arange(length, device=base.device).repeat(2)[None]
    before = [own.roll(1), (own + 1) % vocabulary]
    with _evaluated(base.model):
        first, second = (
            base.model(input_ids=torch.cat([one, own])[None], position_ids=positions, use_cache=False).logits[
                0, length:
            ]
            for one in before
        )
    return torch.equal(first, second)
