"""What crosses rooms: frozen, typed records.

Everything that is stored (ledger, store) or sent to another process is one of these, so that one library (msgspec)
reads, checks and writes all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

import msgspec

Family = Literal["decoder", "encoder_decoder"]
Fold = Literal["train", "validation", "test", "ood"]
"""``validation`` and ``ood`` (out of distribution: harder than training) are folds of procedural twins."""
Source = Literal["upstream", "twin"]
"""Where questions come from: the data that a task's authors published, or the task's procedural twin."""
FinishReason = Literal["stop", "length"]


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Base of all records: immutable, and an unknown field is an error."""


T = TypeVar("T")


def keyed_default(value: T) -> T:
    """Return a field's default that counts in step keys also where nobody overrides it.

    Step keys are hashes of encoded records. Keyed records leave out defaults (``omit_defaults``), so that a new field with a
    plain default changes no key. The fields that were there when keys were first computed keep their place in every key: they
    take their default from here, and msgspec never leaves out a field whose default comes from a factory.
    """
    return msgspec.field(default_factory=lambda: value)


Progress = Callable[[int, int, str], None]
"""``progress(done, total, unit)``; called often, must be cheap."""


def no_progress(done: int, total: int, unit: str) -> None:
    """A progress callback for when nobody watches."""
