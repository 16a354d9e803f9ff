"""Frozen, typed records: the base class, and types that several records share.

Everything that is stored (ledger, store) or sent to another process is a record, so that one library (msgspec) reads,
checks and writes all of it.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

import msgspec

Family = Literal["decoder", "encoder_decoder"]
Fold = Literal["train", "validation", "test", "ood"]
"""``validation`` and ``ood`` (out of distribution: harder than training) are folds of procedural twins."""
Source = Literal["upstream", "twin"]
"""Origin of questions: the data that a task's authors published, or the task's procedural twin."""
FinishReason = Literal["stop", "length"]
RefusalKind = Literal["filtered", "refused", "empty"]
"""Why a request has no answer although the model was reached: a content filter stopped the prompt or the text, the model
refused, or there is no text."""
REFUSALS: dict[RefusalKind, str] = {
    "filtered": "stopped by a content filter",
    "refused": "refused by the model",
    "empty": "answered with no text",
}
"""The kinds in words."""


MOST_COUNT = 10**9
"""Upper bound of every number that a user states: questions, tokens, steps, words."""
MOST_REPEATED = 10_000
"""Upper bound of numbers of which each costs work: rationales or answers per question, epochs."""
MOST_SEED = 2**32 - 1
"""Largest seed that all random generators take."""
Positive = Annotated[int, msgspec.Meta(ge=1, le=MOST_COUNT)]
"""An integer of at least 1."""
NotNegative = Annotated[int, msgspec.Meta(ge=0, le=MOST_COUNT)]
"""An integer of at least 0."""
Repeated = Annotated[int, msgspec.Meta(ge=1, le=MOST_REPEATED)]
"""An integer of at least 1, of which each costs work."""


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
