"""What a student needs of memory, from the headers of its weights and its config. Imports no torch."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rtbench_plugins.hf.identity import cached_file, local_folder
from rtbench_plugins.hf.options import StudentOptions

from rtbench.files import read_json
from rtbench.interfaces import Recipe

GIB = 2**30
PROCESS = 1.0
"""GiB of a worker with torch and transformers."""
TYPICAL_TOKENS = 256
"""Length of a row that the expected peak is stated for, where the recipe allows as many."""
_NF4 = 0.53
"""Bytes of a parameter in 4 bits, with its part of the scales (Dettmers et al. 2023, section 3)."""
_HEADER = struct.Struct("<Q")
_MOST_HEADER = 100 * 10**6


@dataclass(frozen=True)
class Need:
    """Memory of one step, in GiB."""

    least: float
    """What it certainly needs: weights, and in training their gradients and the optimiser's two moments."""
    expected: float
    """With activations of rows of a typical length."""


@dataclass(frozen=True)
class Shape:
    """What of a model its memory follows from."""

    parameters: int
    layers: int
    width: int
    """Of hidden states."""
    heads: int
    vocabulary: int


def shape_of(model: str, revision: str | None) -> Shape | None:
    """The shape of a folder's, or a cached hub model's, weights; None where they are not on this machine, or its config
    uses other words for the numbers."""
    parts = list(_weight_files(model, revision))
    config = _config(model, revision)
    if not parts or config is None:
        return None
    layers = _first(config, "num_hidden_layers", "n_layer", "num_layers")
    width = _first(config, "hidden_size", "n_embd", "d_model")
    heads = _first(config, "num_attention_heads", "n_head", "num_heads")
    vocabulary = _first(config, "vocab_size")
    if layers is None or width is None or heads is None or vocabulary is None:
        return None
    layers += _first(config, "num_decoder_layers") or 0
    return Shape(sum(map(parameters_in, parts)), layers, width, heads, vocabulary)


def parameters_in(path: Path) -> int:
    """Numbers in a safetensors file, by its header alone."""
    with path.open("rb") as handle:
        (length,) = _HEADER.unpack(handle.read(_HEADER.size))
        if length > _MOST_HEADER:
            return 0
        header: dict[str, Any] = json.loads(handle.read(length))
    return sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")


def training_need(shape: Shape, options: StudentOptions, recipe: Recipe) -> Need:
    """Of fine-tuning in float32 with AdamW: 4 bytes each for weight, gradient and two moments; of adapters, the weights
    alone, or half a byte of them. Activations after Korthikanti et al. (2022), section 4.1, at 4 bytes instead of 2, and three times the logits."""
    each_parameter = 16.0 if options.lora is None else 4.0 if options.lora.quantize is None else _NF4
    least = PROCESS + each_parameter * shape.parameters / GIB
    rows = min(options.micro_batch or recipe.batch_size, recipe.batch_size)
    tokens = min(TYPICAL_TOKENS, recipe.max_prompt_tokens + recipe.max_label_tokens)
    each = 2 * rows * tokens * shape.width * (34 + 5 * shape.heads * tokens / shape.width)
    kept = 1 if options.gradient_checkpointing else shape.layers
    logits = 3 * 4 * rows * tokens * shape.vocabulary
    best = 4 * shape.parameters if recipe.selection == "val" else 0
    return Need(least, least + (each * kept + logits + best) / GIB)


def generation_need(shape: Shape, options: StudentOptions) -> Need:
    """Of writing texts: the weights, and the keys and values of a full batch of rows of a typical length."""
    size = 2 if options.dtype == "bfloat16" else 4
    least = PROCESS + size * shape.parameters / GIB
    cache = 2 * size * options.generation_batch * 2 * TYPICAL_TOKENS * shape.layers * shape.width
    logits = 2 * 4 * options.generation_batch * shape.vocabulary
    return Need(least, least + (cache + logits) / GIB)


def _weight_files(model: str, revision: str | None) -> Iterator[Path]:
    folder = local_folder(model)
    if folder is not None:
        yield from sorted(folder.glob("*.safetensors"))
        return
    single = cached_file(model, "model.safetensors", revision)
    if single is not None:
        yield single
        return
    index = cached_file(model, "model.safetensors.index.json", revision)
    if index is None:
        return
    names = sorted(set(read_json(index)["weight_map"].values()))
    parts = [cached_file(model, name, revision) for name in names]
    yield from (part for part in parts if part is not None) if all(parts) else ()


def _config(model: str, revision: str | None) -> Mapping[str, Any] | None:
    folder = local_folder(model)
    path = folder / "config.json" if folder is not None else cached_file(model, "config.json", revision)
    found = read_json(path) if path is not None and path.is_file() else None
    return found if isinstance(found, dict) else None


def _first(config: Mapping[str, Any], *names: str) -> int | None:
    return next((config[name] for name in names if isinstance(config.get(name), int)), None)
