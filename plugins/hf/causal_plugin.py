"""Decoder-only students: GPT-2 as in the paper, any other causal model, and a random one for machines without
weights."""

from __future__ import annotations

from rtbench.hookspecs import hookimpl
from rtbench.registry import Register

_TARGET = "rtbench_plugins.hf.students:causal_student"
_PINNED = {
    "gpt2": ("openai-community/gpt2", "607a30d783dfa663caf39e06633721c8d4cfcd7e", "124M"),
    "gpt2-medium": ("openai-community/gpt2-medium", "6dcaa7a952f72f9298047fd5137cd6e4f05f41da", "355M"),
    "gpt2-large": ("openai-community/gpt2-large", "32b71b12589c2f8d625668d2335a01cac3249519", "774M"),
}


@hookimpl
def rtbench_register_students(register: Register) -> None:
    register("hf-causal", _TARGET, summary="any causal model: a hub id, a local folder or a random config")
    for name, (model, revision, size) in _PINNED.items():
        options = {"model": model, "revision": revision, "series": "gpt2"}
        register(name, _TARGET, summary=f"{model}, {size}", options=options)
    register(
        "random-causal",
        _TARGET,
        summary="small GPT-2 with random weights and a tokenizer made from the training fold",
        options={"config": {}},
    )
