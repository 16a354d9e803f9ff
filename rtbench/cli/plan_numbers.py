"""Numbers of a plan's steps as texts: the cells of its table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rtbench.schema.progress import span_text

if TYPE_CHECKING:
    from rtbench.planning.estimate import StepEstimate
    from rtbench.schema.steps import Step

HEADS = ("step", "state", "requests", "new requests", "prompt tokens ≈", "new tokens ≤", "cost ≤", "time ≈", "memory ≈")


def summed(steps: Iterable[Step], estimates: dict[str, StepEstimate]) -> list[tuple[str, ...]]:
    """Return table rows with the sums over steps of one kind and model."""
    from rtbench.planning.throughput import trait_of

    groups: dict[str, list[StepEstimate]] = {}
    members: dict[str, list[Step]] = {}
    for step in steps:
        trait = trait_of(step)
        name = f"{trait[0]} {trait[1]} {trait[2]}" if trait else step.kind
        members.setdefault(name, []).append(step)
        step_estimate = estimates.get(step.key)
        groups.setdefault(name, []).extend([step_estimate] if step_estimate else [])
    return [
        (name, f"{len(members[name])} to do", *numbers(of_group), memory_text(members[name]))
        for name, of_group in groups.items()
    ]


def memory_text(steps: Iterable[Step]) -> str:
    """Return the highest expected peak memory of the steps; empty where no model runs on this machine."""
    peak = max(
        (step.resources.memory_gb for step in steps if step.kind in {"train", "complete", "likelihood"}), default=0.0
    )
    return f"{peak:.1f} GiB" if peak else ""


def numbers(estimates: Iterable[StepEstimate]) -> tuple[str, ...]:
    """Return sums for the columns from ``requests`` to ``time``; empty strings where there is nothing to show."""
    from rtbench.schema.money import money_text

    steps = list(estimates)
    with_requests = [e for e in steps if e.requests]
    money = [e for e in steps if e.money is not None]
    timed = [e.seconds if e.seconds is not None else e.least_seconds for e in steps]
    known = [seconds for seconds in timed if seconds is not None]
    unknown = len(known) < len([e for e in steps if e.work])
    least = "≥ " if any(e.least_seconds is not None and e.seconds is None for e in steps) else ""
    clock = f"{least}{span_text(sum(known))}" if known else ""
    return (
        f"{sum(e.requests for e in with_requests):,}" if with_requests else "",
        f"{sum(e.work for e in with_requests):,}" if with_requests else "",
        f"{sum(e.prompt_tokens for e in with_requests):,}" if with_requests else "",
        f"{sum(e.new_tokens for e in with_requests):,}" if with_requests else "",
        money_text(sum(e.money or 0 for e in money), money[0].currency) if money else "",
        (clock + (" + ?" if unknown and clock else "")) or ("?" if unknown else ""),
    )


def with_head(head: str, value: str) -> str:
    """Return a number with the head of its column, whose ≈ gives way to a number's own ≥ or ?."""
    return f"{head.removesuffix(' ≈')} {value}" if value.startswith(("≥", "?")) else f"{head} {value}"
