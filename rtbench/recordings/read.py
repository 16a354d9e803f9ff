"""Read recorded completions, in any format that a plugin knows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rtbench.errors import BadInputError
from rtbench.plugin.models import ModelServices
from rtbench.plugin.recordings import RecordingFormat
from rtbench.plugin.registry import make
from rtbench.schema.recordings import Recording


def formats_of(services: ModelServices) -> list[RecordingFormat]:
    """Return the formats that plugins know, in the order in which they are tried."""
    registry = services.registry("recordings")
    formats: list[RecordingFormat] = [make(entry, registry.kind, RecordingFormat) for entry in registry]
    return sorted(formats, key=lambda one: one.rank)


def read_recording(
    path: Path,
    formats: Sequence[RecordingFormat],
    *,
    model: str | None = None,
    key: str | None = None,
    task: str | None = None,
) -> Recording:
    """Read a file of recorded completions.

    Args:
        path: the file.
        formats: those that are known, in the order in which they are tried.
        model: who wrote the completions; None: as the file or its name says.
        key: what to call the way they were asked for; None: likewise.
        task: the task's name; None: likewise.

    Raises:
        BadInputError: no format knows the file, or it cannot be read; names the file and the line.
    """
    for one in formats:
        if one.matches(path):
            return one.read(path, model=model, key=key, task=task)
    raise BadInputError(
        "no plugin knows this kind of file",
        where=str(path),
        next_step=f"Formats that are known: {', '.join(one.name for one in formats)}.",
    )
