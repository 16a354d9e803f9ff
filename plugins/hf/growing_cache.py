"""Keys and values in buffers with room to spare, whose rows can be given to new texts. Imports transformers.

The library's own layer joins all keys anew for every token, which is three quarters of the time a small model takes to
write a long text.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional
from transformers.cache_utils import DynamicLayer, LinearAttentionLayer

_LEAST = 64


class GrowingLayer(DynamicLayer):  # type: ignore[misc]
    """One layer's keys and values, shape (rows, heads, columns, width); ``keys`` and ``values`` are views of the buffers'
    filled part."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        super().__init__()
        self.lazy_initialization(keys, values)
        self._keys, self._values = _buffer(keys), _buffer(values)
        self._fill(keys.shape[-2])

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any) -> Any:
        start = self.keys.shape[-2]
        end = start + key_states.shape[-2]
        if end > self._keys.shape[-2]:
            self._keys, self._values = _buffer(self.keys, end), _buffer(self.values, end)
        self._keys[:, :, start:end] = key_states
        self._values[:, :, start:end] = value_states
        self._fill(end)
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        end = self.keys.shape[-2]
        self._keys, self._values = self._keys[indices], self._values[indices]
        self._fill(end)

    def put(self, slots: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Writes another text into the last columns of some rows."""
        end = self.keys.shape[-2]
        self._keys[slots, :, end - keys.shape[-2] : end] = keys
        self._values[slots, :, end - values.shape[-2] : end] = values

    def shift(self, after: int, by: int) -> None:
        """Moves all columns but the first ``after``: to the right, or to the left over those that no row looks at."""
        end = self.keys.shape[-2] + by
        self._keys, self._values = (_buffer(_shifted(old, after, by)) for old in (self.keys, self.values))
        self._fill(end)

    def _fill(self, end: int) -> None:
        self.keys, self.values = self._keys[:, :, :end], self._values[:, :, :end]


def grow(cache: Any) -> Any:
    """Puts growing layers in the place of a cache's plain ones; special ones (sliding windows, states) stay."""
    inner = _own(cache)
    for at, layer in enumerate(getattr(inner, "layers", ())):
        if type(layer) is DynamicLayer and layer.is_initialized:
            inner.layers[at] = GrowingLayer(layer.keys, layer.values)
    return cache


def takes_rows(cache: Any) -> bool:
    """Whether rows of the cache can be given to new texts: where layers keep all keys and values, or states of one size
    (LFM2's convolutions); not where they keep the last keys and values only."""
    layers = getattr(_own(cache), "layers", ())
    return bool(layers) and all(isinstance(one, GrowingLayer) or type(one) is LinearAttentionLayer for one in layers)


def has_gaps(cache: Any) -> bool:
    """Whether columns that a row does not look at may lie between its own: not where states follow from neighbours."""
    return all(isinstance(layer, GrowingLayer) for layer in getattr(_own(cache), "layers", ()))


def keep_rows(cache: Any, rows: torch.Tensor) -> None:
    """Takes the cache's rows in this order; a row may be taken several times. Layers that keep states of a convolution
    (LFM2) select them under another name than layers of keys and values do."""
    if _own(cache) is not cache:  # encoder-decoder: its own method takes both caches
        cache.batch_select_indices(rows)
        return
    for layer in cache.layers:
        if hasattr(layer, "batch_select_indices"):
            layer.batch_select_indices(rows)
        else:
            layer.reorder_cache(rows)


def put_rows(cache: Any, slots: torch.Tensor, other: Any, first: int) -> None:
    """Gives rows to new texts.

    Args:
        cache: the batch's; wide enough.
        slots: rows of it, shape (new rows,).
        other: the new texts' cache.
        first: columns at the beginning that all texts share, which are there already.
    """
    for mine, new in zip(_own(cache).layers, _own(other).layers, strict=True):
        if isinstance(mine, GrowingLayer):
            mine.put(slots, new.keys[:, :, first:], new.values[:, :, first:])
        else:
            _put_states(mine.conv_states, slots, new.conv_states)
            _put_states(mine.recurrent_states, slots, new.recurrent_states)
    if _own(cache) is cache:
        return
    for mine, new in zip(cache.cross_attention_cache.layers, other.cross_attention_cache.layers, strict=True):
        mine.keys = put_columns(mine.keys, slots, new.keys, dim=2)
        mine.values = put_columns(mine.values, slots, new.values, dim=2)


def _put_states(mine: dict[int, torch.Tensor | None], slots: torch.Tensor, new: dict[int, torch.Tensor | None]) -> None:
    for at, state in new.items():
        kept = mine[at]
        if state is not None and kept is not None:
            kept[slots] = state


def put_columns(old: torch.Tensor, slots: torch.Tensor, new: torch.Tensor, *, dim: int) -> torch.Tensor:
    """Writes rows, filled with zeros on the right up to the common width; the wider of the two gives it."""
    wider = new.shape[dim] - old.shape[dim]
    fill = [0, 0] * (old.ndim - dim - 1)
    if wider > 0:
        old = functional.pad(old, [*fill, 0, wider])
    old[slots] = functional.pad(new, [*fill, 0, max(0, -wider)])
    return old


def shift_columns(cache: Any, after: int, by: int) -> None:
    """See :meth:`GrowingLayer.shift`."""
    for layer in _own(cache).layers:
        if isinstance(layer, GrowingLayer):
            layer.shift(after, by)


def _own(cache: Any) -> Any:
    """Of an encoder-decoder's two caches the one that grows."""
    return getattr(cache, "self_attention_cache", cache)


def _shifted(old: torch.Tensor, after: int, by: int) -> torch.Tensor:
    # Columns that nobody looks at must still hold numbers: their weight is 0, and 0 times NaN is NaN.
    gap = old.new_zeros((*old.shape[:2], max(0, by), old.shape[3]))
    return torch.cat([old[:, :, :after], gap, old[:, :, after + max(0, -by) :]], dim=2)


def _buffer(filled: torch.Tensor, needed: int = 0) -> torch.Tensor:
    """A copy with room for at least ``needed`` columns, and at least half of it free."""
    rows, heads, length, width = filled.shape
    buffer = filled.new_empty((rows, heads, max(needed, 2 * length, _LEAST), width))
    buffer[:, :, :length] = filled
    return buffer
