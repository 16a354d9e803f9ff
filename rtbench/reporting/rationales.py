"""Rationales that a run's curators kept, as records for other tools."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rtbench.errors import BadInputError
from rtbench.schema.base import Record
from rtbench.schema.training import CurationYield
from rtbench.steps.curate import examples_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rtbench.plugin.services import Services
    from rtbench.schema.runs import CellRecord, RunRecord


class ExportedRationale(Record, frozen=True):
    """One kept rationale, with what it comes from."""

    question: str
    rationale: str
    answer: str
    """The gold answer."""
    task: str
    dataset: str
    split: str
    fold: str
    sample_index: int
    completion_index: int
    teacher: str
    """Teacher of its set."""
    teachers: tuple[str, ...]
    """All teachers of the run whose students learned from it. Several names may share completions."""
    recorded: bool
    """True where the teacher's completions are recordings."""
    source: str
    """Fingerprint of the model that wrote the rationale."""
    degree: int
    """Smallest number of rationales per question with which the run used it."""
    seed: int
    kept: int
    """Number of rationales that were kept of its set, the one of the largest degree."""
    completions: int
    """Number of completions from which they were selected."""
    covered: int
    """Number of questions with a kept rationale."""
    questions: int
    """Number of questions that were asked."""
    licence: str
    """Licence of the task's data, as its card states it; the teacher's terms apply as well."""
    run: str


def rationales_of(services: Services, run: RunRecord, cells: Sequence[CellRecord]) -> list[ExportedRationale]:
    """Return the rationales that the cells' students learned from.

    Each is returned once, although several teachers may have it: under the first teacher of the run that has it with the
    largest degree.

    Raises:
        BadInputError: there are none.
    """
    sets: dict[str, CellRecord] = {}
    for cell in cells:
        if cell.train_tasks:
            for one in _of_each_task(services, cell):
                sets.setdefault(one.examples or "", one)
        elif cell.examples is not None and cell.teacher is not None and services.store.has("curate", cell.examples):
            sets.setdefault(cell.examples, cell)
    found: dict[tuple[Any, ...], ExportedRationale] = {}
    for cell in sorted(sets.values(), key=lambda cell: -(cell.degree or 1)):
        for key, exported in _of_set(services, run, cell):
            earlier = found.get(key)
            # The set of the largest degree states the yield; the degree is the smallest.
            found[key] = exported if earlier is None else _also_of(earlier, exported)
    if not found:
        raise BadInputError(
            "no rationales: no student was trained on any",
            where=f"run {run.name}",
            next_step="Use a run with a method such as fine-tune-cot, and finish it.",
        )
    return list(found.values())


def _of_each_task(services: Services, cell: CellRecord) -> Iterator[CellRecord]:
    """Yield a cell that is trained on stated tasks as the cells of these tasks, each with its own examples."""
    import msgspec

    if cell.examples is None or cell.teacher is None or not services.store.has("curate", cell.examples):
        return
    joined = [i.key for i in services.store.meta("curate", cell.examples).inputs if i.role == "examples"]
    for key in joined or [cell.examples]:
        task = services.store.meta("curate", key).spec["task"]
        yield msgspec.structs.replace(
            cell,
            examples=key,
            task=task["name"],
            dataset=task["dataset"],
            variant=task["variant"],
            split=task["split"],
            train_tasks=(),
        )


def _also_of(first: ExportedRationale, other: ExportedRationale) -> ExportedRationale:
    """Return a rationale with the degree and the teacher of another set that has it."""
    import msgspec

    teachers = tuple(dict.fromkeys([*first.teachers, *other.teachers]))
    return msgspec.structs.replace(first, degree=min(first.degree, other.degree), teachers=teachers)


def _of_set(
    services: Services, run: RunRecord, cell: CellRecord
) -> Iterator[tuple[tuple[Any, ...], ExportedRationale]]:
    assert cell.examples is not None
    assert cell.teacher is not None
    counts = services.store.result(CurationYield, cell.examples)
    licence = services.task(cell.task).info.licence
    for example in examples_of(services, cell.examples):
        if example.rationale is None:
            continue
        # With its text: draws at another temperature have the same indices.
        key = (cell.dataset, cell.split, example.source, example.sample_index, example.completion_index)
        yield (
            (*key, example.rationale),
            ExportedRationale(
                question=example.question,
                rationale=example.rationale,
                answer=example.answer,
                task=cell.task,
                dataset=cell.dataset,
                split=cell.split,
                fold="train",
                sample_index=example.sample_index,
                completion_index=example.completion_index,
                teacher=cell.teacher,
                teachers=(cell.teacher,),
                recorded=cell.recorded,
                source=example.source or "",
                degree=cell.degree or 1,
                seed=cell.seed,
                kept=counts.kept,
                completions=counts.completions,
                covered=counts.covered,
                questions=counts.questions,
                licence=licence,
                run=run.name,
            ),
        )
