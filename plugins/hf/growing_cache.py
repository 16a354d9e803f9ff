"""Key-value cache in buffers with free space, whose rows can be reused for new texts. Imports transformers.

The library's own layer concatenates all keys for every token, which takes three quarters of the time in which a small
model generates a long text.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch.nn import functional
from transformers.cache_utils import DynamicLayer, LinearAttentionLayer

_LEAST = 64


class GrowingLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values of a layer, shape (rows, heads, columns, width).

    ``keys`` and ``values`` are views of the filled part of the buffers.
    """

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
        """Write other texts into the last columns of some rows."""
        end = self.keys.shape[-2]
        self._keys[slots, :, end - keys.shape[-2] : end] = keys
        self._values[slots, :, end - values.shape[-2] : end] = values

    def shift(self, after: int, by: int) -> None:
        """Move all columns except the first ``after``: to the right, or to the left over columns that no row attends to."""
        end = self.keys.shape[-2] + by
        self._keys, self._values = (_buffer(_shifted(old, after, by)) for old in (self.keys, self.values))
        self._fill(end)

    def _fill(self, end: int) -> None:
        self.keys, self.values = self._keys[:, :, :end], self._values[:, :, :end]


def grow(cache: Any) -> Any:
    """Replace a cache's plain layers by growing layers; special layers (sliding windows, states) are left unchanged."""
    inner = _own(cache)
    for at, layer in enumerate(getattr(inner, "layers", ())):
        if type(layer) is DynamicLayer and layer.is_initialized:
            inner.layers[at] = GrowingLayer(layer.keys, layer.values)
    return cache


def takes_rows(cache: Any) -> bool:
    """Return whether rows of the cache can be reused for new texts.

    That is so if its layers keep all keys and values, or states of a fixed size (LFM2's convolutions). It is not so if they
    keep only the last keys and values.
    """
    layers = getattr(_own(cache), "layers", ())
    return bool(layers) and all(isinstance(each, GrowingLayer) or type(each) is LinearAttentionLayer for each in layers)


def has_gaps(cache: Any) -> bool:
    """Return whether a row may have columns between its own that it does not attend to.

    That is not so where states depend on neighbouring columns.
    """
    return all(isinstance(layer, GrowingLayer) for layer in getattr(_own(cache), "layers", ()))


def keep_rows(cache: Any, rows: torch.Tensor) -> None:
    """Select the cache's rows in this order; a row may be selected several times.

    Layers with states of a convolution (LFM2) have another name for this method than layers with keys and values.
    """
    if _own(cache) is not cache:  # encoder-decoder: its own method selects the rows of both caches
        cache.batch_select_indices(rows)
        return
    for layer in cache.layers:
        if hasattr(layer, "batch_select_indices"):
            layer.batch_select_indices(rows)
        else:
            layer.reorder_cache(rows)


def columns_of(cache: Any, rows: torch.Tensor, columns: torch.Tensor) -> Any:
    """Return a new cache with copies of some columns of some rows. All its layers must be growing layers.

    Args:
        cache: the cache.
        rows: shape (new rows,).
        columns: of each of these rows, shape (new rows, new columns).
    """
    taken = copy.copy(cache)
    at = columns[:, None, :, None]
    taken.layers = [
        GrowingLayer(*(old[rows].take_along_dim(at, dim=2) for old in (layer.keys, layer.values)))
        for layer in cache.layers
    ]
    return taken


def put_rows(cache: Any, slots: torch.Tensor, other: Any, first: int) -> None:
    """Reuse rows for new texts.

    Args:
        cache: of the batch; it must be wide enough.
        slots: rows of that cache, shape (new rows,).
        other: cache of the new texts.
        first: number of columns at the beginning that all texts share, and that the batch has already.
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
    """Return ``old`` with the rows in ``slots`` replaced; the narrower of the two is padded on the right with zeros."""
    wider = new.shape[dim] - old.shape[dim]
    fill = [0, 0] * (old.ndim - dim - 1)
    if wider > 0:
        old = functional.pad(old, [*fill, 0, wider])
    old[slots] = functional.pad(new, [*fill, 0, max(0, -wider)])
    return old


def shift_columns(cache: Any, after: int, by: int) -> None:
    """Move the columns of all growing layers; see :meth:`GrowingLayer.shift`."""
    for layer in _own(cache).layers:
        if isinstance(layer, GrowingLayer):
            layer.shift(after, by)


def _own(cache: Any) -> Any:
    """Return the cache that grows: for an encoder-decoder, that of its self-attention."""
    return getattr(cache, "self_attention_cache", cache)


def _shifted(old: torch.Tensor, after: int, by: int) -> torch.Tensor:
    # Columns that no row attends to must still contain numbers: their weight is 0, and 0 times NaN is NaN.
    gap = old.new_zeros((*old.shape[:2], max(0, by), old.shape[3]))
    return torch.cat([old[:, :, :after], gap, old[:, :, after + max(0, -by) :]], dim=2)


def _buffer(filled: torch.Tensor, needed: int = 0) -> torch.Tensor:
    """Return a copy in a buffer with at least ``needed`` columns, of which at least half are free."""
    rows, heads, length, width = filled.shape
    buffer = filled.new_empty((rows, heads, max(needed, 2 * length, _LEAST), width))
    buffer[:, :, :length] = filled
    return buffer
