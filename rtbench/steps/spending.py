"""Sums of tokens and money."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rtbench.schema.completions import Usage
from rtbench.schema.money import Price, Spending


def spending_of(usages: Sequence[Usage | None], price: Price | None) -> Spending:
    """Return the cost of completions with these token counts; 0 where there is no price."""
    counted = [usage for usage in usages if usage is not None]
    prompt = sum(usage.prompt_tokens for usage in counted)
    written = sum(usage.completion_tokens for usage in counted)
    cached = sum(usage.cached_tokens for usage in counted)
    return Spending(
        completions=len(usages),
        prompt_tokens=prompt,
        completion_tokens=written,
        cached_tokens=cached,
        uncounted=len(usages) - len(counted),
        money=price.of(prompt, written, cached) if price else 0.0,
        currency=price.currency if price else "",
        as_of=price.as_of if price else "",
    )


def summed(parts: Sequence[Spending]) -> Spending:
    """Return the sum of several costs at the same price."""
    return msgspec.structs.replace(
        parts[0],
        **{
            field: sum(getattr(part, field) for part in parts)
            for field in ("completions", "prompt_tokens", "completion_tokens", "cached_tokens", "uncounted", "money")
        },
    )
