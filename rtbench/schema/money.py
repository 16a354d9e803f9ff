"""Prices, what was spent, and how much may be."""

from __future__ import annotations

from math import isfinite

from rtbench.schema.base import Record


class Spending(Record, frozen=True, omit_defaults=True):
    """Completions and what they cost at a price; each is counted once, whoever shares it."""

    completions: int
    prompt_tokens: int
    completion_tokens: int
    money: float
    currency: str
    cached_tokens: int = 0
    trainings: int = 0
    """Of a student: trainings at a provider that are in ``money``."""
    uncounted: int = 0
    """Completions whose server counted no tokens, so that ``money`` is too small."""
    as_of: str = ""
    """Date of the price."""


class Price(Record, frozen=True, omit_defaults=True):
    """Money per million tokens."""

    input: float
    output: float
    currency: str = "USD"
    as_of: str = ""
    """Date of the price."""
    cached: float | None = None
    """Of prompt tokens that the server had at hand; None: as ``input``."""
    batch: float = 1.0
    """Factor on all of it for what is asked in batches."""
    training: float | None = None
    """Of tokens that a student is fine-tuned on, counted once per epoch."""

    def __post_init__(self) -> None:
        stated = (self.input, self.output, self.batch, self.cached, self.training)
        if not all(amount is None or (isfinite(amount) and amount >= 0) for amount in stated):
            raise ValueError("amounts must be numbers from 0 on")

    def of(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> float:
        """Money for so many tokens, of which ``cached_tokens`` are among the prompt's."""
        cached = self.input if self.cached is None else self.cached
        fresh = prompt_tokens - cached_tokens
        return (fresh * self.input + cached_tokens * cached + completion_tokens * self.output) / 1e6


class BudgetCap(Record, frozen=True):
    """A run's budget, as it is handed to worker processes."""

    path: str
    """The account."""
    nano: int | None
    """Billionths; None: no cap, and the account only keeps what was spent, for a cap that comes later."""
    currency: str = "USD"


class Account(Record, frozen=True):
    """How a budget stands, in billionths."""

    spent: int = 0
    held: dict[str, int] = {}
    """What is reserved for calls under way, by process."""

    @property
    def reserved(self) -> int:
        return sum(self.held.values())
