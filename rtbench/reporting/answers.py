"""A cell's answers, each with its question, text and verdict: what is shown, compared and looked into."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from rtbench.errors import BadInputError, UnknownNameError
from rtbench.schema.base import Record
from rtbench.schema.completions import Completion
from rtbench.schema.results import ScoreResult
from rtbench.schema.scores import Score
from rtbench.schema.steps import CompleteSpec, ScoreSpec
from rtbench.schema.tasks import Sample
from rtbench.scoring.rationale import rationale_of
from rtbench.steps.complete import completions_of, weights_of
from rtbench.steps.score import scores_of

if TYPE_CHECKING:
    from rtbench.plugin.services import Services
    from rtbench.schema.runs import CellRecord, RunRecord


class Judged(Record, frozen=True):
    """One answer."""

    sample: Sample
    completion: Completion
    score: Score
    answer_prefix: str | None
    """What stands before the answer in the prompt's format."""

    @property
    def rationale(self) -> str:
        """What was written before the answer (:func:`rtbench.scoring.rationale.rationale_of`)."""
        return rationale_of(self.completion, self.answer_prefix)


def judged(services: Services, cell: CellRecord, extractor: str | None = None) -> list[Judged]:
    """The answers of a cell that has been scored, in the order of its questions; as :func:`judged_by` of one extractor.

    Args:
        services: where.
        cell: of a run.
        extractor: whose verdicts; None: the one that the leaderboard shows.
    """
    name = extractor or cell.extractor
    return judged_by(services, cell, [name])[name]


def judged_by(
    services: Services, cell: CellRecord, extractors: Sequence[str], *, votes: bool = False
) -> dict[str, list[Judged]]:
    """The answers of a cell by several extractors, whose texts are read once.

    Args:
        services: where.
        cell: of a run.
        extractors: whose verdicts.
        votes: where several completions of a question vote, all of them instead of the one chosen; none where they do not.

    Raises:
        BadInputError: the cell has no scores, or its task or questions are not those of then.
        UnknownNameError: it was not scored with one of them.
    """
    key, spec, completions = stored_answers(services, cell)
    known = [name for name, _ in spec.extractors]
    for name in extractors:
        if name not in known:
            raise UnknownNameError.of("extractor", name, known, where=f"cell {cell.name}")
    by_place = {(c.sample_index, c.completion_index): c for c in completions}
    samples = services.task_data(cell.task, cell.variant).samples
    return {
        name: [
            Judged(
                sample=samples[score.sample_index],
                completion=by_place[score.sample_index, score.completion_index],
                score=score,
                answer_prefix=spec.answer_prefix,
            )
            for score in scores_of(services.store, key, name, votes=votes)
        ]
        for name in extractors
    }


def scored_cells(services: Services, run: RunRecord) -> list[CellRecord]:
    """The cells of a run that have scores.

    Raises:
        BadInputError: none has.
    """
    found = [cell for cell in run.cells if services.store.scored(cell)]
    if not found:
        raise BadInputError("no cell is scored", where=f"run {run.name}", next_step="`rtbench run` first.")
    return found


def scored_by(services: Services, cell: CellRecord) -> list[str]:
    """The extractors that a scored cell was scored with, the leaderboard's first."""
    assert cell.score is not None
    names = [one.extractor for one in services.store.result(ScoreResult, cell.score).summaries]
    return sorted(names, key=lambda name: name != cell.extractor)


def shown_by(services: Services, run: RunRecord, extractor: str) -> RunRecord:
    """The run with another extractor's verdicts on display. What was kept to train on, and the epochs that were chosen, stay as
    they were.

    Raises:
        UnknownNameError: no cell was scored by it.
    """
    scored = {cell.name: scored_by(services, cell) for cell in run.cells if services.store.scored(cell)}
    if not any(extractor in names for names in scored.values()):
        known = {name for names in scored.values() for name in names}
        raise UnknownNameError.of("extractor", extractor, known, where=f"run {run.name}", listing="rtbench extractors")
    lacks: dict[str, Any] = {"score": None, "reason": f"not scored by {extractor}"}
    cells = [
        replace(cell, extractor=extractor, **({} if extractor in scored.get(cell.name, [extractor]) else lacks))
        for cell in run.cells
    ]
    return replace(run, cells=tuple(cells))


def stored_answers(services: Services, cell: CellRecord) -> tuple[str, ScoreSpec, list[Completion]]:
    """Key and spec of a cell's score step, and the completions that it scored: of several epochs, the chosen one's.

    Raises:
        BadInputError: as :func:`judged_by`.
    """
    key = check_scored(services, cell)
    meta = services.store.meta("score", key)
    epoch = services.store.result(ScoreResult, key).epoch or 1
    return key, msgspec.convert(meta.spec, ScoreSpec), completions_of(services, cell.completions[epoch - 1])


def asked_as(services: Services, cell: CellRecord) -> CompleteSpec:
    """How a scored cell's model was asked; of several epochs, alike for all."""
    return msgspec.convert(services.store.meta("complete", cell.completions[0]).spec, CompleteSpec)


def checkpoint_of(services: Services, cell: CellRecord) -> Path:
    """Folder with the weights that a cell's numbers are of: of several epochs, the chosen one's.

    Raises:
        BadInputError: nothing was trained, or the weights are not here.
    """
    where = f"cell {cell.name}"
    if cell.checkpoint is None or not services.store.has("train", cell.checkpoint):
        raise BadInputError(cell.reason or "it has no trained student", where=where)
    epoch = None
    if cell.score is not None and services.store.scored(cell):
        epoch = services.store.result(ScoreResult, cell.score).epoch
    folder = weights_of(services.store, cell.checkpoint, epoch)
    if not any(folder.glob("*.safetensors")):
        raise BadInputError("its student has no weights here", where=where)
    return folder


def check_scored(services: Services, cell: CellRecord) -> str:
    """Key of a cell's score step.

    Raises:
        BadInputError: it has none, or its task or questions are not those of then.
    """
    if cell.score is None or not services.store.scored(cell):
        raise BadInputError(cell.reason or "not run yet", where=f"cell {cell.name}", next_step="`rtbench run` first.")
    check_task(services, cell)
    now = services.task(cell.task).dataset_id(cell.variant)
    if now != cell.dataset:
        raise BadInputError(
            f"it was asked questions of {cell.dataset}, and {cell.task} now has {now}",
            where=f"cell {cell.name}",
            next_step="Run it again.",
        )
    return cell.score


def check_task(services: Services, cell: CellRecord) -> None:
    """Raises BadInputError where the cell's task is not known; a task of a file is known to the commands that are given it."""
    if cell.task not in services.registry("tasks"):
        raise BadInputError(
            f"its task {cell.task!r} is not known here",
            where=f"cell {cell.name}",
            next_step="If it came from a file, give that again: --task FILE.yaml.",
        )
