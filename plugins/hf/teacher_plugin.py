"""Registration of the teacher that runs a local or hub model through transformers."""

from __future__ import annotations

from rtbench.api import Register, hookimpl


@hookimpl
def rtbench_register_teachers(register: Register) -> None:
    register(
        "hf",
        "rtbench_plugins.hf.teacher:hf_teacher",
        summary="any causal or seq2seq model of the hub or a local folder (option `model`)",
    )
