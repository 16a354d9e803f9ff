"""Notes of work that an endpoint takes hours to do: the booking of its money, and when it is looked at.

The highest possible cost is booked before the work is sent, and replaced by the actual cost when that is known. The
account stays right, or too high, wherever a run is stopped in between.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TypeVar

import msgspec

from rtbench.api import Budget, Place, Record, write_record

LOOK_AFTER = 20.0
"""Seconds after which work whose creation was interrupted counts as not created, if the endpoint does not list it."""
LONGEST_WAIT = 60.0


DAMAGED_NOTE = (
    "The endpoint still knows the work. Move this file away to send the work again; the endpoint then bills it twice, and the "
    "account has both."
)
"""What to do about a damaged note."""


class Booked(Record, frozen=True):
    """A note of pending work."""

    mark: str
    """Mark in the metadata of the work at the endpoint."""
    worst: int
    """Highest possible cost, in billionths of the currency; booked as spent until the actual cost is known."""
    account: str | None
    """Name of the account in which it is booked; None: not booked, or settled."""
    at: float
    """Time of its creation, in seconds since 1970."""


N = TypeVar("N", bound=Booked)


def book_maximum(budget: Budget | None, worst: int) -> str | None:
    """Book the highest possible cost of pending work.

    Args:
        budget: of the run; None where no money is counted.
        worst: highest possible cost, in billionths of the currency.

    Returns:
        name of the account; None without a budget.

    Raises:
        BudgetSpentError: less than this is left. Nothing is booked.
    """
    if budget is None:
        return None
    if worst:
        if not budget.reserve(worst, ahead=0):
            raise budget.spent_out(worst)
        budget.settle(worst, worst)
    return budget.name


class Notes:
    """The notes of pending work in a workspace, which other machines that share it see.

    Args:
        place: of the workspace.
        budget: of the run; None where no money is counted.
    """

    def __init__(self, place: Place, budget: Budget | None) -> None:
        self._place = place
        self._budget = budget

    def fetch(self, folder: Path) -> None:
        """Get the notes that other machines have written into a folder."""
        self._place.fetch(folder)

    def write(self, path: Path, note: Record) -> None:
        """Write a note in place of an earlier one."""
        write_record(path, note)
        self._place.publish(path)

    def remove(self, path: Path) -> None:
        """Remove a note."""
        path.unlink()
        self._place.withdraw(path)

    def settle(self, path: Path, note: N, spent: int) -> N:
        """Replace the booked highest cost by the actual cost, once.

        The note is written before the account is changed, so a run that is killed in between has booked too much, not too
        little. A note with another account is left as it is.

        Args:
            path: file of the note.
            note: contents of that file.
            spent: actual cost, in billionths of the currency.

        Returns:
            the note with the actual cost.
        """
        if self._budget is None or note.account != self._budget.name:
            return note
        settled: N = msgspec.structs.replace(note, worst=spent)
        self.write(path, settled)
        self._budget.settle(0, spent - note.worst)
        return settled


def seconds_to_wait(created: float) -> float:
    """Return the time before pending work is looked at again, in seconds: a tenth of its age, from 1 s to a minute.

    Args:
        created: time of its creation, in seconds since 1970.
    """
    return min(LONGEST_WAIT, max(1.0, (time.time() - created) / 10))
