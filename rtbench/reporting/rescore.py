"""A run's stored texts, judged again by an extractor as it is now. Nothing is asked and nothing is written: what a run shows
changes by ``rtbench run`` alone, which does the score steps of a changed extractor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench.reporting.answers import stored_answers
from rtbench.schema.base import Record
from rtbench.steps.score import majority, scores_of

if TYPE_CHECKING:
    from rtbench.plugin.services import Services
    from rtbench.schema.runs import CellRecord


class Rescored(Record, frozen=True):
    """One cell."""

    cell: str
    extractor: str
    version: int
    """Of the extractor, now."""
    n: int
    correct: int
    """By the extractor as it is now."""
    stored: int | None
    """Right answers by the stored verdicts; None where the run was not scored with it."""
    changed: int | None
    """Questions with another verdict than the stored one."""


def rescore(services: Services, cell: CellRecord, extractor: str | None = None) -> Rescored:
    """Judges a cell's completions again.

    Args:
        services: where.
        cell: of a run.
        extractor: its name; None: the one that the leaderboard shows.

    Raises:
        BadInputError: the cell has no scores, or its task or questions are not those of then.
        UnknownNameError: the task has no such extractor.
    """
    key, spec, completions = stored_answers(services, cell)
    samples = services.task_data(cell.task, cell.variant).samples
    name = extractor or cell.extractor
    judge = services.task(cell.task).extractor(name)
    scores = judge.score(completions, samples, spec.answer_prefix)
    if spec.aggregate == "majority":
        scores = majority(scores, judge.canonical)
    before = {one.sample_index: one.correct for one in scores_of(services.store, key, name)} or None
    return Rescored(
        cell=cell.name,
        extractor=name,
        version=judge.version,
        n=len(scores),
        correct=sum(one.correct for one in scores),
        stored=None if before is None else sum(before.values()),
        changed=None if before is None else sum(before.get(one.sample_index) != one.correct for one in scores),
    )
