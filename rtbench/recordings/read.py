"""Read recorded completions, in any format that a plugin knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from rtbench.errors import BadInputError, UnknownNameError
from rtbench.plugin.models import ModelServices
from rtbench.plugin.recordings import RecordingFormat
from rtbench.plugin.registry import make
from rtbench.schema.recordings import RecordedEntry, Recording
from rtbench.scoring.parting import part_thinking

AUTO = "auto"
"""Value of ``answer_prefix`` that stands for the recording's own prefix."""


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
    format_name: str | None = None,
    answer_prefix: str | None = AUTO,
    others: Sequence[Path] = (),
) -> Recording:
    """Read a file of recorded completions. Thinking in tags is parted from the answers.

    Args:
        path: the file.
        formats: the formats to try, in order.
        model: model that wrote the completions; None takes it from the file or its name.
        key: name of the way in which the model was prompted; None takes it from the file or its name.
        task: the task's name; None takes it from the file or its name.
        format_name: name of the file's format; None finds it out.
        answer_prefix: text before the answers; ``auto`` takes it from the file, None means no prefix.
        others: files that belong to this one.

    Raises:
        BadInputError: no format knows the file, or it cannot be read; the error names the file and the line.
        UnknownNameError: there is no format of that name.
    """
    _check_exists(path)
    recording_format = format_of(path, formats, format_name)
    recording = recording_format.read_with(path, others, model=model, key=key, task=task)
    entries = tuple(map(without_thinking, recording.entries))
    return replace(
        recording,
        answer_prefix=recording.answer_prefix if answer_prefix == AUTO else answer_prefix,
        entries=entries,
        thinking=sum(
            one is not other or one.thinking is not None for one, other in zip(entries, recording.entries, strict=True)
        ),
    )


def _check_exists(path: Path) -> None:
    """Raise an error where a path is no file; pipes are files."""
    try:
        path.stat()
    except FileNotFoundError:
        raise BadInputError("no such file", where=str(path), next_step="Check the path.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no path"
        raise BadInputError(f"cannot be read ({reason})", where=str(path), next_step="Check the path.") from None
    if path.is_dir():
        raise BadInputError("this is a folder, not a file", where=str(path), next_step="Name a file.")


def format_of(path: Path, formats: Sequence[RecordingFormat], name: str | None = None) -> RecordingFormat:
    """Return the format of a name, or the first one that knows a file.

    Raises:
        UnknownNameError: there is no format of that name.
        BadInputError: no format knows the file.
    """
    if name is not None:
        by_name = {recording_format.name: recording_format for recording_format in formats}
        if name not in by_name:
            raise UnknownNameError.of("format", name, by_name, where="--format")
        return by_name[name]
    for recording_format in formats:
        if recording_format.matches(path):
            return recording_format
    raise BadInputError(
        "no plugin knows this kind of file",
        where=str(path),
        next_step=f"Known formats: {', '.join(recording_format.name for recording_format in formats)}.",
    )


def joined(
    paths: Sequence[Path], formats: Sequence[RecordingFormat], format_name: str | None = None
) -> list[tuple[Path, tuple[Path, ...]]]:
    """Return each file with those that belong to it, such as the inputs of batches to their outputs.

    Raises:
        BadInputError: a file is missing, or belongs to none of the others.
    """
    for path in paths:
        _check_exists(path)
    owner = {path: next((f for f in formats if f.belongs(path)), None) for path in paths}
    whole = [path for path in paths if owner[path] is None]
    out: list[tuple[Path, tuple[Path, ...]]] = []
    used: set[Path] = set()
    for path in whole:
        of_kind = format_of(path, formats, format_name)
        others = tuple(other for other in paths if owner[other] is of_kind)
        used.update(others)
        out.append((path, others))
    for path in paths:
        if owner[path] is not None and path not in used:
            raise BadInputError(
                "this file holds requests without answers", where=str(path), next_step="Name the file of answers, too."
            )
    return out


def without_thinking(entry: RecordedEntry) -> RecordedEntry:
    """Return a recorded completion whose thinking, in tags such as ``<think>``, is apart from its text.

    Thinking in the first of two stages is left out, since only its conclusion was passed on.
    """
    thinking, text = part_thinking(entry.text)
    reasoning = entry.reasoning if entry.reasoning is None else part_thinking(entry.reasoning)[1]
    if thinking is None and reasoning == entry.reasoning:
        return entry
    kept = entry.thinking if thinking is None else thinking
    return msgspec.structs.replace(entry, text=text.lstrip("\n"), reasoning=reasoning, thinking=kept)
