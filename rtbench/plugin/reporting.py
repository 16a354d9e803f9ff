"""Reporters: render a leaderboard as text or as a folder."""

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
    """Its name for ``--format``."""
    takes_reference: bool = False
    """True where it always receives published rows with the measured ones, whether requested or not."""

    shows_per: bool = False
    """True where it shows gains per unit of cost where the leaderboard has them (:attr:`Leaderboard.per`)."""

    @abstractmethod
    def render(self, leaderboard: Leaderboard) -> str:
        """Return the leaderboard as text."""


class FolderReporter(Reporter):
    """Writes a folder instead of a text: the leaderboard and the data behind its numbers."""

    def render(self, leaderboard: Leaderboard) -> str:
        """Raise BadInputError: there is no text."""
        raise BadInputError(f"{self.name} is a folder, not a text", where="--format", next_step="Write `--out DIR`.")

    @abstractmethod
    def write(self, leaderboard: Leaderboard, run: RunRecord, services: Services, folder: Path) -> None:
        """Write the folder.

        Raises:
            BadInputError: the folder contains something that the reporter did not write.
        """
