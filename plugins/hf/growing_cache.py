"""Keys and values in buffers that grow by doubling. Imports transformers.

The library's own layer joins all keys anew for every token, which is three quarters of the time a small model takes to
write a long text.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import DynamicLayer

_LEAST = 64


class GrowingLayer(DynamicLayer):  # type: ignore[misc]
    """One layer's keys and values, shape (rows, heads, positions, width); ``keys`` and ``values`` are views of the
    buffers' filled part."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        super().__init__()
        self.lazy_initialization(keys, values)
        self._keys, self._values = _buffer(keys, 0), _buffer(values, 0)
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

    def _fill(self, end: int) -> None:
        self.keys, self.values = self._keys[:, :, :end], self._values[:, :, :end]


def grow(cache: Any) -> Any:
    """Puts growing layers in the place of a cache's plain ones; special ones (sliding windows, states) stay."""
    inner = getattr(cache, "self_attention_cache", cache)
    for at, layer in enumerate(getattr(inner, "layers", ())):
        if type(layer) is DynamicLayer and layer.is_initialized:
            inner.layers[at] = GrowingLayer(layer.keys, layer.values)
    return cache


def keep_rows(cache: Any, rows: torch.Tensor) -> None:
    """Drops all other rows. Layers that keep states of a convolution (LFM2) select them under another name than
    layers of keys and values do."""
    inner = getattr(cache, "self_attention_cache", None)
    if inner is not None:  # encoder-decoder: its own method takes both caches
        cache.batch_select_indices(rows)
        return
    for layer in cache.layers:
        if hasattr(layer, "batch_select_indices"):
            layer.batch_select_indices(rows)
        else:
            layer.reorder_cache(rows)


def _buffer(filled: torch.Tensor, needed: int) -> torch.Tensor:
    """A copy with room for at least ``needed`` positions, and at least half of it free."""
    rows, heads, length, width = filled.shape
    buffer = filled.new_empty((rows, heads, max(needed, 2 * length, _LEAST), width))
    buffer[:, :, :length] = filled
    return buffer
