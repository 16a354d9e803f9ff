"""Encoder-decoder students.

They are T5 and Flan-T5 as in the paper, any other seq2seq model, and a small model with random weights, which needs no
download.
"""

from __future__ import annotations

from rtbench.api import Register, hookimpl

_TARGET = "rtbench_plugins.hf.students:seq2seq_student"
_PINNED = {
    "t5-small": ("google-t5/t5-small", "df1b051c49625cf57a3d0d8d3863ed4d13564fe4", "60M"),
    "t5-base": ("google-t5/t5-base", "a9723ea7f1b39c1eae772870f3b547bf6ef7e6c1", "220M"),
    "t5-large": ("google-t5/t5-large", "150ebc2c4b72291e770f58e6057481c8d2ed331a", "770M"),
    "flan-t5-small": ("google/flan-t5-small", "0fc9ddf78a1e988dac52e2dac162b0ede4fd74ab", "60M"),
    "flan-t5-base": ("google/flan-t5-base", "7bcac572ce56db69c1ea7c8af255c5d7c9672fc2", "220M"),
    "flan-t5-large": ("google/flan-t5-large", "0613663d0d48ea86ba8cb3d7a44f0f65dc596a2a", "770M"),
}


@hookimpl
def rtbench_register_students(register: Register) -> None:
    register("hf-seq2seq", _TARGET, summary="any encoder-decoder model: a hub id, a local folder or a random config")
    for name, (model, revision, size) in _PINNED.items():
        options = {"model": model, "revision": revision, "series": name.rpartition("-")[0]}
        register(name, _TARGET, summary=f"{model}, {size}", options=options)
    register(
        "random-seq2seq",
        _TARGET,
        summary="small T5 with random weights and a tokenizer trained on the training fold",
        options={"config": {}},
    )
