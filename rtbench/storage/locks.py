"""Locks between processes, as files that are removed at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from rtbench.storage.writing import naming

_POLL = 0.01
"""Seconds between two attempts to take a lock."""


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file against other processes and threads, and remove it at the end.

    Waits until the lock is free. The lock of a process that dies is released.
    """
    from filelock import FileLock

    with naming(path):
        lock = FileLock(path, poll_interval=_POLL)
        lock.acquire()
    try:
        with _removed(path):
            yield
    finally:
        lock.release()


@contextlib.contextmanager
def try_locked(path: Path) -> Iterator[bool]:
    """Yield whether the lock file of :func:`locked` could be taken, without waiting for it."""
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=0)
    try:
        with naming(path):
            lock.acquire()
    except Timeout:
        yield False
        return
    try:
        with _removed(path):
            yield True
    finally:
        lock.release()


def is_locked(path: Path) -> bool:
    """Return whether a process holds a lock file. Nothing is written or removed."""
    from filelock import FileLock, Timeout

    if not path.exists():
        return False
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    except OSError:  # not permitted to look
        return False
    lock.release()
    return False


@contextlib.contextmanager
def _removed(path: Path) -> Iterator[None]:
    """Remove a lock file while its lock is still held. Processes that wait for it notice this, and try again."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # some systems refuse to remove an open file
            path.unlink()
