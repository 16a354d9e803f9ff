"""Reporters: how a leaderboard is shown."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from rtbench.errors import BadInputError
from rtbench.plugin.services import Services
from rtbench.schema.leaderboard import Leaderboard
from rtbench.schema.runs import RunRecord


class Reporter(ABC):
    """Renders a leaderboard as text."""

    name: str
    """What ``--format`` calls it."""
    takes_reference: bool = False
    """Published rows are handed to it with the measured ones, whether asked for or not."""

    @abstractmethod
    def render(self, leaderboard: Leaderboard) -> str:
        """Return the text."""


class FolderReporter(Reporter):
    """Writes a folder instead of a text: the leaderboard, and what its numbers rest on."""

    def render(self, leaderboard: Leaderboard) -> str:
        raise BadInputError(f"{self.name} is a folder, not a text", where="--format", next_step="Write `--out DIR`.")

    @abstractmethod
    def write(self, leaderboard: Leaderboard, run: RunRecord, services: Services, folder: Path) -> None:
        """Write the folder.

        Raises:
            BadInputError: the folder holds something that is not the reporter's.
        """
