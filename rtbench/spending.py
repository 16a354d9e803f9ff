"""What the teacher's completions of a run cost: tokens from the ledger, prices from the run's record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from rtbench.files import read_jsonl
from rtbench.records import Price, Spending
from rtbench.steps.complete import IndexEntry, LedgerAddress, partition_at

if TYPE_CHECKING:
    from rtbench.ledger import Ledger
    from rtbench.runs import RunRecord
    from rtbench.store import Store


def spent_on(keys: Iterable[str], price: Price, store: Store, ledger: Ledger) -> Spending:
    """What the completions of finished complete steps cost. A step that is not finished counts for nothing."""
    wanted: dict[LedgerAddress, set[str]] = {}
    for key in keys:
        if not store.has("complete", key):
            continue
        meta = store.meta("complete", key)
        if meta.result["completions"]:
            address = msgspec.convert(meta.result["address"], LedgerAddress)
            entries = read_jsonl(store.path("complete", key) / "index.jsonl", IndexEntry)
            wanted.setdefault(address, set()).update(entry.key for entry in entries)
    completions = prompt = written = cached = uncounted = 0
    for address, held in wanted.items():
        for usage in partition_at(ledger, address).usages(held):
            completions += 1
            if usage is None:
                uncounted += 1
                continue
            prompt += usage.prompt_tokens
            written += usage.completion_tokens
            cached += usage.cached_tokens
    return Spending(
        completions=completions,
        prompt_tokens=prompt,
        completion_tokens=written,
        money=price.of(prompt, written, cached),
        currency=price.currency,
        cached_tokens=cached,
        uncounted=uncounted,
        as_of=price.as_of,
    )


def spent_by_teacher(run: RunRecord, store: Store, ledger: Ledger) -> dict[str, Spending]:
    """What each priced teacher's completions of a run cost, for training and for its own rows together."""
    asked: dict[str, dict[str, None]] = {}
    for cell in run.cells:
        if cell.teacher in run.prices:
            asked.setdefault(cell.teacher, {}).update(dict.fromkeys(cell.asked))
    return {teacher: spent_on(keys, run.prices[teacher], store, ledger) for teacher, keys in asked.items()}


def summed(parts: Sequence[Spending]) -> Spending:
    """The sum of several, at one price."""
    return msgspec.structs.replace(
        parts[0],
        **{
            field: sum(getattr(part, field) for part in parts)
            for field in ("completions", "prompt_tokens", "completion_tokens", "cached_tokens", "uncounted", "money")
        },
    )
