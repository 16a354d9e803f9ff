"""What a student needs of memory. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from rtbench_plugins.hf.options import StudentOptions
from rtbench_plugins.hf.shapes import ModelShape

from rtbench.api import Recipe

GIB = 2**30
PROCESS = 1.0
"""GiB of a worker with torch and transformers."""
TYPICAL_TOKENS = 256
"""Length of a row that the expected peak is stated for, where the recipe allows as many."""
_NF4 = 0.53
"""Bytes of a parameter in 4 bits, with its part of the scales (Dettmers et al. 2023, section 3)."""


@dataclass(frozen=True)
class Need:
    """Memory of one step, in GiB."""

    least: float
    """What it certainly needs: weights, and in training their gradients and the optimiser's two moments."""
    expected: float
    """With activations of rows of a typical length."""


def training_need(shape: ModelShape, options: StudentOptions, recipe: Recipe) -> Need:
    """Of fine-tuning in float32: 4 bytes each for weight, gradient and AdamW's two moments, of which Muon has one; of adapters,
    the weights alone, or half a byte of them. Activations after Korthikanti et al. (2022), section 4.1, at 4 bytes instead of 2, and three times the logits."""
    whole = 12.0 if recipe.optimizer == "muon" else 16.0
    each_parameter = whole if options.lora is None else 4.0 if options.lora.quantize is None else _NF4
    least = PROCESS + each_parameter * shape.parameters / GIB
    rows = min(options.micro_batch or recipe.batch_size, recipe.batch_size)
    tokens = min(TYPICAL_TOKENS, recipe.max_prompt_tokens + recipe.max_label_tokens)
    each = 2 * rows * tokens * shape.width * (34 + 5 * shape.heads * tokens / shape.width)
    kept = 1 if options.gradient_checkpointing else shape.layers
    logits = 3 * 4 * rows * min(tokens, recipe.max_label_tokens) * shape.vocabulary
    best = 4 * shape.parameters if recipe.selection == "val" else 0
    embeddings = 4 * shape.vocabulary * shape.width if recipe.optimizer == "muon" else 0  # AdamW's second moment
    return Need(least, least + (each * kept + logits + best + embeddings) / GIB)


def generation_need(shape: ModelShape, options: StudentOptions) -> Need:
    """Of writing texts: the weights, and the keys and values of a full batch of rows of a typical length."""
    size = 2 if options.dtype == "bfloat16" else 4
    least = PROCESS + size * shape.parameters / GIB
    cache = 2 * size * options.generation_batch * 2 * TYPICAL_TOKENS * shape.layers * shape.width
    logits = 2 * 4 * options.generation_batch * shape.vocabulary
    return Need(least, least + (cache + logits) / GIB)
