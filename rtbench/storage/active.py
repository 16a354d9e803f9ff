"""Runs that are running in a workspace. Each holds a lock file, and nothing is removed meanwhile."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator

from rtbench.errors import BadInputError
from rtbench.storage.locks import locked, try_locked
from rtbench.storage.place import Place
from rtbench.storage.workspace import mark_format
from rtbench.storage.writing import make_folder

_FOLDER = "active"
_SUFFIX = ".lock"
CLEANING = "cleaning.lock"
"""Name of the lock of a clean-up."""


@contextlib.contextmanager
def active_run(place: Place, name: str, *, exclusive: bool = False) -> Iterator[None]:
    """Say, until the block ends, that a run is running, and state the workspace's format. Waits for the end of a clean-up.

    Args:
        place: of the workspace.
        name: of the run.
        exclusive: refuse to, where another machine runs a run of this name.

    Raises:
        BadInputError: the run is running on another machine.
    """
    folder = place.root / _FOLDER
    make_folder(folder)
    mine = folder / f"{name}@{os.getpid()}-{uuid.uuid4().hex[:8]}{_SUFFIX}"
    with contextlib.ExitStack() as held:
        with place.alone(place.root / CLEANING):
            held.enter_context(locked(mine))
            held.enter_context(place.running(name, exclusive=exclusive))
            mark_format(place)
        yield


def active_runs(place: Place) -> list[str]:
    """Return the names of the running runs. Files of runs that were killed are removed."""
    found = place.running_elsewhere()
    for path in sorted((place.root / _FOLDER).glob(f"*{_SUFFIX}")):
        with try_locked(path) as ours:
            if not ours:
                found.append(path.name.rpartition("@")[0])
    return found


@contextlib.contextmanager
def alone_in(place: Place) -> Iterator[None]:
    """Keep runs from starting until the block ends.

    Raises:
        BadInputError: a run is running.
    """
    with place.alone(place.root / CLEANING):
        if names := active_runs(place):
            raise BadInputError(
                f"the run {names[0]} is running in this workspace"
                if len(names) == 1
                else f"{len(names)} runs are running in this workspace",
                where=place.url or str(place.root),
                next_step="Wait for its end, or stop it.",
            )
        yield
