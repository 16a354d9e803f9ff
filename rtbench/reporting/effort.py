"""What the trainings behind a cell took: rows, tokens and steps from train reports, money from the prices of the run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtbench.schema.effort import NOTHING, Cost, TrainingEffort, total_of, unknown
from rtbench.schema.training import CurationYield, TrainReport

if TYPE_CHECKING:
    from rtbench.reporting.spending import SpendingReader
    from rtbench.schema.money import Price, Spending
    from rtbench.schema.runs import CellRecord, RunRecord
    from rtbench.storage.store import StepMeta, Store


@dataclass(frozen=True)
class _Training:
    """A finished training."""

    student: str | None
    """Its student; None where the step does not name it."""
    report: TrainReport
    examples: tuple[str, ...]
    """Keys of the ``curate`` steps that it learned from."""
    asked_of_twin: int
    """Number of new questions of a twin that it asked, to within one batch."""


class EffortReader:
    """Reads what the students of a run were trained with. Every training is read once.

    Args:
        run: record of the run, for prices.
        store: has the train reports.
        books: for the cost of completions; None: no money is known.
    """

    def __init__(self, run: RunRecord, store: Store, books: SpendingReader | None) -> None:
        self._run = run
        self._store = store
        self._books = books
        self._trainings: dict[str, _Training | None] = {}
        self._metas: dict[tuple[str, str], StepMeta | None] = {}
        self._of_teachers: dict[tuple[object, ...], Cost] = {}

    def of(self, cell: CellRecord) -> TrainingEffort | None:
        """Return what a cell's student was trained with; None where it was not trained, or no report is in the store."""
        keys = [key for key in cell.trainings or (cell.checkpoint,) if key is not None]
        found = {key: self._training(key) for key in keys}
        trainings = {key: training for key, training in found.items() if training is not None}
        own = {key: one for key, one in trainings.items() if one.student in {None, cell.student}}
        if not own:
            return None
        complete = len(trainings) == len(keys)
        others = [one.report for key, one in trainings.items() if key not in own]
        mine = [one.report for one in own.values()]
        tested = own.get(cell.checkpoint or "", next(iter(own.values())))
        examples = tuple(dict.fromkeys(key for one in trainings.values() for key in one.examples))
        return TrainingEffort(
            rows=tested.report.rows,
            tokens=_sum(report.tokens for report in mine) if complete else None,
            steps=_sum(report.steps for report in mine) if complete else None,
            trainings=len(mine),
            mentor_tokens=_sum(report.tokens for report in others) if complete else None,
            teacher=self._teacher(cell, examples),
            student=self._student(cell, list(trainings.values()), complete=complete),
        )

    def asked_of_twin(self, cell: CellRecord) -> int:
        """Return the number of new questions that the training of a cell's tested weights asked, to within one batch."""
        training = None if cell.checkpoint is None else self._training(cell.checkpoint)
        return 0 if training is None else training.asked_of_twin

    def _training(self, key: str) -> _Training | None:
        """Return a training; None where it is not in the store."""
        if key not in self._trainings:
            meta = self._meta("train", key)
            if meta is None:
                self._trainings[key] = None
            else:
                examples = tuple(i.key for i in meta.inputs if i.role == "examples")
                name = (meta.spec.get("model") or {}).get("name")
                report = self._store.result(TrainReport, key)
                self._trainings[key] = _Training(name, report, examples, _asked_of_twin(meta, report))
        return self._trainings[key]

    def _meta(self, kind: str, key: str) -> StepMeta | None:
        """Return the ``meta.json`` of a step; None where the step is not in the store."""
        if (kind, key) not in self._metas:
            self._metas[kind, key] = self._store.meta(kind, key) if self._store.has(kind, key) else None
        return self._metas[kind, key]

    def _teacher(self, cell: CellRecord, examples: Sequence[str]) -> Cost:
        """Return the money for the rationales of a cell, and for judges of them."""
        if self._books is None:
            return unknown("the ledger was not read")
        curated = tuple(dict.fromkeys(key for key in (cell.examples, *examples) if key is not None))
        place = (cell.teacher, cell.recorded, cell.mentored, cell.asked, curated)
        if place not in self._of_teachers:
            self._of_teachers[place] = total_of([self._rationales(cell, curated), *self._judges(curated)])
        return self._of_teachers[place]

    def _rationales(self, cell: CellRecord, curated: Iterable[str]) -> Cost:
        if cell.teacher is None:
            return NOTHING
        inputs = [i for key in curated if (meta := self._meta("curate", key)) is not None for i in meta.inputs]
        asked = [self._meta("complete", i.key) for i in inputs if i.role == "completions"]
        if cell.recorded or any(meta is not None and meta.spec.get("recorded") is not None for meta in asked):
            return unknown(f"rationales of {cell.teacher} are recordings, whose cost is not known")
        if not cell.asked:
            # A student that learned from gold answers may teach without any request to a teacher.
            return NOTHING if cell.mentored else unknown(f"the requests to {cell.teacher} are not known")
        assert self._books is not None, "only a reader with books knows money"
        spent = self._books.spent_on_teacher(cell.teacher, cell.asked, self._run)
        return unknown(_no_price(cell.teacher)) if spent is None else _cost(spent, cell.teacher)

    def _judges(self, curated: Iterable[str]) -> list[Cost]:
        costs = []
        for key in curated:
            if self._meta("curate", key) is not None:
                for judge, spent in self._store.result(CurationYield, key).judged.items():
                    costs.append(_cost(spent, judge) if spent.currency else unknown(_no_price(f"the judge {judge}")))
        return costs

    def _student(self, cell: CellRecord, trainings: Sequence[_Training], *, complete: bool) -> Cost:
        """Return the money for the trainings behind a cell, and for what students wrote for them."""
        if self._books is None:
            return unknown("the ledger was not read")
        students = [one.student or cell.student or "" for one in trainings]
        prices = self._run.student_prices
        costs = [_cost_of_training(one, name, prices.get(name)) for one, name in zip(trainings, students, strict=True)]
        if not complete:
            costs.append(unknown("a train report is not in the store"))
        return total_of([*costs, *self._own_texts(cell)])

    def _own_texts(self, cell: CellRecord) -> list[Cost]:
        """Return the money for the completions of students that are not answers to test questions."""
        assert self._books is not None, "only a reader with books knows money"
        if not cell.asked_student:
            return []
        tested = [meta for key in cell.completions if (meta := self._meta("complete", key)) is not None]
        test = {*cell.completions, *(i.key for meta in tested for i in meta.inputs if i.role == "reasoning")}
        by_student: dict[str, list[str]] = {}
        for key in cell.asked_student:
            if key not in test and (meta := self._meta("complete", key)) is not None:
                by_student.setdefault(meta.spec["model"]["name"], []).append(key)
        costs = []
        for student, keys in by_student.items():
            price = self._run.student_prices.get(student)
            costs.append(
                unknown(_no_price(student)) if price is None else _cost(self._books.spent_on(keys, price), student)
            )
        return costs


def _asked_of_twin(meta: StepMeta, report: TrainReport) -> int:
    if not meta.spec.get("twin"):
        return 0
    batch, updates = int(meta.spec["recipe"]["batch_size"]), int(meta.spec["objective"]["updates"])
    batches = math.ceil(report.rows / batch)  # of an epoch
    return round(report.steps // updates * report.rows / batches)


def _sum(counts: Iterable[int]) -> float | None:
    """Return a sum; None where a count is 0, as a provider's report has it that does not know the number."""
    known = list(counts)
    return float(sum(known)) if all(known) else None


def _cost(spent: Spending, who: str) -> Cost:
    """Return what completions cost; not known where the server did not report the tokens of some."""
    if spent.uncounted:
        return unknown(f"the cost of {spent.uncounted:,} completions of {who} is not known")
    return Cost(amount=spent.money, currency=spent.currency)


def _cost_of_training(training: _Training, student: str, price: Price | None) -> Cost:
    """Return the provider's cost of a training; of one on this machine, its tokens at the student's price."""
    report = training.report
    if not report.currency and price is not None and price.training is not None:
        return Cost(amount=report.tokens * price.training / 1e6, currency=price.currency)
    if not report.currency:
        return unknown(_no_price(f"training {student}"))
    if not report.tokens:
        return unknown(f"the provider reported no tokens of a training of {student}")
    return Cost(amount=report.money, currency=report.currency)


def _no_price(what: str) -> str:
    return f"the price of {what} is not known"
