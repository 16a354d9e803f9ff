"""Formats of files with recorded completions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from rtbench.schema.recordings import Recording

ONE_TEXT_PREFIX = "The answer is"
"""What stands before the answer in a completion that holds rationale and answer in one text, where nothing else is known."""


class RecordingFormat(ABC):
    """Reads one kind of file."""

    name: str
    rank: int = 100
    """Formats are tried in this order, low numbers first: the more general a format, the higher."""

    @abstractmethod
    def matches(self, path: Path) -> bool:
        """Return whether a file is of this kind, by its name alone."""

    @abstractmethod
    def read(self, path: Path, *, model: str | None, key: str | None, task: str | None) -> Recording:
        """Read a file.

        Args:
            path: the file, gzip or not.
            model: who wrote the completions; None: as the file or its name says.
            key: what to call the way they were asked for; None: likewise.
            task: the task's name; None: likewise.

        Raises:
            BadInputError: the file cannot be read; names the file and the line.
        """
