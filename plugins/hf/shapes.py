"""Sizes of models, read from the headers of their weights and their configs. Imports no torch."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rtbench_plugins.hf.gguf import GgufHeader, gguf_header
from rtbench_plugins.hf.hub import cached_file, gguf_path
from rtbench_plugins.hf.places import Place
from rtbench_plugins.hf.weights import DamagedFileError, header_of, weight_map

from rtbench.api import BadInputError, MissingExtraError, read_json

_TYPICAL_VOCABULARY = 50_000
"""Size of a vocabulary that a GGUF file does not state as a number."""
_GATED = {"llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text"}
"""Model types with three matrices in a feed-forward layer."""
_TIED = {"gpt2", "t5", "gemma", "gemma2", "gemma3_text"}
"""Model types whose output layer is the embeddings, unless the config says otherwise."""


@dataclass(frozen=True)
class ModelShape:
    """Sizes of a model from which its memory is estimated."""

    parameters: int
    layers: int
    width: int
    """Width of hidden states."""
    heads: int
    vocabulary: int


def shape_of(place: Place) -> ModelShape | None:
    """Return the shape of a model.

    It is read from the weights of a folder, a GGUF file or a cached hub model. For a built-in student that is not on this
    machine, it is the shape in :data:`KNOWN`.

    Returns:
        None for other models that are not on this machine or damaged, and where the config has other names for the
        numbers.
    """
    file = gguf_path(place)
    if file is not None:
        with contextlib.suppress(BadInputError, MissingExtraError):  # the check before the run says what is wrong
            return _shape_of_file(gguf_header(file, where=f"model {place.model!r}"))
        return None
    parts = list(_weight_files(place))
    config = _config(place)
    if not parts or config is None:
        return KNOWN.get(place.model)
    return _shape(config, sum(map(parameters_in, parts)))


def shape_of_config(config: Mapping[str, Any], vocabulary: int) -> ModelShape | None:
    """Return the shape of a model with random weights: attention, feed-forward layers and embeddings.

    Norms and biases are not counted.

    Args:
        config: fields of its transformers config, including ``model_type``.
        vocabulary: number of tokens.

    Returns:
        None for an unknown model type, and where a number is left to the type's default.
    """
    kind = config.get("model_type")
    shape = _shape({**config, "vocab_size": vocabulary}, 0)
    inner = _first(config, "n_inner", "d_ff", "intermediate_size")
    if shape is None or inner is None or kind not in {"gpt2", "t5", *_GATED}:
        return None
    size = _first(config, "d_kv", "head_dim") or shape.width // shape.heads
    queries = shape.width * shape.heads * size
    keys = shape.width * (_first(config, "num_key_value_heads") or shape.heads) * size
    gated = kind in _GATED or "gated" in str(config.get("feed_forward_proj", ""))
    decoder = 0
    if kind == "t5":
        layers = _first(config, "num_layers") or 0
        decoder = _first(config, "num_decoder_layers") or layers
        shape = replace(shape, layers=layers + decoder)
    attention = (shape.layers + decoder) * 2 * (queries + keys)
    forward = shape.layers * (3 if gated else 2) * shape.width * inner
    tables = 1 if config.get("tie_word_embeddings", kind in _TIED) else 2
    positions = _first(config, "n_positions") or 0 if kind == "gpt2" else 0
    embeddings = (tables * vocabulary + positions) * shape.width
    return replace(shape, parameters=attention + forward + embeddings)


def _shape(config: Mapping[str, Any], parameters: int) -> ModelShape | None:
    layers = _first(config, "num_hidden_layers", "n_layer", "num_layers")
    width = _first(config, "hidden_size", "n_embd", "d_model")
    heads = _first(config, "num_attention_heads", "n_head", "num_heads")
    vocabulary = _first(config, "vocab_size")
    if layers is None or width is None or heads is None or vocabulary is None:
        return None
    layers += _first(config, "num_decoder_layers") or 0
    return ModelShape(parameters, layers, width, heads, vocabulary)


def parameters_in(path: Path) -> int:
    """Return the number of parameters in a safetensors file, from its header alone; 0 where the file is damaged."""
    try:
        header = header_of(path)
    except DamagedFileError:
        return 0
    return sum(math.prod(entry["shape"]) for entry in header.tensors.values())


def _shape_of_file(header: GgufHeader) -> ModelShape | None:
    layers, width = header.number("block_count"), header.number("embedding_length")
    heads, vocabulary = header.number("attention.head_count"), header.number("vocab_size")
    if layers is None or width is None or heads is None:
        return None
    layers += header.number("decoder_block_count") or 0
    return ModelShape(header.parameters, layers, width, heads, vocabulary or _TYPICAL_VOCABULARY)


def _weight_files(place: Place) -> Iterator[Path]:
    model, revision, folder = place.model, place.revision, place.path
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
    names = sorted(set(weight_map(index).values()))
    parts = [cached_file(model, name, revision) for name in names]
    yield from (part for part in parts if part is not None) if all(parts) else ()


def _config(place: Place) -> Mapping[str, Any] | None:
    folder = place.path
    path = folder / "config.json" if folder is not None else cached_file(place.model, "config.json", place.revision)
    content = read_json(path) if path is not None and path.is_file() else None
    return content if isinstance(content, dict) else None


def _first(config: Mapping[str, Any], *names: str) -> int | None:
    found = (config.get(name) for name in names)
    return next((value for value in found if isinstance(value, int) and 0 < value < 10**12), None)


_M = 10**6
KNOWN = {
    "openai-community/gpt2": ModelShape(124 * _M, 12, 768, 12, 50257),
    "openai-community/gpt2-medium": ModelShape(355 * _M, 24, 1024, 16, 50257),
    "openai-community/gpt2-large": ModelShape(774 * _M, 36, 1280, 20, 50257),
    "google-t5/t5-small": ModelShape(61 * _M, 12, 512, 8, 32128),
    "google-t5/t5-base": ModelShape(223 * _M, 24, 768, 12, 32128),
    "google-t5/t5-large": ModelShape(738 * _M, 48, 1024, 16, 32128),
    "google/flan-t5-small": ModelShape(77 * _M, 16, 512, 6, 32128),
    "google/flan-t5-base": ModelShape(248 * _M, 24, 768, 12, 32128),
    "google/flan-t5-large": ModelShape(783 * _M, 48, 1024, 16, 32128),
    "HuggingFaceTB/SmolLM2-135M": ModelShape(135 * _M, 30, 576, 9, 49152),
    "HuggingFaceTB/SmolLM2-360M": ModelShape(362 * _M, 32, 960, 15, 49152),
    "HuggingFaceTB/SmolLM2-1.7B": ModelShape(1711 * _M, 24, 2048, 32, 49152),
    "Qwen/Qwen3-0.6B-Base": ModelShape(596 * _M, 28, 1024, 16, 151936),
    "Qwen/Qwen3-1.7B-Base": ModelShape(1721 * _M, 28, 2048, 16, 151936),
    "Qwen/Qwen3-4B-Base": ModelShape(4022 * _M, 36, 2560, 32, 151936),
    "meta-llama/Llama-3.2-1B": ModelShape(1236 * _M, 16, 2048, 32, 128256),
    "meta-llama/Llama-3.2-3B": ModelShape(3213 * _M, 28, 3072, 24, 128256),
    "google/gemma-3-270m": ModelShape(268 * _M, 18, 640, 4, 262144),
    "google/gemma-3-1b-pt": ModelShape(1000 * _M, 26, 1152, 4, 262144),
}
"""Shapes of the built-in students, for plans before their weights are on this machine. Layers of encoder and decoder are
added."""
