"""Batches of training rows as tensors, and the forward pass over a batch. Imports torch."""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from rtbench_plugins.hf.encoding import IGNORED, EncodedRow
from rtbench_plugins.hf.loaded import LoadedModel
from torch.nn import functional

from rtbench.api import Family

_GROUP = {"decoder": 16, "encoder_decoder": 50}
"""Number of batches whose rows are drawn together and then sorted by length, to reduce padding."""


@dataclass(frozen=True)
class Batch:
    """Tensors of a batch, on the device."""

    input_ids: torch.Tensor
    """Shape (rows, longest), padded on the right; if packed, (1, tokens of all rows)."""
    attention_mask: torch.Tensor | None
    """None if packed, since each row then attends only to itself."""
    labels: torch.Tensor | None
    """Shape (rows, longest), for an encoder-decoder, whose decoder inputs are made from them; None for a decoder."""
    position_ids: torch.Tensor | None
    """Positions of packed rows, each row beginning at 0; None if not packed."""
    needed: torch.Tensor
    """Positions in the flattened output at which a label is predicted, shape (labels,)."""
    targets: torch.Tensor
    """The labels at these positions, shape (labels,)."""


def collate(rows: Sequence[EncodedRow], pad: int, device: torch.device, *, causal: bool) -> Batch:
    """Return a batch of rows padded on the right.

    A decoder's labels are as long as its inputs. An encoder-decoder's labels have their own length.
    """
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
    """Return a batch of a decoder's rows, concatenated without padding.

    The first token of each row has no label, so no row has to predict the beginning of the next.
    """
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
    # A decoder's output at a token predicts the next token.
    following = functional.pad(labels[:, 1:], (0, 1), value=IGNORED) if causal else labels
    needed = (following.flatten() != IGNORED).nonzero()[:, 0]  # computed on the CPU, which avoids waiting for a GPU
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
    """Return the logits at the positions with a label, shape (labels, vocabulary). This is by far the largest tensor.

    Args:
        base: the loaded model.
        model: the same model, possibly wrapped.
        batch: rows.
        picks: whether :func:`picks_positions` holds, so that no other positions are computed.
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
    """Make the output layer compute only these positions."""

    def pick(_: Any, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return (inputs[0].flatten(0, 1)[needed], *inputs[1:])

    handle = model.get_output_embeddings().register_forward_pre_hook(pick)
    try:
        yield
    finally:
        handle.remove()


def epoch_batches(rows: Sequence[EncodedRow], size: int, seed: int, family: Family) -> Iterator[list[EncodedRow]]:
    """Yield every row once, in random batches of rows with similar lengths."""
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
    """Return rows sorted by label length and, within runs of several batches, by input length.

    Inputs and labels are padded separately, so both lengths matter.
    """
    run = size * max(1, math.isqrt(-(-len(group) // size)))
    ordered = sorted(group, key=lambda index: len(rows[index].labels))
    runs = (ordered[start : start + run] for start in range(0, len(ordered), run))
    return [index for part in runs for index in sorted(part, key=lambda index: len(rows[index].input_ids))]


@torch.no_grad()
def picks_positions(base: LoadedModel) -> bool:
    """Return whether the output layer can be given only some of the positions.

    That is so if the model computes its logits by a single output layer, separately for each position. It is tested on
    a few tokens.
    """
    if getattr(base.model, "is_loaded_in_4bit", False):
        return (
            False  # on a CPU, bitsandbytes repacks weights permanently as soon as a model is put into evaluation mode
        )
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
        except (RuntimeError, IndexError, ValueError):  # a later layer expects the full shape
            return False
    # 0.02 allows for bfloat16's rounding, and is far below the difference to the logits of other positions.
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
    """Return whether a packed row's logits are independent of the rows before it.

    The tokens before a row are changed, and its logits must stay the same. They change where a layer mixes neighbours
    regardless of positions (convolutions, recurrent states). Models without ``position_ids`` cannot pack either.
    """
    if base.family != "decoder" or "position_ids" not in inspect.signature(base.model.forward).parameters:
        return False
    vocabulary, length = base.model.get_input_embeddings().weight.shape[0], 8
    own = torch.arange(length, device=base.device) % vocabulary
    positions = torch.arange(length, device=base.device).repeat(2)[None]
    before = [own.roll(1), (own + 1) % vocabulary]
    with _evaluated(base.model):
        first, second = (
            base.model(input_ids=torch.cat([tokens, own])[None], position_ids=positions, use_cache=False).logits[
                0, length:
            ]
            for tokens in before
        )
    return torch.equal(first, second)
