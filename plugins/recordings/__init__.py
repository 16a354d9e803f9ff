"""Formats of recordings: JSON Lines, and the original project's ``completion_data``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench.api import hookimpl

if TYPE_CHECKING:
    from rtbench.api import Register


@hookimpl
def rtbench_register_recordings(register: Register) -> None:
    register("json-lines", "rtbench_plugins.recordings.json_lines:JsonLines", summary="one JSON object per line")
    register(
        "completion-data",
        "rtbench_plugins.recordings.completion_data:CompletionData",
        summary="the original project's completion_data",
    )
