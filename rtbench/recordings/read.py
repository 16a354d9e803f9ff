"""Reading of recorded completions, in any format that a plugin knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from rtbench.errors import BadInputError
from rtbench.plugin.models import ModelServices
from rtbench.plugin.recordings import RecordingFormat
from rtbench.plugin.registry import make
from rtbench.schema.recordings import RecordedEntry, Recording
from rtbench.scoring.parting import part_thinking


def formats_of(services: ModelServices) -> list[RecordingFormat]:
    """Return the formats of all plugins, in the order in which they are tried."""
    registry = services.registry("recordings")
    formats: list[RecordingFormat] = [make(entry, registry.kind, RecordingFormat) for entry in registry]
    return sorted(formats, key=lambda recording_format: recording_format.rank)


def read_recording(
    path: Path,
    formats: Sequence[RecordingFormat],
    *,
    model: str | None = None,
    key: str | None = None,
    task: str | None = None,
) -> Recording:
    """Read a file of recorded completions. Thinking in tags is parted from the answers.

    Args:
        path: the file.
        formats: the formats to try, in order.
        model: model that wrote the completions; None takes it from the file or its name.
        key: name of the way in which the model was prompted; None takes it from the file or its name.
        task: the task's name; None takes it from the file or its name.

    Raises:
        BadInputError: no format knows the file, or it cannot be read; the error names the file and the line.
    """
    for recording_format in formats:
        if recording_format.matches(path):
            recording = recording_format.read(path, model=model, key=key, task=task)
            return replace(recording, entries=tuple(map(without_thinking, recording.entries)))
    raise BadInputError(
        "no plugin knows this kind of file",
        where=str(path),
        next_step=f"Known formats: {', '.join(recording_format.name for recording_format in formats)}.",
    )


def without_thinking(entry: RecordedEntry) -> RecordedEntry:
    """Return a recorded completion whose thinking, in tags such as ``<think>``, is apart from its text.

    Thinking in the first of two stages is left out, since only its conclusion was passed on.
    """
    thinking, text = part_thinking(entry.text)
    reasoning = entry.reasoning if entry.reasoning is None else part_thinking(entry.reasoning)[1]
    if thinking is None and reasoning == entry.reasoning:
        return entry
    parted = entry.thinking if thinking is None else thinking
    return msgspec.structs.replace(entry, text=text.lstrip("\n"), reasoning=reasoning, thinking=parted)
