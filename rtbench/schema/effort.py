"""What training a student takes: rows, tokens, optimiser steps and money."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rtbench.schema.base import Record
from rtbench.schema.money import money_text
from rtbench.schema.scores import Interval

CostUnit = Literal["tokens", "money"]
"""What a leaderboard's values can be divided by: supervised training tokens, or money."""

TOKENS = 1000
"""Number of tokens in a unit; a unit of money is one of its currency."""

UNKNOWN = "?"
"""How a quantity that is not known is printed."""


class Cost(Record, frozen=True):
    """An amount of money, or why it is not known. Nothing that is not known counts as 0."""

    amount: float | None
    """In ``currency``; None: not known."""
    currency: str = ""
    """Empty where nothing was bought, or the amount is not known."""
    reasons: tuple[str, ...] = ()
    """Why the amount is not known."""

    def __str__(self) -> str:
        if self.amount is None:
            return UNKNOWN
        return money_text(self.amount, self.currency) if self.currency else "0"


NOTHING = Cost(amount=0.0)


def unknown(*reasons: str) -> Cost:
    """Return a cost that is not known."""
    return Cost(amount=None, reasons=tuple(dict.fromkeys(reasons)))


def total_of(costs: Sequence[Cost]) -> Cost:
    """Return the sum of costs; not known where one of them is not, or where they are in several currencies."""
    if any(cost.amount is None for cost in costs):
        return unknown(*(reason for cost in costs for reason in cost.reasons))
    currencies = sorted({cost.currency for cost in costs if cost.currency})
    if len(currencies) > 1:
        return unknown(f"prices are in {' and '.join(currencies)}")
    return Cost(amount=sum(cost.amount or 0.0 for cost in costs), currency="".join(currencies))


def mean_of(costs: Sequence[Cost]) -> Cost:
    """Return the mean of costs, of at least one; not known as in :func:`total_of`."""
    total = total_of(costs)
    if total.amount is None:
        return total
    return Cost(amount=total.amount / len(costs), currency=total.currency)


class TrainingEffort(Record, frozen=True):
    """What a student was trained with and what that cost: of one cell, or the mean of several."""

    rows: float
    """Training rows of the training whose weights are tested. A training before it mostly has the same rows."""
    tokens: float | None
    """Supervised tokens over all epochs and all trainings of the student; None where a provider did not report them."""
    steps: float | None
    """Optimiser steps of all its trainings; None likewise."""
    trainings: float
    """Number of its trainings."""
    mentor_tokens: float | None
    """Supervised tokens of the trainings of other students that wrote its rationales; None likewise."""
    teacher: Cost
    """Money for the rationales and for judges of them, each cell's in full even where cells share it."""
    student: Cost
    """Money for the trainings, and for what students wrote to be trained on or to select an epoch. What they wrote to be
    tested is not in it."""

    @property
    def money(self) -> Cost:
        """Return the money of teacher and student together."""
        return total_of((self.teacher, self.student))

    @property
    def all_tokens(self) -> float | None:
        """Return the supervised tokens of all trainings, of the student and of those that taught it."""
        if self.tokens is None or self.mentor_tokens is None:
            return None
        return self.tokens + self.mentor_tokens


def mean_effort(efforts: Sequence[TrainingEffort]) -> TrainingEffort | None:
    """Return the mean of efforts; None where there are none. A quantity that one of them lacks is not known."""
    if not efforts:
        return None
    return TrainingEffort(
        rows=sum(one.rows for one in efforts) / len(efforts),
        tokens=mean_known([one.tokens for one in efforts]),
        steps=mean_known([one.steps for one in efforts]),
        trainings=sum(one.trainings for one in efforts) / len(efforts),
        mentor_tokens=mean_known([one.mentor_tokens for one in efforts]),
        teacher=mean_of([one.teacher for one in efforts]),
        student=mean_of([one.student for one in efforts]),
    )


def mean_known(values: Sequence[float | None]) -> float | None:
    """Return the mean of values, of at least one; None where one of them is not known."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


class Efficiency(Record, frozen=True):
    """What a unit of cost gains: percentage points, as fractions, per 1,000 supervised tokens or per unit of money."""

    value: float | None
    """``gain`` divided by the cost in units; None: there is no such number, and ``reason`` says why."""
    interval: Interval | None = None
    """Interval of the gain divided by the same cost."""
    gain: float | None = None
    """Difference to the untrained row on the questions that both answered; the accuracy itself where ``over`` is None."""
    over: str | None = None
    """Method of the untrained row of the same student; None where the run has none."""
    n: int = 0
    """Number of questions that both answered, summed over seeds; of the accuracy itself, its ``n``."""
    reason: str | None = None
