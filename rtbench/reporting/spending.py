"""Cost of a run's completions and trainings: tokens from the ledger and store, prices from the run's record."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from rtbench.errors import DamagedError
from rtbench.schema.completions import LedgerAddress, Usage
from rtbench.schema.money import Price, Spending
from rtbench.schema.results import CompleteResult
from rtbench.schema.steps import StepKind
from rtbench.schema.training import TrainReport
from rtbench.steps.complete import index_of, partition_at
from rtbench.steps.spending import spending_of, summed

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
                entries = index_of(self._store, key)
                if lost := sum(entry.key not in usages for entry in entries):
                    raise DamagedError(
                        f"{lost} of {len(entries)} completions are no longer in the ledger",
                        where=self._ledger.damage_below(self._ledger.root) or str(self._ledger.root),
                        next_step="`rtbench run` requests them again. `rtbench verify` lists all damage.",
                    )
                by_completion.update((entry.key, usages[entry.key]) for entry in entries)
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
            if cell.teacher is not None and not cell.mentored:  # else it is that of the cells that train its teachers
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
                asked, last = cell.asked_student or cell.completions, (cell.checkpoint,) if cell.checkpoint else ()
                trainings = cell.trainings or last
                if cell.mentored:  # other students trained and wrote before
                    asked = self._of_student(cell.student, "complete", asked)
                    trainings = self._of_student(cell.student, "train", trainings)
                completed.setdefault(cell.student, {}).update(dict.fromkeys(asked))
                trained.setdefault(cell.student, {}).update(dict.fromkeys(trainings))
        return {
            student: self._with_trainings(self.spent_on(keys, price), trained[student], price)
            for student, keys in completed.items()
            if (price := run.student_prices[student])
        }

    def _of_student(self, student: str, kind: StepKind, keys: Iterable[str]) -> tuple[str, ...]:
        """Return the finished steps of a kind that train or ask a student."""
        done = [key for key in keys if self._store.has(kind, key)]
        return tuple(key for key in done if self._store.meta(kind, key).spec["model"]["name"] == student)

    def _with_trainings(self, spending: Spending, keys: Iterable[str], price: Price) -> Spending:
        """Return spending with the cost of finished trainings added: the provider's, or their tokens at a student's price."""
        trained = [self._store.result(TrainReport, key) for key in keys if self._store.has("train", key)]
        paid = [report for report in trained if report.currency or price.training is not None]
        of_machine = (price.training or 0.0) / 1e6
        money = spending.money + sum(one.money if one.currency else one.tokens * of_machine for one in paid)
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
