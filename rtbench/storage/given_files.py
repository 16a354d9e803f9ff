"""Task and plugin files that this user has given to commands on this machine.

A run's record names the files that it was made with, and later commands load them again. Such files can contain code, and a
workspace may come from somebody else. So only files are loaded again that the user has once given here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import platformdirs

from rtbench.schema.runs import GivenFile
from rtbench.storage.locks import locked
from rtbench.storage.writing import make_folder, write_atomic

_MOST = 1000
"""Number of files that are remembered, the latest ones."""


def remember(files: Sequence[GivenFile]) -> None:
    """Note files that were given to a command. Where the notes cannot be written, the user gives the files again."""
    if not files or set(files) <= set(_noted()):
        return
    with contextlib.suppress(OSError):
        path = _path()
        make_folder(path.parent)
        with locked(path.with_suffix(".lock")):
            noted = dict.fromkeys(_noted())
            for file in files:
                noted.pop(file, None)  # it becomes the latest
                noted[file] = None
            write_atomic(path, b"".join(msgspec.json.encode(file) + b"\n" for file in list(noted)[-_MOST:]))


def is_remembered(file: GivenFile) -> bool:
    """Return whether the user has given a file here: a plugin with this content, or a task at this path."""
    noted = _noted()
    if file.kind == "plugin":
        return file in noted
    return any(other.kind == "task" and other.path == file.path for other in noted)


def was_given(file: GivenFile) -> bool:
    """Return whether the user has given a file of this kind and path here, with any content."""
    return any((other.kind, other.path) == (file.kind, file.path) for other in _noted())


def remembered_plugins() -> set[str]:
    """Return the names of the plugins in files that the user has given here."""
    return {Path(file.path).stem for file in _noted() if file.kind == "plugin"}


def _noted() -> list[GivenFile]:
    try:
        lines = _path().read_bytes().splitlines()
    except OSError:
        return []
    found: list[GivenFile] = []
    for line in lines:
        with contextlib.suppress(msgspec.DecodeError):
            found.append(msgspec.json.decode(line, type=GivenFile))
    return found


def _path() -> Path:
    return platformdirs.user_state_path("rtbench") / "given-files.jsonl"
