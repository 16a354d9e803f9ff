"""A model in training or beside one: its logits at the labels of rows. Imports torch."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Sequence
from typing import Any

import torch
from rtbench_plugins.hf.batches import Batch, collate, forward, keeps_rows_apart, pack, picks_positions
from rtbench_plugins.hf.encoding import EncodedRow
from rtbench_plugins.hf.loaded import LoadedModel

from rtbench.api import BadInputError


class Network:
    """Computes logits of rows.

    Args:
        base: the model.
        pad: token that fills rows.
        bf16: compute in bfloat16.
        packing: concatenate a decoder's rows without padding. None: if its attention is made for that.

    Raises:
        BadInputError: packing is required, and the model cannot keep packed rows apart.
    """

    def __init__(self, base: LoadedModel, pad: int, *, bf16: bool = False, packing: bool | None = False) -> None:
        self.base = base
        self.model: Any = base.model
        """What is called: the model, or its wrapper for several processes."""
        self._pad, self._bf16 = pad, bf16
        self._packs = self._able_to_pack(packing)
        with self.precision():
            self._picks = picks_positions(base)

    def of(self, base: LoadedModel) -> Network:
        """Return a network of the same architecture and settings, with other weights."""
        found = copy.copy(self)
        found.base, found.model = base, base.model
        return found

    def precision(self, *, enabled: bool = True) -> contextlib.AbstractContextManager[None]:
        """Return the context of the arithmetic's data type."""
        return torch.autocast(self.base.device.type, torch.bfloat16, enabled=enabled and self._bf16)

    def logits(self, rows: Sequence[EncodedRow]) -> tuple[torch.Tensor, Batch]:
        """Return the logits at the labels, row after row, shape (labels, vocabulary), and the batch with the labels."""
        with self.precision():
            batch = self._batch(rows)
            return forward(self.base, self.model, batch, picks=self._picks), batch

    def _batch(self, rows: Sequence[EncodedRow]) -> Batch:
        if self._packs:
            return pack(rows, self.base.device)
        return collate(rows, self._pad, self.base.device, causal=self.base.family == "decoder")

    def _able_to_pack(self, wanted: bool | None) -> bool:
        """Return whether rows are packed; raises as the class does."""
        made_for_it = "flash" in str(getattr(self.base.model.config, "_attn_implementation", ""))
        if wanted is False or (wanted is None and not made_for_it):
            return False
        with self.precision():
            able = keeps_rows_apart(self.base)
        if wanted and not able:
            raise BadInputError(
                "this model cannot keep packed rows apart", where="option `packing`", next_step="Remove the option."
            )
        return able
