"""Compare everything in a workspace with its checksums, and find what killed runs have left."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtbench.errors import BadInputError
from rtbench.planning.damage import DamagedStep, damage_of, move_step_away
from rtbench.schema.runs import RunRecord
from rtbench.storage.active import CLEANING
from rtbench.storage.budget import read_account
from rtbench.storage.lines import CHECKED, is_intact, write_sum
from rtbench.storage.locks import is_locked, try_locked
from rtbench.storage.place import FORMAT_FILE, Place
from rtbench.storage.records import has_checksum, read_record, write_record
from rtbench.storage.runs import Runs
from rtbench.storage.segments import examined as examine
from rtbench.storage.segments import lines_text
from rtbench.storage.store import DAMAGED, TIMING
from rtbench.storage.workspace import FORMAT, WorkspaceFormat, format_of, mark_format
from rtbench.storage.writing import REMOVED, TEMPORARY, free_name, make_folder, remove_folder

if TYPE_CHECKING:
    from rtbench.plugin.services import Services
    from rtbench.schema.steps import StepKind
    from rtbench.storage.ledger import Partition

SETTLED_SECONDS = 60.0
"""Age in seconds from which a temporary file counts as left behind."""


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be."""

    where: Path
    what: str
    damage: bool
    """False where nothing is lost: leftovers, and what older versions wrote without checksums."""
    cure: str
    """What a repair does, in the present tense; empty where it does nothing."""
    repair: Callable[[], object] | None = None


@dataclass
class Examined:
    """How much was read."""

    completions: int = 0
    steps: int = 0
    runs: int = 0


def findings(services: Services, examined: Examined) -> Iterator[Finding]:
    """Yield all findings in a workspace: ledger, store, run records, leftovers.

    Args:
        services: of the workspace.
        examined: counts what was read.
    """
    if (stated := format_of(services.workspace)) < FORMAT and services.workspace.is_dir():
        text = f"the workspace has format {stated}, without checksums"
        yield Finding(
            services.workspace, text, False, "states the current format", partial(mark_format, services.place)
        )
    stated_in = services.workspace / FORMAT_FILE
    for one in _record(stated_in, services.place, WorkspaceFormat, cure="") if stated_in.exists() else ():
        yield replace(one, cure="writes it anew", repair=partial(_state_format, services.place))
    for partition in services.ledger.partitions():
        yield from _in_partition(services, partition, examined)
    yield from _in_store(services, examined)
    yield from _in_runs(services, examined)
    yield from _leftovers(services)


def _state_format(place: Place) -> None:
    (place.root / FORMAT_FILE).unlink()
    mark_format(place)


# ---- ledger


def _in_partition(services: Services, partition: Partition, examined: Examined) -> Iterator[Finding]:
    keys: Counter[str] = Counter()
    for segment in partition.segments():
        try:
            found, damaged = examine(segment)
        except OSError as error:
            yield Finding(segment, f"cannot be read ({error.strerror})", True, "")
            continue
        keys.update(found)
        checked = segment.name.endswith(CHECKED)
        anew = partial(partition.cut_out_damage, segment, services.workspace / DAMAGED)
        if damaged:
            yield Finding(
                segment, _text(damaged), True, "moves them away; `rtbench run` then requests them again", anew
            )
        elif not checked or not _is_whole(segment):
            what = "no checksums" if not checked else "an unfinished last line"
            yield Finding(segment, what, False, "writes it anew", anew)
        elif not is_intact(segment):
            yield Finding(segment, "no checksum of the whole", False, "adds it", partial(write_sum, segment))
    examined.completions += len(keys)
    if doubled := sum(count > 1 for count in keys.values()):
        yield Finding(partition.path, f"{doubled} completions are stored twice; the older ones count", False, "")
    for path in sorted(partition.path.glob("*.sum")):
        if not path.with_suffix("").exists():
            yield Finding(path, "the checksum of a segment that is gone", True, "removes it", path.unlink)
    for note in sorted(partition.path.glob("*.json")):
        yield from _record(note, services.place, cure="moves it away; recordings are then imported again")


def _text(damaged: set[int]) -> str:
    return f"{lines_text(damaged)} {'is' if len(damaged) == 1 else 'are'} not what was written"


def _is_whole(segment: Path) -> bool:
    with segment.open("rb") as handle:
        size = handle.seek(0, os.SEEK_END)
        handle.seek(max(0, size - 1))
        return handle.read(1) in {b"", b"\n"}


# ---- store


def _in_store(services: Services, examined: Examined) -> Iterator[Finding]:
    store = services.store
    finished: list[tuple[StepKind, str]] = []
    for kind, key in store.all():
        if store.has(kind, key):
            finished.append((kind, key))
        else:
            yield _damaged_step(services, DamagedStep(kind, key, "meta.json is missing", store.stamp(kind, key)))
    examined.steps = len(finished)
    broken: set[str] = set()
    for damaged in damage_of(services, finished, {key for _, key in finished}):
        broken.add(damaged.key)
        yield _damaged_step(services, damaged)
    for kind, key in finished:
        if key in broken:
            continue
        meta, folder = store.meta(kind, key), store.path(kind, key)
        for i in meta.inputs:
            if not store.has(i.kind, i.key):
                text = f"its input, the {i.kind} step {i.key}, is not in the store"
                yield Finding(folder, text, False, "")
        timing = folder / TIMING
        if timing.exists() and store.timing(kind, key) is None:
            yield Finding(timing, "not what was written", True, "removes it; only estimates use it", timing.unlink)
        if meta.files is None:
            yield Finding(folder, "no checksums", False, "adds them", partial(services.store.add_digests, kind, key))


def _damaged_step(services: Services, damaged: DamagedStep) -> Finding:
    cure = "moves the step away; `rtbench run` then does it again"
    where = services.store.path(damaged.kind, damaged.key)
    return Finding(where, damaged.problem, True, cure, lambda: move_step_away(services, damaged) is not None)


# ---- runs and leftovers


def _in_runs(services: Services, examined: Examined) -> Iterator[Finding]:
    root = Runs(services.place).root
    for path in sorted(root.glob("*.json")):
        examined.runs += 1
        cure = "moves it away; `rtbench run` with the same options writes it again"
        yield from _record(path, services.place, RunRecord, cure=cure)
    for path in sorted(root.glob("*.spend")):
        try:
            if not read_account(path) and not read_account(path):  # a booking may have been under way
                yield Finding(
                    path, "one of the account's two copies is damaged; the next booking replaces it", True, ""
                )
        except BadInputError as error:
            yield Finding(path, f"{error.what}: what was spent is unknown", True, "")
    for pattern in ("batches/**/*.json", "store/.work/*/job.json"):
        for path in sorted(services.workspace.glob(pattern)):  # not moved away: the endpoint still knows the work
            yield from _record(path, services.place, cure="")


def _record(path: Path, place: Place, type_: Any = Any, *, cure: str) -> Iterator[Finding]:
    """Yield what is wrong with a record's file.

    Args:
        path: the file.
        place: of the workspace.
        type_: type of the record, where it is known.
        cure: what moving it away does; empty: it is not moved.
    """
    try:
        checksum = has_checksum(path, type_)
    except BadInputError as error:
        yield Finding(path, error.what, True, cure, partial(_move, path, place, type_) if cure else None)
    else:
        if not checksum:
            yield Finding(path, "no checksum", False, "adds it", partial(_add_checksum, path))


def _move(path: Path, place: Place, type_: Any) -> None:
    """Move a damaged record away, unless the workspace is kept elsewhere and the record is intact there."""
    workspace = place.root
    if place.refetch(path):
        with contextlib.suppress(BadInputError):
            has_checksum(path, type_)
            return
    target = free_name(workspace / DAMAGED / path.name)
    make_folder(target.parent)
    path.replace(target)


def _add_checksum(path: Path) -> None:
    """Write a record with its checksum. Its time stays, because the latest run is found by it."""
    before = path.stat()
    record: Any = read_record(path, Any)
    write_record(path, record)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _leftovers(services: Services) -> Iterator[Finding]:
    """Yield what killed runs have left: private directories, locks, temporary files, folders that were being removed."""
    work = services.store.root / ".work"
    for folder in sorted(path for path in work.iterdir() if path.is_dir()) if work.is_dir() else ():
        if is_locked(folder.with_suffix(".lock")) or folder.name.startswith(REMOVED):
            continue
        if folder.name.startswith("train-") and any(folder.iterdir()):
            yield Finding(folder, "a training that was stopped; the next run continues it", False, "")
        else:
            yield Finding(
                folder, "the work of a run that was killed", False, "removes it", partial(remove_folder, folder)
            )
    for path in sorted(services.workspace.rglob(f".*{TEMPORARY}")):
        if time.time() - path.stat().st_mtime > SETTLED_SECONDS:
            yield Finding(path, "a file whose writing was stopped", False, "removes it", path.unlink)
    for path in sorted(services.workspace.rglob(f"{REMOVED}*")):
        yield Finding(path, "a folder whose removal was stopped", False, "removes it", partial(shutil.rmtree, path))
    for path in sorted(services.workspace.rglob("*.lock")):
        if path.name != CLEANING and not is_locked(path):
            yield Finding(path, "a lock that no process holds", False, "removes it", partial(_unlock, path))


def _unlock(path: Path) -> bool:
    with try_locked(path) as ours:  # one that was free is removed at the end
        return ours
