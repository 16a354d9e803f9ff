"""Money for work that is out at an endpoint for hours: booked at its worst before it is sent, at its truth when that is
known, whatever stops the run in between."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from rtbench.api import Budget, write_atomic


class Booked(Protocol):
    """A note of work that is out."""

    @property
    def worst(self) -> int:
        """What is booked for it, in billionths."""

    @property
    def account(self) -> str | None:
        """Where that is booked; None: nowhere."""


N = TypeVar("N", bound=Booked)


def book_worst(budget: Budget | None, worst: int) -> str | None:
    """Books what the work may cost. Returns the account.

    Raises:
        BudgetSpentError: there is not so much left; nothing is booked.
    """
    if budget is None:
        return None
    if worst:
        if not budget.reserve(worst):
            raise budget.spent_out(worst)
        budget.settle(worst, worst)
    return budget.cap.path


def book_truth(budget: Budget | None, path: Path, note: N, spent: int) -> N:
    """Books the truth in place of the worst, once: noted before it is booked, so that who is killed in between has booked
    too much, not too little. A note of another account's money stays as it is.

    Args:
        budget: of the run.
        path: of the note.
        note: what stands there.
        spent: the truth, in billionths.
    """
    if budget is None or note.account != budget.cap.path:
        return note
    settled: N = msgspec.structs.replace(note, worst=spent)  # type: ignore[type-var]
    write_note(path, settled)
    budget.settle(0, spent - note.worst)
    return settled


def write_note(path: Path, note: Booked) -> None:
    write_atomic(path, msgspec.json.encode(note))
