"""Write files so that a kill, a full disk or a power cut leaves the old content or the new one, never a part.

A rename decides which content counts. Before it, the file's bytes are synced; after it, the folder is, because a power cut
may otherwise take the rename back. Errors name the file, which the system's own errors of writing and syncing do not.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

TEMPORARY = ".tmp"
"""Last part of the names of files that are being written. One that stays belongs to a killed process."""
REMOVED = ".removed-"
"""First part of the names of folders that are being removed."""
_NO_SYNC = {errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EACCES, errno.ENOSYS}
"""Errors of file systems that cannot sync a folder."""


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Yield a new file that replaces ``path`` when the block ends without an error.

    It is written in the same folder, synced, then renamed, and the folder is synced. A reader therefore sees the old file
    or the new one, never a part of it.

    Raises:
        OSError: the file could not be written; the error names it.
    """
    make_folder(path.parent)
    name = path.with_name(f".{path.name}.{secrets.token_hex(8)}{TEMPORARY}")
    with naming(path):
        # Opened with the default mode of a new file: the kernel applies the umask, which is shared by all threads.
        descriptor = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o666)
        try:
            with os.fdopen(descriptor, "wb") as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
            raise
        sync_folder(path.parent)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file with :func:`atomic_write`."""
    with atomic_write(path) as handle:
        handle.write(data)


def as_json(value: Any) -> str:
    """Return a value as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value)).decode()


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON with :func:`atomic_write`."""
    write_atomic(path, as_json(value).encode() + b"\n")


def write_jsonl(path: Path, values: Iterable[Any]) -> None:
    """Write values as lines of JSON with :func:`atomic_write`."""
    with atomic_write(path) as handle:
        handle.write(msgspec.json.Encoder().encode_lines(values))


def write_lines(path: Path, values: Iterable[Any]) -> None:
    """Write values as lines of JSON into a step's private directory, which is synced when the step is finished."""
    with naming(path):
        path.write_bytes(msgspec.json.Encoder().encode_lines(values))


def make_folder(path: Path) -> None:
    """Make a folder and the missing ones above it, and sync the folders that have new entries."""
    missing: list[Path] = []
    above = path
    while not above.is_dir() and above != above.parent:
        missing.append(above)
        above = above.parent
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def move_folder(folder: Path, target: Path) -> None:
    """Move a folder to a name that is free, after all that is in it was synced.

    Raises:
        OSError: a file could not be synced, or the name is taken.
    """
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(place, name)
            if path.is_file() and not path.is_symlink():
                sync_file(path)
        sync_folder(Path(place))
    make_folder(target.parent)
    os.replace(folder, target)
    sync_folder(target.parent)


def remove_folder(path: Path) -> None:
    """Remove a folder. It disappears from its place at once, before its files go, so a kill leaves no part of it there."""
    gone = path.with_name(f"{REMOVED}{secrets.token_hex(8)}")
    try:
        os.replace(path, gone)
    except FileNotFoundError:
        return
    sync_folder(path.parent)
    shutil.rmtree(gone, ignore_errors=True)


def sync_file(path: Path) -> None:
    """Sync the bytes of a file."""
    with naming(path), path.open("rb") as handle:
        os.fsync(handle.fileno())


def sync_folder(path: Path) -> None:
    """Sync the names in a folder, where the system can do that."""
    if os.name == "nt":
        return
    with naming(path):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in _NO_SYNC:
                raise
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name a file or folder in errors of the system that name none, such as that of a full disk."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def free_name(path: Path) -> Path:
    """Return a path, with a number at its end where it is taken."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free
