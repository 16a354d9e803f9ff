"""Formats of files with recorded completions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from rtbench.schema.recordings import Recording

ONE_TEXT_PREFIX = "The answer is"
"""Default prefix of the answer in a completion that has rationale and answer in one text."""


class RecordingFormat(ABC):
    """A reader of one kind of file."""

    name: str
    rank: int = 100
    """Position in the order in which formats are tried, low numbers first: the more general a format, the higher."""

    @abstractmethod
    def matches(self, path: Path) -> bool:
        """Return whether a file is of this kind, by its name or its first record."""

    @abstractmethod
    def read(self, path: Path, *, model: str | None, key: str | None, task: str | None) -> Recording:
        """Read a file.

        Args:
            path: the file, compressed with gzip or not.
            model: model that wrote the completions; None takes it from the file or its name.
            key: name of the way in which the model was prompted; None takes it from the file or its name.
            task: the task's name; None takes it from the file or its name.

        Raises:
            BadInputError: the file cannot be read; the error names the file and the line.
        """

    def belongs(self, path: Path) -> bool:
        """Return whether a file only belongs to files of this kind, such as the input of a batch to its output."""
        return False

    def read_with(
        self, path: Path, others: Sequence[Path], *, model: str | None, key: str | None, task: str | None
    ) -> Recording:
        """Read a file together with those that belong to files of this kind; see :meth:`read`."""
        return self.read(path, model=model, key=key, task=task)
