"""Frozen, typed records: the base class, and types that several records share.

Everything that is stored (ledger, store) or sent to another process is a record, so that one library (msgspec) reads,
checks and writes all of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Literal, TypeVar

import msgspec

Family = Literal["decoder", "encoder_decoder"]
Fold = Literal["train", "validation", "test", "ood"]
"""``validation`` and ``ood`` (out of distribution: harder than training) are folds of procedural twins."""
Source = Literal["upstream", "twin"]
"""Origin of questions: the data that a task's authors published, or the task's procedural twin."""
FinishReason = Literal["stop", "length"]


Positive = Annotated[int, msgspec.Meta(ge=1)]
"""A whole number from 1."""
NotNegative = Annotated[int, msgspec.Meta(ge=0)]
"""A whole number from 0."""


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Base of all records: immutable, and an unknown field is an error."""


T = TypeVar("T")


def keyed_default(value: T) -> T:
    """Return a field whose default enters step keys even where it is not overridden.

    Step keys are hashes of encoded records. Keyed records omit defaults (``omit_defaults``), so that a new field with a
    plain default changes no key. Fields that existed when keys were first computed must stay in every key. They use
    this function, since msgspec never omits a field whose default comes from a factory.
    """
    return msgspec.field(default_factory=lambda: value)


Progress = Callable[[int, int, str], None]
"""``progress(done, total, unit)``; it is called often and must be cheap."""


def no_progress(done: int, total: int, unit: str) -> None:
    """Ignore progress."""


class Throttle:
    """Limits how often something happens.

    Args:
        seconds: shortest time between two occurrences.
        wait_first: whether the first occurrence also waits this long.
    """

    def __init__(self, seconds: float, *, wait_first: bool = False) -> None:
        self.seconds = seconds
        self._next = time.monotonic() + seconds if wait_first else float("-inf")

    def due(self) -> bool:
        """Return whether enough time has passed; if so, the time starts again."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self.seconds
        return True


def throttled(progress: Progress, seconds: float) -> Progress:
    """Return a progress callback that calls another one at most once in ``seconds``, and always at the end."""
    throttle = Throttle(seconds)

    def report(done: int, total: int, unit: str) -> None:
        if throttle.due() or done == total:
            progress(done, total, unit)

    return report
