"""Notes of batches in the workspace: pending batches, and requests that got no completion."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rtbench_plugins.remote.booking import DAMAGED_NOTE, Booked

from rtbench.api import Record, RefusalKind, read_record


class PendingBatch(Booked, frozen=True, omit_defaults=True):
    """A batch that is pending, or whose results are partly fetched."""

    calls: dict[str, tuple[str, ...]]
    """Keys of the requests of each line, by ``custom_id``; an empty key has been fetched. Steps share batches, and each
    step fetches its own requests."""
    round: int = 1
    id: str | None = None
    """None while it is unknown whether the batch was created."""
    lines: dict[str, int] = {}
    """Highest possible cost of each line, in billionths of the currency, where money is counted."""

    bytes: int = 0
    """Highest number of bytes of its results; 0 in notes of older versions."""

    @property
    def keys(self) -> Iterator[str]:
        """Return the keys of the requests that have not been fetched."""
        return (key for keys in self.calls.values() for key in keys if key)


class FailedRequest(Record, frozen=True):
    """Why a request got no completion."""

    why: str
    refused: bool
    """Whether it was refused because of its content."""
    kind: RefusalKind | None = None
    """Kind of the refusal; None in notes of older versions."""
    said: str = ""
    """The model's own words, without keys."""


def notes_in(folder: Path) -> Iterator[tuple[Path, PendingBatch]]:
    """Yield the notes of batches that are pending, or whose results are partly fetched, with their paths."""
    for path in sorted(folder.glob("*.json")):
        yield path, read_record(path, PendingBatch, next_step=DAMAGED_NOTE)
