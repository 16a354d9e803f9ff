"""The store: results of finished steps. A step that is in the store is complete.

A step works in a private directory. Its ``meta.json`` is written last, with the digests of all other files; everything is
synced, and one rename moves the directory into place. A file that has changed since is found when it is read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from rtbench.errors import BadInputError, DamagedError
from rtbench.schema.results import KINDS, StepResult
from rtbench.schema.runs import CellRecord
from rtbench.schema.steps import Input, StepKind
from rtbench.storage.files import file_digest
from rtbench.storage.locks import locked, try_locked
from rtbench.storage.place import META, Place
from rtbench.storage.reading import raw_bytes
from rtbench.storage.records import decoded, read_record, sealed, write_record
from rtbench.storage.writing import free_name, make_folder, move_folder, remove_folder

ResultT = TypeVar("ResultT", bound=StepResult)
T = TypeVar("T")
DAMAGED = "damaged"
"""Folder of a workspace to which damaged files are moved."""
TIMING = "timing.json"
_MISSING, _CHANGED = "the file is missing", "the file was changed: its digest is another"


class StepMeta(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The ``meta.json`` of a finished step. Two runs of the same work write the same content."""

    key: str
    kind: StepKind
    version: int
    spec: Any
    inputs: tuple[Input, ...]
    result: dict[str, Any]
    files: dict[str, str] | None = None
    """SHA-256 of the step's other files, by path in its folder, without the duration. None in steps that were finished
    before digests were kept."""


class _Reported(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parts of ``meta.json`` that reports read."""

    key: msgspec.Raw
    kind: msgspec.Raw
    version: msgspec.Raw
    spec: msgspec.Raw
    inputs: msgspec.Raw
    result: msgspec.Raw
    files: dict[str, str] | None = None


class Timing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Duration of a step. It is stored apart from the result, which does not depend on it."""

    seconds: float
    units: int = 0
    """Units of work done: requested completions, or optimiser steps."""
    elsewhere: bool = False
    """True where another machine did the step, and its result was unpacked here."""


class Store:
    """Finished steps in one folder, by kind and key.

    Args:
        root: the folder.
        place: of the workspace; None: a folder.
    """

    def __init__(self, root: Path, place: Place | None = None) -> None:
        self.root = root
        self._place = place or Place(root.parent)
        self._intact: set[Path] = set()
        """Folders of weights that this process has compared with their digests."""

    def path(self, kind: str, key: str) -> Path:
        """Return the folder of a step's result, whether it exists or not."""
        return self.root / kind / key

    def has(self, kind: str, key: str) -> bool:
        """Return whether a step is finished."""
        return os.path.isfile(f"{self.root}/{kind}/{key}/{META}")  # noqa: PTH113 - Path is slower

    def fetched(self, kind: str, key: str) -> bool:
        """Return whether a step is finished, here or on another machine, whose result then comes here."""
        if not self.has(kind, key):
            self._place.fetch(self.path(kind, key))
        return self.has(kind, key)

    def finished(self, steps: Iterable[tuple[str, str]]) -> set[str]:
        """Return the keys of the given steps (kind and key) that are finished. Each kind's folder is listed once."""
        there: dict[str, set[str]] = {}
        found: set[str] = set()
        for kind, key in steps:
            if kind not in there:
                folder = self.root / kind
                there[kind] = {entry.name for entry in os.scandir(folder)} if folder.is_dir() else set()
            if key in there[kind] and self.has(kind, key):
                found.add(key)
        return found

    def meta(self, kind: str, key: str) -> StepMeta:
        """Return the ``meta.json`` of a finished step.

        Raises:
            BadInputError: the step is not in the store.
            DamagedError: its meta.json is damaged.
        """
        return self._read(kind, key, StepMeta)

    def result(self, type_: type[ResultT], key: str) -> ResultT:
        """Return the result of a finished step.

        Args:
            type_: result type of the step's kind.
            key: key of the step.

        Raises:
            BadInputError: the step is not in the store.
            DamagedError: its meta.json is damaged.
        """
        kind = KINDS[type_]
        try:
            return msgspec.json.decode(self._read(kind, key, _Reported).result, type=type_)
        except msgspec.MsgspecError as error:
            raise DamagedError(f"the file is damaged: {error}", where=str(self.path(kind, key) / META)) from None

    def rows(self, kind: StepKind, key: str, name: str, type_: type[T]) -> list[T]:
        """Return the records in one of a finished step's JSON Lines files; an empty list where it has no such file.

        Raises:
            BadInputError: the step is not in the store.
            DamagedError: the file is not what the step has written.
        """
        files, path = self._read(kind, key, _Reported).files, self.path(kind, key) / name
        if name not in files if files is not None else not path.exists():
            return []
        if files is not None and not path.exists():
            raise DamagedError(_MISSING, where=str(path))
        data = raw_bytes(path)
        if files is not None and hashlib.sha256(data).hexdigest() != files[name]:
            raise DamagedError(_CHANGED, where=str(path))
        try:
            return msgspec.json.Decoder(type_).decode_lines(data)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise DamagedError(f"the file is damaged: {error}", where=str(path)) from None

    def weights(self, kind: StepKind, key: str, name: str) -> Path:
        """Return a folder of a finished step, after comparing its files with their digests, once in a process.

        Raises:
            BadInputError: the step is not in the store.
            DamagedError: a file of the folder is not what the step has written, or is missing.
        """
        folder = self.path(kind, key) / name
        if folder not in self._intact:
            files = self._read(kind, key, _Reported).files or {}
            mine = [one for one in files if one.startswith(f"{name}/")]
            if not all((folder.parent / one).is_file() for one in mine) or not folder.exists():
                self._place.fetch(folder)
            if not folder.exists() and mine:
                raise DamagedError(
                    "the weights were removed",
                    where=str(folder),
                    next_step="`rtbench run` trains them again where it needs them.",
                )
            for path, problem in _changed(folder.parent, files, below=f"{name}/"):
                raise DamagedError(problem, where=str(path))
            self._intact.add(folder)
        return folder

    def has_weights(self, kind: StepKind, key: str, name: str) -> bool:
        """Return whether a folder of a finished step is here, or can be fetched."""
        folder = self.path(kind, key) / name
        return folder.is_dir() or self._place.holds(folder)

    def remove_weights(self, kind: StepKind, key: str, name: str) -> None:
        """Remove a folder of a finished step. The step stays finished."""
        folder = self.path(kind, key) / name
        remove_folder(folder)
        self._place.withdraw(folder)

    def problem(self, kind: str, key: str, *, weights: bool) -> str | None:
        """Return what is damaged in a finished step, with the file's name; None where nothing is.

        Args:
            kind: kind of the step.
            key: key of the step.
            weights: compare the files of folders too, which takes long for large models.
        """
        try:
            meta = self.meta(kind, key)
            if (meta.kind, meta.key) != (kind, key):
                return f"{META} is that of the {meta.kind} step {meta.key}"
            folder = self.path(kind, key)
            for path, problem in _changed(folder, meta.files or {}, below="" if weights else None):
                return f"{path.relative_to(folder)}: {problem}"
        except BadInputError as error:
            return f"{META}: {error.what}"
        except OSError as error:
            return f"{error.filename}: cannot be read ({error.strerror})"
        return None

    def scored(self, cell: CellRecord) -> bool:
        """Return whether a cell's scores are in the store."""
        return cell.score is not None and self.has("score", cell.score)

    def timing(self, kind: str, key: str) -> Timing | None:
        """Return how long a step took; None where it was not measured, or the measurement is damaged."""
        path = self.path(kind, key) / TIMING
        try:
            return read_record(path, Timing)
        except BadInputError:
            return None

    def write_timing(self, kind: str, key: str, timing: Timing) -> None:
        """Store how long a finished step took, in place of what was measured before."""
        write_record(self.path(kind, key) / TIMING, timing)
        self._place.publish(self.path(kind, key) / TIMING)

    def newest(self, kind: str, count: int) -> list[str]:
        """Return the keys of the most recently finished steps of a kind, newest first."""
        folder = self.root / kind
        if not folder.is_dir():
            return []
        found = sorted(((entry.stat().st_mtime, entry.name) for entry in os.scandir(folder)), reverse=True)
        return [name for _, name in found[:count]]

    def all(self) -> Iterator[tuple[StepKind, str]]:
        """Yield kind and key of all folders in the store, finished or not."""
        for kind in KINDS.values():
            if (self.root / kind).is_dir():
                names = (path.name for path in sorted((self.root / kind).iterdir()))
                yield from ((kind, name) for name in names if not name.startswith("."))

    @contextlib.contextmanager
    def work(self, kind: str, key: str, *, resume: bool = False) -> Iterator[Path]:
        """Yield a private directory for a step's work, locked against other processes that run the same step.

        Files of an earlier, killed attempt are removed, unless the step can ``resume`` from them. A directory in which
        nothing was written is removed at the end.
        """
        folder = self.root / ".work" / f"{kind}-{key}"
        make_folder(folder.parent)
        with self._alone(kind, folder.with_suffix(".lock")):
            if folder.exists() and not resume:
                shutil.rmtree(folder)
            folder.mkdir(exist_ok=True)
            try:
                yield folder
            finally:
                with contextlib.suppress(OSError):  # it holds files, or was moved into place
                    folder.rmdir()

    def _alone(self, kind: str, lock: Path) -> contextlib.AbstractContextManager[None]:
        """Hold the lock of a step; only against this machine's processes where work is quick and gives the same everywhere."""
        return locked(lock) if kind in {"curate", "score"} else self._place.alone(lock)

    def commit(self, folder: Path, meta: StepMeta, timing: Timing) -> None:
        """Move finished work into the store, with the digests of its files."""
        (folder / TIMING).write_bytes(sealed(timing))
        meta = msgspec.structs.replace(meta, files=digests(folder))
        (folder / META).write_bytes(sealed(meta))
        target = self.path(meta.kind, meta.key)
        if target.exists():  # a folder without meta.json is not a finished step
            remove_folder(target)
            self._place.withdraw(target)
        move_folder(folder, target)
        self._place.publish(target)

    def publish(self, kind: StepKind, key: str) -> None:
        """Publish a finished step that a process of this machine has finished, and did not publish before it was killed."""
        self._place.publish_leftovers(self.path(kind, key))

    def add_digests(self, kind: StepKind, key: str) -> None:
        """Add the digests of its files to a step that was finished before digests were kept."""
        folder = self.path(kind, key)
        if (timing := self.timing(kind, key)) is not None:
            self.write_timing(kind, key, timing)
        write_record(folder / META, msgspec.structs.replace(self.meta(kind, key), files=digests(folder)))
        self._place.publish(folder / META)

    def stamp(self, kind: str, key: str) -> int | None:
        """Return a number that changes when a step is done again; None where its folder is not there."""
        try:
            return self.path(kind, key).stat().st_ino
        except OSError:
            return None

    @contextlib.contextmanager
    def try_alone(self, kind: str, key: str) -> Iterator[bool]:
        """Yield whether no other process does a step or moves it, which then holds until the block ends."""
        make_folder(self.root / ".work")
        with try_locked(self.root / ".work" / f"{kind}-{key}.lock") as ours:
            yield ours

    def move_away(self, kind: str, key: str) -> Path:
        """Move a damaged step out of the store, and return where it is. The caller is :meth:`try_alone` with the step.

        It is then no finished step, and the next run does its work again.
        """
        target = free_name(self.root.parent / DAMAGED / f"{kind}-{key}")
        make_folder(target.parent)
        folder = self.path(kind, key)
        os.replace(folder, target)
        # The copy of another place may be intact. Its weights are compared when they are fetched.
        if not self._place.fetch(folder) or self.problem(kind, key, weights=False) is not None:
            self._place.withdraw(folder)
            remove_folder(folder)
        return target

    def _read(self, kind: str, key: str, type_: type[T]) -> T:
        path = self.path(kind, key) / META
        if not self.has(kind, key):
            self._place.fetch(path.parent)
        try:
            data = raw_bytes(path)
        except BadInputError as error:
            if path.exists():
                raise
            raise BadInputError(
                "this step is not in the store", where=error.where, next_step="Run it again with `rtbench run`."
            ) from None
        return decoded(data, type_, path)


def _changed(folder: Path, files: Mapping[str, str], *, below: str | None) -> Iterator[tuple[Path, str]]:
    """Yield the files of a step that differ from their digests, and what is wrong.

    Weights that are gone with their whole folder are not damaged: they were removed.

    Args:
        folder: of the step.
        files: SHA-256 of its files, by path.
        below: beginning of the paths of the files to compare; None: only files that are in no folder.
    """
    for name, digest in files.items():
        path = folder / name
        if "/" in name if below is None else not name.startswith(below):
            continue
        if not path.is_file():
            top = folder / name.partition("/")[0]
            if top == path or top.exists():
                yield path, _MISSING
        elif file_digest(path) != digest:
            yield path, _CHANGED


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of all files below a folder, by path, without those of the step's meta and duration."""
    found = {
        path.relative_to(folder).as_posix(): file_digest(path)
        for path in folder.rglob("*")
        if path.is_file() and path not in {folder / META, folder / TIMING}
    }
    return dict(sorted(found.items()))
