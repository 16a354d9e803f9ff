"""Which versions of a workspace's files this machine has in common with the place that the workspace is kept in."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from rtbench.storage.writing import make_folder, write_atomic

_LEAST_LINES = 10_000


class Version(msgspec.Struct, frozen=True, array_like=True):
    """A file as it was when it was last fetched or published."""

    stamp: str
    """That of the place."""
    size: int = 0
    changed: int = 0
    """Time of the local file's last change, in nanoseconds since 1970."""


class _KnownFile(msgspec.Struct, frozen=True, array_like=True):
    name: str
    version: Version | None = None
    """None: neither has the file any more."""


class Known:
    """Versions by name, in a file to which several processes append.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Version] = {}
        self._inode: int | None = None
        self._read_to, self._lines = 0, 0

    def all(self) -> dict[str, Version]:
        """Return all versions, those that other processes have added included."""
        self._catch_up()
        return self._known

    def add(self, name: str, stamp: str, local: Path) -> None:
        """Note that a local file equals the place's version of it."""
        stat = local.stat()
        self._append(_KnownFile(name, Version(stamp, stat.st_size, stat.st_mtime_ns)))

    def add_remote(self, name: str, stamp: str) -> None:
        """Note a file of the place whose content is in another local file."""
        self._append(_KnownFile(name, Version(stamp)))

    def drop(self, name: str) -> None:
        """Note that a file is gone in both."""
        self._append(_KnownFile(name))

    def compact(self) -> None:
        """Write the file anew where most of it is out of date.

        What another process adds meanwhile may be lost: that file is then fetched or published once more.
        """
        known = self.all()
        if self._lines < max(_LEAST_LINES, 2 * len(known)):
            return
        lines = [_KnownFile(name, version) for name, version in known.items()]
        write_atomic(self._path, msgspec.json.Encoder().encode_lines(lines))

    def _append(self, line: _KnownFile) -> None:
        make_folder(self._path.parent)
        with self._path.open("ab", buffering=0) as file:  # one write: lines of several processes do not mix
            file.write(msgspec.json.encode(line) + b"\n")

    def _catch_up(self) -> None:
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            self._known, self._read_to, self._lines, self._inode = {}, 0, 0, None
            return
        with file:
            inode = self._path.stat().st_ino
            if inode != self._inode:
                self._known, self._read_to, self._lines, self._inode = {}, 0, 0, inode
            file.seek(self._read_to)
            data = file.read()
        end = data.rfind(b"\n") + 1
        self._read_to += end
        for raw in data[:end].splitlines():
            self._lines += 1
            with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):  # torn by a power cut: fetched again
                line = msgspec.json.decode(raw, type=_KnownFile)
                if line.version is None:
                    self._known.pop(line.name, None)
                else:
                    self._known[line.name] = line.version
