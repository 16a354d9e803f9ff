"""Built-in matrices: YAML files in this folder, registered under their file names."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rtbench.api import hookimpl

if TYPE_CHECKING:
    from rtbench.api import Register

DEFAULT = "pocket"
"""Matrix that `rtbench run` uses without `--matrix`."""
SUMMARIES = {
    "pocket": "the paper in miniature: three twins, a scripted teacher, two small students (the default; five minutes)",
    "pocket-full": "12 twins, 3 seeds: prompting, fine-tune, fine-tune-cot; degrees, teachers, data sizes on some (hours)",
    "paper": "prompting, fine-tune, fine-tune-cot × 12 tasks × GPT-2, T5, Flan-T5 (needs GPUs, hub weights, a teacher)",
    "paper-diverse": "the paper's study of degrees 1 to 64 (needs GPUs, hub weights, a teacher)",
    "paper-datasize": "the paper's study of 8, 32, 128 and all training questions (needs GPUs, hub weights, a teacher)",
    "paper-teachers": "the paper's study of teachers, with recorded teachers (needs GPUs, hub weights)",
    "paper-template": "the paper's study of template splits (needs GPUs, hub weights, a teacher)",
    "paper-filtering": "the paper's study of unfiltered rationales, with a recorded teacher (needs GPUs, hub weights)",
    "paper-length": "the paper's study of rationale length, with a recorded teacher (needs GPUs, hub weights)",
    "modern": "12 tasks × SmolLM2, Qwen3, Llama 3.2, Gemma 3 up to 4B (needs GPUs, hub weights, a teacher)",
    "real": "the paper on real weights: SmolLM2-135M, 10 tasks, recorded teachers (CPU; many hours, cells in order of value)",
    "real-quick": "one task of `real`: what one and eight rationales per question teach SmolLM2-135M (CPU; half an hour on two cores)",
    "recorded": "12 tasks, recorded teachers, two students with random weights (CPU, under 30 minutes)",
    "quickstart": "three tasks, a recorded teacher, a student with random weights: a smoke test of a few minutes",
}


def _path(name: str) -> Path:
    return Path(__file__).parent / f"{name}.yaml"


@hookimpl
def rtbench_register_matrices(register: Register) -> None:
    for name, summary in SUMMARIES.items():
        register(name, partial(_path, name), summary=summary, options={"default": name == DEFAULT})
