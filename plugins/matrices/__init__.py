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
    "pocket": "the paper in miniature: three twins, a scripted teacher, two small students (the default; minutes)",
    "pocket-full": "12 twins, all methods, 3 seeds; degrees, teachers, data sizes, three students on some (hours)",
    "paper": "all methods × 12 tasks × GPT-2, T5, Flan-T5, degrees as in the paper (needs GPUs and a teacher)",
    "paper-diverse": "the paper's study of degrees 1 to 64 (needs GPUs and a teacher)",
    "paper-datasize": "the paper's study of training questions: 8, 32, 128, all (needs GPUs and a teacher)",
    "paper-teachers": "the paper's study of teachers, on those that are recorded (needs GPUs)",
    "paper-template": "the paper's study of template splits (needs GPUs and a teacher)",
    "paper-filtering": "the paper's study of rationales that are not filtered (needs GPUs)",
    "paper-length": "the paper's study of lengths, to write and to learn from (needs GPUs)",
    "modern": "12 tasks × SmolLM2, Qwen3, Llama 3.2, Gemma 3 up to 4B (needs GPUs, hub weights and a teacher)",
    "recorded": "12 tasks on recorded teachers and two small students made on the spot (CPU, under 30 minutes)",
    "quickstart": "three tasks, recorded teacher, one small student: the main job in a few minutes",
}


def _path(name: str) -> Path:
    return Path(__file__).parent / f"{name}.yaml"


@hookimpl
def rtbench_register_matrices(register: Register) -> None:
    for name, summary in SUMMARIES.items():
        register(name, partial(_path, name), summary=summary, options={"default": name == DEFAULT})
