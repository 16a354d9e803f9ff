"""The store: finished steps. Present means complete.

Work happens in a private directory; ``meta.json`` is written last, then one rename moves the directory into place.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from rtbench.errors import BadInputError
from rtbench.schema.results import KINDS, StepResult
from rtbench.schema.runs import CellRecord
from rtbench.storage.files import locked, write_atomic, write_json

ResultT = TypeVar("ResultT", bound=StepResult)


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """What a finished step says of itself. Holds nothing that differs between two runs of the same work."""

    key: str
    kind: str
    version: int
    spec: Any
    inputs: list[Any]
    result: dict[str, Any]


class _Reported(msgspec.Struct, frozen=True):
    """The part of ``meta.json`` that reports read."""

    result: msgspec.Raw


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """How long a step took, kept apart from its result."""

    seconds: float
    units: int = 0
    """Units of work done: completions asked for, or optimiser steps."""


class Store:
    """Finished steps under one folder, by kind and key."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, kind: str, key: str) -> Path:
        return self.root / kind / key

    def has(self, kind: str, key: str) -> bool:
        return os.path.isfile(f"{self.root}/{kind}/{key}/meta.json")  # noqa: PTH113 - asked of every step; a Path is slower

    def finished(self, steps: Iterable[tuple[str, str]]) -> set[str]:
        """Keys of those steps (kind and key) that are there. Each kind's folder is listed once."""
        there: dict[str, set[str]] = {}
        found: set[str] = set()
        for kind, key in steps:
            if kind not in there:
                folder = self.root / kind
                there[kind] = {entry.name for entry in os.scandir(folder)} if folder.is_dir() else set()
            if key in there[kind] and self.has(kind, key):
                found.add(key)
        return found

    def meta(self, kind: str, key: str) -> Meta:
        """Raises BadInputError where the step is not there or its meta.json was tampered with."""
        path = self.path(kind, key) / "meta.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=Meta)
        except FileNotFoundError:
            raise _absent(path) from None
        except msgspec.MsgspecError as error:
            raise _damaged(path, error) from None

    def result(self, type_: type[ResultT], key: str) -> ResultT:
        """Return what a finished step reports.

        Args:
            type_: of the kind's result.
            key: of the step.

        Raises:
            BadInputError: the step is not there, or its meta.json was tampered with.
        """
        kind = KINDS[type_]
        path = self.path(kind, key) / "meta.json"
        try:
            return msgspec.json.decode(msgspec.json.decode(path.read_bytes(), type=_Reported).result, type=type_)
        except FileNotFoundError:
            raise _absent(path) from None
        except msgspec.MsgspecError as error:
            raise _damaged(path, error) from None

    def scored(self, cell: CellRecord) -> bool:
        """Return whether a cell's scores are there."""
        return cell.score is not None and self.has("score", cell.score)

    def timing(self, kind: str, key: str) -> Timing | None:
        path = self.path(kind, key) / "timing.json"
        return msgspec.json.decode(path.read_bytes(), type=Timing) if path.is_file() else None

    def newest(self, kind: str, count: int) -> list[str]:
        """Keys of the steps of a kind that were finished last."""
        folder = self.root / kind
        if not folder.is_dir():
            return []
        found = sorted(((entry.stat().st_mtime, entry.name) for entry in os.scandir(folder)), reverse=True)
        return [name for _, name in found[:count]]

    @contextlib.contextmanager
    def work(self, kind: str, key: str, *, resume: bool = False) -> Iterator[Path]:
        """A private directory for a step's work. What an earlier, killed attempt left there is removed, unless the
        step can ``resume`` from it. Locked against another process that does the same step."""
        folder = self.root / ".work" / f"{kind}-{key}"
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.with_suffix(".lock")):
            if folder.exists() and not resume:
                shutil.rmtree(folder)
            folder.mkdir(exist_ok=True)
            yield folder

    def commit(self, folder: Path, meta: Meta, timing: Timing) -> None:
        """Moves finished work into place."""
        write_atomic(folder / "timing.json", msgspec.json.encode(timing))
        write_json(folder / "meta.json", meta)
        target = self.path(meta.kind, meta.key)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():  # a folder without meta.json: not ours to trust
            shutil.rmtree(target)
        os.replace(folder, target)


def _absent(path: Path) -> BadInputError:
    return BadInputError("this step is not in the store", where=str(path), next_step="Run it again with `rtbench run`.")


def _damaged(path: Path, error: Exception) -> BadInputError:
    return BadInputError(
        f"not what a step writes: {error}",
        where=str(path),
        next_step="Delete the folder; `rtbench run` makes it anew.",
    )
