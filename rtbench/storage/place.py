"""Where a workspace is kept: in a folder that all of its processes see, or below a URL with a copy on each machine.

Ledger, store and runs always read and write local files. They tell the place what they have written, and ask it before they
read what others may have written. For a folder there is nothing to do: what is written there is there for everyone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from rtbench.storage.locks import locked

META, FORMAT_FILE = "meta.json", "format.json"
"""Files whose presence says that a step is finished, and what a workspace's format is."""
ACCOUNT = ".spend"
"""End of the names of accounts."""
ASKING = "asking.lock"
"""Lock of a partition of the ledger. Who appends to the partition holds it."""


class Place:
    """A folder that all processes see.

    Args:
        root: folder of the workspace.
    """

    url: str | None = None
    """Where the workspace is kept, if not in its folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def fetch(self, path: Path) -> bool:
        """Get what others have written at or below a path, and return whether the place has anything there.

        Args:
            path: the workspace, or a folder in it. Weights come only with the folder that holds them.
        """
        return False

    def holds(self, path: Path) -> bool:
        """Return whether the place has a file or folder that this machine lacks."""
        return False

    def publish(self, path: Path) -> None:
        """Give others a file, or all files of a finished step's folder, after it was written."""

    def publish_other(self, path: Path, content: bytes) -> None:
        """Give others a content under a file's name that differs from the file's own."""

    def append(self, segment: Path) -> None:
        """Give others the lines of an open segment that are synced since the last call."""

    def withdraw(self, path: Path) -> None:
        """Take a file or folder from others, after it was removed."""

    def refetch(self, path: Path) -> bool:
        """Get a file again, because the copy on this machine is damaged; return whether there was another copy."""
        return False

    def publish_leftovers(self, path: Path) -> None:
        """Give others the files at or below a path that processes of this machine have written and not published."""

    @contextlib.contextmanager
    def alone(self, lock: Path) -> Iterator[None]:
        """Hold a lock file against all other processes of the workspace. Waits until it is free."""
        with locked(lock):
            yield

    @contextlib.contextmanager
    def running(self, name: str, *, exclusive: bool) -> Iterator[None]:
        """Say that a run is running, until the block ends.

        Args:
            name: of the run.
            exclusive: refuse to, where another machine runs a run of this name.
        """
        yield

    def running_elsewhere(self) -> list[str]:
        """Return the names of runs that other machines run."""
        return []
