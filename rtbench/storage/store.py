"""The store: results of finished steps. A step that is in the store is complete.

A step works in a private directory. Its ``meta.json`` is written last, then one rename moves the directory into place.
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
from rtbench.schema.steps import Input, StepKind
from rtbench.storage.files import locked, write_json

ResultT = TypeVar("ResultT", bound=StepResult)
T = TypeVar("T")


class StepMeta(msgspec.Struct, frozen=True, kw_only=True):
    """The ``meta.json`` of a finished step. Two runs of the same work write the same content."""

    key: str
    kind: StepKind
    version: int
    spec: Any
    inputs: tuple[Input, ...]
    result: dict[str, Any]


class _Reported(msgspec.Struct, frozen=True):
    """The part of ``meta.json`` that reports read."""

    result: msgspec.Raw


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """Duration of a step. It is stored apart from the result, which does not depend on it."""

    seconds: float
    units: int = 0
    """Units of work done: requested completions, or optimiser steps."""
    elsewhere: bool = False
    """True where another machine did the step, and its result was unpacked here."""


class Store:
    """Finished steps in one folder, by kind and key."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, kind: str, key: str) -> Path:
        """Return the folder of a step's result, whether it exists or not."""
        return self.root / kind / key

    def has(self, kind: str, key: str) -> bool:
        """Return whether a step is finished."""
        return os.path.isfile(f"{self.root}/{kind}/{key}/meta.json")  # noqa: PTH113 - Path is slower

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
            BadInputError: the step is not in the store, or its meta.json is damaged.
        """
        return _read(self.path(kind, key) / "meta.json", StepMeta)

    def result(self, type_: type[ResultT], key: str) -> ResultT:
        """Return the result of a finished step.

        Args:
            type_: result type of the step's kind.
            key: key of the step.

        Raises:
            BadInputError: the step is not in the store, or its meta.json is damaged.
        """
        path = self.path(KINDS[type_], key) / "meta.json"
        try:
            return msgspec.json.decode(_read(path, _Reported).result, type=type_)
        except msgspec.MsgspecError as error:
            raise _damaged(path, error) from None

    def scored(self, cell: CellRecord) -> bool:
        """Return whether a cell's scores are in the store."""
        return cell.score is not None and self.has("score", cell.score)

    def timing(self, kind: str, key: str) -> Timing | None:
        """Return how long a step took; None where it was not measured.

        Raises:
            BadInputError: its timing.json is damaged.
        """
        path = self.path(kind, key) / "timing.json"
        return _read(path, Timing) if path.is_file() else None

    def newest(self, kind: str, count: int) -> list[str]:
        """Return the keys of the most recently finished steps of a kind, newest first."""
        folder = self.root / kind
        if not folder.is_dir():
            return []
        found = sorted(((entry.stat().st_mtime, entry.name) for entry in os.scandir(folder)), reverse=True)
        return [name for _, name in found[:count]]

    @contextlib.contextmanager
    def work(self, kind: str, key: str, *, resume: bool = False) -> Iterator[Path]:
        """Yield a private directory for a step's work, locked against other processes that run the same step.

        Files of an earlier, killed attempt are removed, unless the step can ``resume`` from them.
        """
        folder = self.root / ".work" / f"{kind}-{key}"
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.with_suffix(".lock")):
            if folder.exists() and not resume:
                shutil.rmtree(folder)
            folder.mkdir(exist_ok=True)
            yield folder

    def commit(self, folder: Path, meta: StepMeta, timing: Timing) -> None:
        """Move finished work into the store."""
        write_json(folder / "timing.json", timing)
        write_json(folder / "meta.json", meta)
        target = self.path(meta.kind, meta.key)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():  # a folder without meta.json is not a finished step
            shutil.rmtree(target)
        os.replace(folder, target)


def _read(path: Path, type_: type[T]) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=type_)
    except FileNotFoundError:
        raise BadInputError(
            "this step is not in the store", where=str(path), next_step="Run it again with `rtbench run`."
        ) from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> BadInputError:
    return BadInputError(
        f"{path.name} is damaged: {error}",
        where=str(path),
        next_step="Delete the folder. `rtbench run` then repeats the step.",
    )
