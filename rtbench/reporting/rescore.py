"""Re-score a run's stored completions with the current version of an extractor.

No model is asked, and nothing is written. The leaderboard changes only with ``rtbench run``, which runs the score steps
of a changed extractor again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench.reporting.answers import stored_answers
from rtbench.schema.base import Record
from rtbench.scoring.metrics import majority
from rtbench.steps.score import scores_of

if TYPE_CHECKING:
    from rtbench.plugin.services import Services
    from rtbench.schema.runs import CellRecord


class Rescored(Record, frozen=True):
    """Result of re-scoring one cell."""

    cell: str
    extractor: str
    version: int
    """Current version of the extractor."""
    n: int
    correct: int
    """Number of correct answers by the current version."""
    stored: int | None
    """Number of correct answers by the stored scores; None where the run was not scored with the extractor."""
    changed: int | None
    """Number of questions whose score differs from the stored one; None likewise."""


def rescore(services: Services, cell: CellRecord, extractor: str | None = None) -> Rescored:
    """Re-score a cell's completions.

    Args:
        services: for the store and the task.
        cell: a scored cell of a run.
        extractor: name of the extractor; None: the one that the leaderboard shows.

    Raises:
        BadInputError: the cell has no scores, or its task or questions have changed since the run.
        UnknownNameError: the task has no such extractor.
    """
    key, spec, completions = stored_answers(services, cell)
    samples = services.task_data(cell.task, cell.variant).samples
    name = extractor or cell.extractor
    current = services.task(cell.task).extractor(name)
    scores = current.score(completions, samples, spec.answer_prefix)
    if spec.aggregate == "majority":
        scores = majority(scores, current.canonical)
    stored = scores_of(services.store, key, name)
    before = {(one.sample_index, one.completion_index): one.correct for one in stored} or None
    return Rescored(
        cell=cell.name,
        extractor=name,
        version=current.version,
        n=len(scores),
        correct=sum(one.correct for one in scores),
        stored=None if before is None else sum(before.values()),
        changed=None
        if before is None
        else sum(before.get((one.sample_index, one.completion_index)) != one.correct for one in scores),
    )
