"""Find what no run of a workspace needs, so that it can be removed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rtbench.errors import BadInputError
from rtbench.schema.results import CompleteResult
from rtbench.steps.complete import partition_at
from rtbench.steps.epochs import WEIGHTS
from rtbench.storage.runs import Runs
from rtbench.storage.store import DAMAGED
from rtbench.storage.writing import remove_folder, sync_folder
from rtbench.upkeep.references import StepId, steps_of

if TYPE_CHECKING:
    from rtbench.plugin.services import Services
    from rtbench.schema.runs import RunRecord

FOLDERS = ("checkpoint", "epoch-*")
"""Folders with weights in a finished training."""


@dataclass(frozen=True)
class Removable:
    """A file or folder that can be removed."""

    path: Path
    kind: str
    """``complete``, ``likelihood``, ``curate``, ``train``, ``score``, ``weights``, ``ledger``, ``damaged`` or ``work``."""
    why: str
    bytes_: int


def removable(services: Services, *, weights: bool, ledger: bool) -> tuple[list[Removable], list[str]]:
    """Return what no run needs: steps that no run refers to, damaged files that were moved away, work of killed runs.

    Args:
        services: of the workspace.
        weights: return the weights of trainings too, where all cells that use them are scored.
        ledger: return partitions too that no finished step of a run refers to. Their completions may have cost money.

    Returns:
        what can be removed, and the names of the runs that are not finished, for which all finished steps are kept.

    Raises:
        BadInputError: a run's record cannot be read, so it is unknown what the run refers to; or ``ledger`` is asked for
            and a run is not finished.
    """
    records, used, unfinished = _references(services)
    found: list[Removable] = []
    for kind, key in services.store.all():
        path = services.store.path(kind, key)
        # The steps of an unfinished run that its record does not name are kept: only finished inputs can be followed.
        if (kind, key) not in used and (not unfinished or not services.store.has(kind, key)):
            found.append(Removable(path, kind, "no run refers to it", size_of(path)))
    if weights:
        found += _weights(services, records)
    if ledger:
        found += _partitions(services, used, unfinished)
    return [*found, *_aside(services, unfinished)], unfinished


def _references(services: Services) -> tuple[list[RunRecord], set[StepId], list[str]]:
    """Return all run records, the finished steps that they use, and the names of the runs that are not finished."""
    runs = Runs(services.place)
    records = [runs.load(name) for name in runs.names()]
    used: set[StepId] = set()
    unfinished: list[str] = []
    for record in records:
        steps, whole = steps_of(record, services.store)
        used |= steps
        if not whole:
            unfinished.append(record.name)
    return records, used, unfinished


def _weights(services: Services, records: list[RunRecord]) -> Iterator[Removable]:
    waiting: set[str] = set()
    trained: set[str] = set()
    for record in records:
        for cell in record.cells:
            keys = {key for key in (cell.checkpoint, *cell.trainings) if key is not None}
            trained |= keys
            if not services.store.scored(cell):
                waiting |= keys
    for key in sorted(trained - waiting):
        for pattern in FOLDERS:
            for path in sorted(services.store.path("train", key).glob(pattern)):
                if not any(path.glob(f"*{WEIGHTS}")):
                    continue
                yield Removable(path, "weights", "all cells that use them are scored", size_of(path))


def _partitions(services: Services, used: set[StepId], unfinished: list[str]) -> Iterator[Removable]:
    if unfinished:
        raise BadInputError(
            f"the run {unfinished[0]} is not finished, so it is unknown which completions it needs",
            where="--ledger",
            next_step=f"Finish it with `rtbench run`, or remove it with `rtbench runs rm {unfinished[0]}`.",
        )
    kept: set[Path] = set()
    for kind, key in used:
        if kind == "complete":
            kept.add(partition_at(services.ledger, services.store.result(CompleteResult, key).address).path)
    for partition in services.ledger.partitions():
        if partition.path not in kept:
            yield Removable(
                partition.path, "ledger", "no finished step refers to its completions", size_of(partition.path)
            )


def _aside(services: Services, unfinished: list[str]) -> Iterator[Removable]:
    damaged = services.workspace / DAMAGED
    for path in sorted(damaged.iterdir()) if damaged.is_dir() else ():
        yield Removable(path, "damaged", "it was damaged and moved away", size_of(path))
    work = services.store.root / ".work"
    for path in sorted(work.iterdir()) if work.is_dir() and not unfinished else ():
        yield Removable(path, "work", "no run is unfinished", size_of(path))


def remove(found: Removable) -> None:
    """Remove a file or folder."""
    path = found.path
    if path.is_dir() and not path.is_symlink():
        remove_folder(path)
    else:
        path.unlink(missing_ok=True)
        sync_folder(path.parent)


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder. Symbolic links are not followed."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(
        os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118 - Path is slower
        for place, _, names in os.walk(path)
        for name in names
    )
