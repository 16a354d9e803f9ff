"""Prices, spending and budgets."""

from __future__ import annotations

from math import isfinite

from rtbench.schema.base import Record

_MOST = 1e9
"""Largest price of a million tokens."""


class Spending(Record, frozen=True, omit_defaults=True):
    """Completions and their cost at a price. Each completion is counted once, even where several cells share it."""

    completions: int
    prompt_tokens: int
    completion_tokens: int
    money: float
    currency: str
    cached_tokens: int = 0
    trainings: int = 0
    """Number of a student's trainings that are included in ``money``."""
    uncounted: int = 0
    """Completions whose server reported no tokens; ``money`` lacks their cost."""
    as_of: str = ""
    """Date of the price."""


class Price(Record, frozen=True, omit_defaults=True):
    """Prices per million tokens, in ``currency``."""

    input: float
    output: float
    currency: str = "USD"
    as_of: str = ""
    """Date of the price."""
    cached: float | None = None
    """Price of prompt tokens that the server had cached; None: as ``input``."""
    batch: float = 1.0
    """Factor on these prices for requests that are sent in batches."""
    training: float | None = None
    """Price of tokens that a student is fine-tuned on, counted once per epoch."""

    def __post_init__(self) -> None:
        stated = (self.input, self.output, self.batch, self.cached, self.training)
        if not all(amount is None or (isfinite(amount) and 0 <= amount <= _MOST) for amount in stated):
            raise ValueError("amounts must be finite and not negative, and at most 10^9")

    def of(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> float:
        """Return the cost of tokens, in ``currency``; ``cached_tokens`` are included in ``prompt_tokens``."""
        cached = self.input if self.cached is None else self.cached
        fresh = prompt_tokens - cached_tokens
        return (fresh * self.input + cached_tokens * cached + completion_tokens * self.output) / 1e6


class BudgetCap(Record, frozen=True):
    """A run's budget, as passed to worker processes."""

    path: str
    """Path of the account's file."""
    nano: int | None
    """Cap in billionths of ``currency``. None: no cap; the account only records spending, for a later cap."""
    currency: str = "USD"


class Account(Record, frozen=True):
    """State of a budget, in billionths of its currency."""

    spent: int = 0
    held: dict[str, int] = {}
    """Amounts reserved for calls in progress, by process."""

    @property
    def reserved(self) -> int:
        """Return the sum of all reserved amounts."""
        return sum(self.held.values())


def amount_text(amount: float) -> str:
    """Return an amount of money as text: with cents, and with more digits where it is below 1."""
    return f"{amount:,.2f}" if amount >= 1 or amount == 0 else f"{amount:.4g}"


def money_text(amount: float, currency: str) -> str:
    """Return an amount of money as text, with its currency."""
    return f"{amount_text(amount)} {currency}"
