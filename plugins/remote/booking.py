"""Notes of work that an endpoint takes hours to do: the booking of its money, and when it is looked at.

The highest possible cost is booked before the work is sent, and replaced by the actual cost when that is known. The
account stays right, or too high, wherever a run is stopped in between.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from rtbench.api import Budget, write_json

LOOK_AFTER = 20.0
"""Seconds after which work whose creation was interrupted counts as not created, if the endpoint does not list it."""
LONGEST_WAIT = 60.0


class Booked(Protocol):
    """A note of pending work."""

    @property
    def worst(self) -> int:
        """Return the amount booked for the work, in billionths of the currency."""

    @property
    def account(self) -> str | None:
        """Return the path of the account in which the amount is booked; None where nothing is booked."""


N = TypeVar("N", bound=Booked)


def book_maximum(budget: Budget | None, worst: int) -> str | None:
    """Book the highest possible cost of pending work.

    Args:
        budget: of the run; None where no money is counted.
        worst: highest possible cost, in billionths of the currency.

    Returns:
        path of the account; None without a budget.

    Raises:
        BudgetSpentError: less than this is left. Nothing is booked.
    """
    if budget is None:
        return None
    if worst:
        if not budget.reserve(worst):
            raise budget.spent_out(worst)
        budget.settle(worst, worst)
    return budget.cap.path


def settle_actual(budget: Budget | None, path: Path, note: N, spent: int) -> N:
    """Replace the booked highest cost by the actual cost, once.

    The note is written before the account is changed, so a run that is killed in between has booked too much, not too
    little. A note with another account is left as it is.

    Args:
        budget: of the run.
        path: file of the note.
        note: contents of that file.
        spent: actual cost, in billionths of the currency.

    Returns:
        the note with the actual cost.
    """
    if budget is None or note.account != budget.cap.path:
        return note
    settled: N = msgspec.structs.replace(note, worst=spent)  # type: ignore[type-var]
    write_note(path, settled)
    budget.settle(0, spent - note.worst)
    return settled


def write_note(path: Path, note: Booked) -> None:
    write_json(path, note)


def seconds_to_wait(created: float) -> float:
    """Return the time before pending work is looked at again, in seconds: a tenth of its age, from 1 s to a minute.

    Args:
        created: time of its creation, in seconds since 1970.
    """
    return min(LONGEST_WAIT, max(1.0, (time.time() - created) / 10))
