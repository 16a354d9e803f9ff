"""Estimates of the memory that a student needs. Imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rtbench_plugins.hf.options import StudentOptions
from rtbench_plugins.hf.shapes import ModelShape

from rtbench.api import Recipe

GIB = 2**30
PROCESS = 1.0
"""Memory of a worker with torch and transformers, in GiB."""
TYPICAL_TOKENS = 256
"""Row length, in tokens, on which the expected peak is based, unless the recipe's limits are lower."""
_NF4 = 0.53
"""Bytes per parameter in 4 bits, including scales (source: Dettmers et al. 2023, section 3)."""


@dataclass(frozen=True)
class MemoryNeed:
    """Memory of a step, in GiB."""

    least: float
    """Lower bound: weights and, in training, gradients and the optimiser's two moments."""
    expected: float
    """Expected peak: the lower bound and the activations of rows with a typical length."""
    activations: float = 0.0
    """What the expected peak has for activations and logits, which each process of a training has for its own rows."""


def training_need(
    shape: ModelShape, options: StudentOptions, recipe: Recipe, *, recomputes: bool, on_gpu: bool
) -> MemoryNeed:
    """Return the memory of fine-tuning in float32, of one process that has all weights and its share of a batch's rows.

    There are 4 bytes each for weight, gradient and AdamW's two moments, of which Muon has one. With adapters, only the
    weights count, with 4 bytes or, in 4 bits, half a byte. Activations are estimated after Korthikanti et al. (2022),
    section 4.1, with 4 bytes instead of 2, plus three times the logits.

    Args:
        shape: of the model.
        options: of the student.
        recipe: of the training.
        recomputes: whether activations are recomputed in the backward pass (gradient checkpointing).
        on_gpu: whether it is trained on a GPU; a CPU computes fewer rows at once (:func:`tokens_at_once`).
    """
    whole = 12.0 if recipe.optimizer == "muon" else 16.0
    each_parameter = whole if options.lora is None else 4.0 if options.lora.quantize is None else _NF4
    least = PROCESS + each_parameter * shape.parameters / GIB
    own_rows = math.ceil(recipe.batch_size / options.processes)
    rows = min(options.micro_batch or own_rows, own_rows)
    tokens = min(TYPICAL_TOKENS, recipe.max_prompt_tokens + recipe.max_label_tokens)
    if not on_gpu and options.processes == 1:
        rows = min(rows, max(1, tokens_at_once(shape) // tokens))
    each = 2 * rows * tokens * shape.width * (34 + 5 * shape.heads * tokens / shape.width)
    kept = 1 if recomputes else shape.layers
    logits = 3 * 4 * rows * min(tokens, recipe.max_label_tokens) * shape.vocabulary
    best = 4 * shape.parameters if recipe.selection == "val" else 0
    embeddings = 4 * shape.vocabulary * shape.width if recipe.optimizer == "muon" else 0  # AdamW's second moment
    activations = (each * kept + logits) / GIB
    return MemoryNeed(least, least + activations + (best + embeddings) / GIB, activations)


def tokens_at_once(shape: ModelShape) -> int:
    """Return the number of tokens of a batch that a CPU computes at once: their activations and logits take 2 GiB.

    More are no faster, and a system without enough memory ends the process instead of raising an error.
    """
    each = 2 * shape.layers * shape.width * (34 + 5 * shape.heads * TYPICAL_TOKENS / shape.width)
    return max(1, int(2 * GIB / (each + 3 * 4 * shape.vocabulary)))


def generation_need(shape: ModelShape, options: StudentOptions) -> MemoryNeed:
    """Return the memory of generation: the weights, and the keys and values of a full batch of rows with a typical length."""
    size = 2 if options.dtype == "bfloat16" else 4
    least = PROCESS + size * shape.parameters / GIB
    cache = 2 * size * options.generation_batch * 2 * TYPICAL_TOKENS * shape.layers * shape.width
    logits = 2 * 4 * options.generation_batch * shape.vocabulary
    return MemoryNeed(least, least + (cache + logits) / GIB)
