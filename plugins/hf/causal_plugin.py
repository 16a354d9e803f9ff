"""Decoder-only students.

They are GPT-2 as in the paper, current small base models, any other causal model, and a small model with random weights,
which needs no download.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rtbench_plugins.hf.places import MODELS

from rtbench.api import Register, hookimpl

if TYPE_CHECKING:
    from rtbench.api import Services

_TARGET = "rtbench_plugins.hf.students:causal_student"
_PINNED = {
    "gpt2": ("openai-community/gpt2", "607a30d783dfa663caf39e06633721c8d4cfcd7e", "124M"),
    "gpt2-medium": ("openai-community/gpt2-medium", "6dcaa7a952f72f9298047fd5137cd6e4f05f41da", "355M"),
    "gpt2-large": ("openai-community/gpt2-large", "32b71b12589c2f8d625668d2335a01cac3249519", "774M"),
}
_MODERN = {
    "smollm2-135m": ("HuggingFaceTB/SmolLM2-135M", "smollm2"),
    "smollm2-360m": ("HuggingFaceTB/SmolLM2-360M", "smollm2"),
    "smollm2-1.7b": ("HuggingFaceTB/SmolLM2-1.7B", "smollm2"),
    "qwen3-0.6b": ("Qwen/Qwen3-0.6B-Base", "qwen3"),
    "qwen3-1.7b": ("Qwen/Qwen3-1.7B-Base", "qwen3"),
    "qwen3-4b": ("Qwen/Qwen3-4B-Base", "qwen3"),
    "llama-3.2-1b": ("meta-llama/Llama-3.2-1B", "llama-3.2"),
    "llama-3.2-3b": ("meta-llama/Llama-3.2-3B", "llama-3.2"),
    "gemma-3-270m": ("google/gemma-3-270m", "gemma-3"),
    "gemma-3-1b": ("google/gemma-3-1b-pt", "gemma-3"),
}
"""Hub id and series of each base model. They are not pinned: the plan uses the commit that the name refers to."""
_INSTRUCT = {
    "smollm2-135m-instruct": ("HuggingFaceTB/SmolLM2-135M-Instruct", "smollm2-instruct"),
    "smollm2-360m-instruct": ("HuggingFaceTB/SmolLM2-360M-Instruct", "smollm2-instruct"),
    "smollm2-1.7b-instruct": ("HuggingFaceTB/SmolLM2-1.7B-Instruct", "smollm2-instruct"),
}
"""Hub id and series of each instruct model, likewise."""


@hookimpl
def rtbench_register_students(register: Register) -> None:
    register("hf-causal", _TARGET, summary="any causal model: a hub id, a local folder or a random config")
    for name, (model, revision, size) in _PINNED.items():
        options = {"model": model, "revision": revision, "series": "gpt2"}
        register(name, _TARGET, summary=f"{model}, {size}", options=options)
    for name, (model, series) in _MODERN.items():
        register(name, _TARGET, summary=f"{model}, base", options={"model": model, "series": series})
    for name, (model, series) in _INSTRUCT.items():
        options = {"model": model, "series": series, "dtype": "auto"}
        register(name, _TARGET, summary=f"{model}, tuned to follow instructions", options=options)
    register(
        "random-causal",
        _TARGET,
        summary="small GPT-2 with random weights and a tokenizer trained on the training fold",
        options={"config": {}},
    )


@hookimpl
def rtbench_machine_facts(services: Services) -> dict[str, str]:
    """Return the default generation engine, what ``dtype: auto`` stands for, and the presets whose weights are here.

    All are found by the rules that students use.
    """
    from rtbench_plugins.hf.options import StudentOptions, engine_for

    from rtbench.api import here

    engine = engine_for(StudentOptions(model="any"), "decoder", here(), has_weights=True)
    in_words = {
        "own": "built-in, because vLLM or a GPU is missing",
        "vllm": "vLLM for causal models with weights, built-in for all others",
    }
    return {
        "generation engine": in_words[engine],
        "compute type": _compute_type(services),
        "student weights on this machine": "; ".join(_local_presets()) or f"none (hub cache, {MODELS}, packages)",
    }


def _compute_type(services: Services) -> str:
    """Return what ``dtype: auto`` stands for, with the measurement."""
    from rtbench_plugins.hf.compute_type import compute_type, speed

    chosen = compute_type(None, services.machine, services.files.cache_dir)
    if services.machine.gpus:
        return chosen
    measured = speed(services.files.cache_dir)
    return f"{chosen} (matrix products: {measured.bfloat16:.0f} GFLOP/s in bfloat16, {measured.float32:.0f} in float32)"


def _local_presets() -> Iterator[str]:
    """Yield each preset whose weights are on this machine, with the place that students would take them from."""
    from rtbench_plugins.hf.hub import cached_weights, found

    from rtbench.api import RtbenchError

    pinned = {name: (model, revision) for name, (model, revision, _) in _PINNED.items()}
    unpinned = {name: (model, None) for name, (model, _) in {**_MODERN, **_INSTRUCT}.items()}
    for name, (model, revision) in {**pinned, **unpinned}.items():
        try:
            place = found(model, revision, None, offline=True)
        except RtbenchError:
            continue
        if place.source != "hub":
            yield f"{name} ({place.source})"
        elif cached_weights(place, any_format=True) is not None:
            yield f"{name} (hub cache)"
