"""Formats of recordings: our own, the original project's, and those of chats, instructions and batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench.api import hookimpl

if TYPE_CHECKING:
    from rtbench.api import Register


@hookimpl
def rtbench_register_recordings(register: Register) -> None:
    here = "rtbench_plugins.recordings"
    register("json-lines", f"{here}.json_lines:JsonLines", summary="one record per completion, with our own fields")
    register("completion-data", f"{here}.completion_data:CompletionData", summary="the original's completion_data")
    register("batch", f"{here}.exchanges:Batches", summary="output of a batch with its input (OpenAI, Anthropic)")
    register("sharegpt", f"{here}.exchanges:sharegpt", summary="conversations with from and value")
    register("messages", f"{here}.exchanges:messages", summary="messages with role and content")
    register("alpaca", f"{here}.exchanges:alpaca", summary="instruction, input and output")
    register("prompt-response", f"{here}.exchanges:prompt_response", summary="prompt and response")
