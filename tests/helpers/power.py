"""What a power cut leaves: the names and bytes that were synced, and any part of what was not.

A name is durable once its folder was synced after the file got it; a byte is durable once its file was synced.
"""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

Entries = dict[str, int]
"""Inode numbers by name."""


@dataclass
class Disk:
    """Folders and files by inode number, as they are at some moment."""

    folders: dict[int, Entries] = field(default_factory=dict)
    files: dict[int, bytes] = field(default_factory=dict)

    def copy(self) -> Disk:
        return Disk({number: dict(entries) for number, entries in self.folders.items()}, dict(self.files))


@dataclass
class Recorder:
    """All syncs below a folder, and the state of the disk after each."""

    root: Path
    durable: Disk = field(default_factory=Disk)
    states: list[tuple[Disk, Disk]] = field(default_factory=list)
    """What is durable, and what the system shows, after each sync."""
    held: list[int] = field(default_factory=list)
    """Open files, so that no inode number is used twice."""

    def synced(self, descriptor: int) -> None:
        """Note that a file or folder was synced."""
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if not path.is_relative_to(self.root.parent) or not path.exists():
            return
        self.held.append(os.dup(descriptor))
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            self.durable.folders[found.st_ino] = self._entries(path)
        else:
            self.durable.files[found.st_ino] = path.read_bytes()
        self.states.append((self.durable.copy(), self._shown()))

    def _entries(self, folder: Path) -> Entries:
        return {path.name: path.stat().st_ino for path in folder.iterdir()}

    def _shown(self) -> Disk:
        shown = Disk()
        for folder, _, names in os.walk(self.root.parent):
            shown.folders[Path(folder).stat().st_ino] = self._entries(Path(folder))
            for name in names:
                path = Path(folder, name)
                shown.files[path.stat().st_ino] = path.read_bytes()
        return shown

    def close(self) -> None:
        for descriptor in self.held:
            os.close(descriptor)


@contextmanager
def recorded(root: Path) -> Iterator[Recorder]:
    """Record all syncs of this process below the parent of a folder."""
    recorder = Recorder(root)
    recorder.durable.folders[root.parent.stat().st_ino] = {}
    with pytest.MonkeyPatch.context() as patch:
        for module, name in (("os", "fsync"), ("rtbench.storage.budget", "_sync")):
            real = os.fsync if name == "fsync" else os.fdatasync

            def sync(descriptor: int, real: object = real) -> None:
                real(descriptor)  # type: ignore[operator]
                recorder.synced(descriptor)

            patch.setattr(f"{module}.{name}", sync)
        yield recorder
    recorder.close()


def left_after_cut(recorder: Recorder, at: int, target: Path, chance: random.Random | None) -> None:
    """Write what a power cut after a sync leaves.

    Args:
        recorder: of the run.
        at: number of the sync.
        target: new folder, in place of the recorder's root.
        chance: decides which folders and files are shown with what was not synced; None: only what was synced is left.
    """
    durable, shown = recorder.states[at]
    top = recorder.root.parent.stat().st_ino

    def pick(number: int, safe: dict[int, object], other: dict[int, object], nothing: object) -> object:
        use = chance is not None and number in other and chance.random() < 0.5
        return other[number] if use else safe.get(number, nothing)

    def write(number: int, path: Path, *, is_folder: bool) -> None:
        if is_folder:
            path.mkdir(exist_ok=True)
            entries = pick(number, durable.folders, shown.folders, {})  # type: ignore[arg-type]
            for name, inner in entries.items():  # type: ignore[attr-defined]
                write(inner, path / name, is_folder=inner in shown.folders or inner in durable.folders)
        else:
            data = pick(number, durable.files, shown.files, b"")  # type: ignore[arg-type]
            assert isinstance(data, bytes)
            safe = durable.files.get(number, b"")
            if chance is not None and data != safe and chance.random() < 0.5:  # torn: a part of what was not synced
                data = data[: chance.randint(min(len(safe), len(data)), len(data))]
            path.write_bytes(data)

    entries = pick(top, durable.folders, shown.folders, {})  # type: ignore[arg-type]
    for name, inner in entries.items():  # type: ignore[attr-defined]
        if name == recorder.root.name:
            write(inner, target, is_folder=True)
