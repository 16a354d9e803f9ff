"""Cost of a run's completions and trainings: tokens from the ledger and store, prices from the run's record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from rtbench.schema.completions import LedgerAddress, Usage
from rtbench.schema.money import Price, Spending
from rtbench.schema.results import CompleteResult
from rtbench.schema.training import TrainReport
from rtbench.steps.complete import index_of, partition_at

if TYPE_CHECKING:
    from rtbench.schema.runs import RunRecord
    from rtbench.storage.ledger import Ledger
    from rtbench.storage.store import Store


class SpendingReader:
    """Token counts of a workspace's completions. Each partition of the ledger is read only once."""

    def __init__(self, store: Store, ledger: Ledger) -> None:
        self._store = store
        self._ledger = ledger
        self._usages: dict[LedgerAddress, dict[str, Usage | None]] = {}

    def spent_on(self, keys: Iterable[str], price: Price) -> Spending:
        """Return the cost of the completions of ``complete`` steps. Unfinished steps do not count.

        Args:
            keys: keys of the steps.
            price: price per token.
        """
        by_completion: dict[str, Usage | None] = {}
        for key in keys:
            if (address := self._address(key)) is not None:
                usages = self._usages_at(address)
                by_completion.update((entry.key, usages.get(entry.key)) for entry in index_of(self._store, key))
        return spending_of(list(by_completion.values()), price)

    def spent_on_teacher(self, teacher: str, keys: Iterable[str], run: RunRecord) -> Spending | None:
        """Return the cost of a teacher's completions; None where it has no price.

        Of a mix, each source has its own price. Completions of a source without one count as completions of unknown cost.
        """
        if (price := run.prices.get(teacher)) is not None:
            return self.spent_on(keys, price)
        if not run.source_prices:
            return None
        by_source: dict[str, list[str]] = {}
        for key in keys:
            if (address := self._address(key)) is not None:
                by_source.setdefault(address.fingerprint, []).append(key)
        priced = {source: run.source_prices[source] for source in by_source if source in run.source_prices}
        if not priced:
            return None
        unknown = Price(input=0.0, output=0.0, currency=next(iter(priced.values())).currency)
        parts = []
        for source, of_source in by_source.items():
            spent = self.spent_on(of_source, priced.get(source, unknown))
            parts.append(spent if source in priced else msgspec.structs.replace(spent, uncounted=spent.completions))
        return summed(parts)

    def by_teacher(self, run: RunRecord) -> dict[str, Spending]:
        """Return the cost of each priced teacher's completions: those for training and those of its own rows."""
        by_teacher: dict[str, dict[str, None]] = {}
        for cell in run.cells:
            if cell.teacher is not None:
                by_teacher.setdefault(cell.teacher, {}).update(dict.fromkeys(cell.asked))
        spent = {teacher: self.spent_on_teacher(teacher, keys, run) for teacher, keys in by_teacher.items()}
        return {teacher: cost for teacher, cost in spent.items() if cost is not None}

    def by_student(self, run: RunRecord) -> dict[str, Spending]:
        """Return the cost of each priced student's trainings and completions.

        Records of older versions name only the last training, and the completions that were scored.
        """
        completed: dict[str, dict[str, None]] = {}
        trained: dict[str, dict[str, None]] = {}
        for cell in run.cells:
            if cell.student in run.student_prices:
                completed.setdefault(cell.student, {}).update(dict.fromkeys(cell.asked_student or cell.completions))
                last = (cell.checkpoint,) if cell.checkpoint else ()
                trained.setdefault(cell.student, {}).update(dict.fromkeys(cell.trainings or last))
        return {
            student: self._with_trainings(self.spent_on(keys, run.student_prices[student]), trained[student])
            for student, keys in completed.items()
        }

    def _with_trainings(self, spending: Spending, keys: Iterable[str]) -> Spending:
        """Return spending with the cost of finished trainings added."""
        trained = [self._store.result(TrainReport, key) for key in keys if self._store.has("train", key)]
        paid = [report for report in trained if report.currency]
        money = spending.money + sum(report.money for report in paid)
        return msgspec.structs.replace(spending, money=money, trainings=len(paid))

    def _address(self, key: str) -> LedgerAddress | None:
        """Return where the completions of a finished step are; None where it is not finished."""
        if not self._store.has("complete", key):
            return None
        return self._store.result(CompleteResult, key).address

    def _usages_at(self, address: LedgerAddress) -> dict[str, Usage | None]:
        """Return the token counts of a partition, by key of the completion."""
        if address not in self._usages:
            self._usages[address] = partition_at(self._ledger, address).usages()
        return self._usages[address]


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
