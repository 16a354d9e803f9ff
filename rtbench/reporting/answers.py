"""A cell's answers, each with its question, completion and score."""

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
from rtbench.steps.complete import completions_of, weights_name
from rtbench.steps.score import scores_of

if TYPE_CHECKING:
    from rtbench.plugin.services import Services
    from rtbench.schema.runs import CellRecord, RunRecord


class ScoredAnswer(Record, frozen=True):
    """A completion with its question and score."""

    sample: Sample
    completion: Completion
    score: Score
    answer_prefix: str | None
    """Text before the answer in the prompt's format."""

    @property
    def rationale(self) -> str:
        """Return the text before the answer (:func:`rtbench.scoring.rationale.rationale_of`)."""
        return rationale_of(self.completion, self.answer_prefix)


def answers_of(services: Services, cell: CellRecord, extractor: str | None = None) -> list[ScoredAnswer]:
    """Return the answers of a scored cell by one extractor, in the order of its questions.

    Args:
        services: for the store and the task's data.
        cell: a scored cell of a run.
        extractor: extractor whose scores to return; None: the one that the leaderboard shows.

    Raises:
        BadInputError, UnknownNameError: as :func:`answers_by_extractor`.
    """
    name = extractor or cell.extractor
    return answers_by_extractor(services, cell, [name])[name]


def sample_records(services: Services, cell: CellRecord, extractor: str | None = None) -> list[dict[str, Any]]:
    """Return the samples of a cell as plain data: question, prompt, completion, answers, and whether it is correct."""
    return [
        {
            "task": cell.task,
            "sample_index": one.score.sample_index,
            "completion_index": one.score.completion_index,
            "question": one.sample.question,
            "gold": one.sample.answer,
            "prompt": one.completion.prompt,
            "reasoning": one.completion.reasoning,
            "completion": one.completion.text,
            "rationale": one.rationale,
            "extracted": one.score.extracted,
            "correct": one.score.correct,
            "contains_answer": one.score.contains_answer,
            "correct_format": one.score.correct_format,
            "complete": one.score.complete,
            "extractor": extractor or cell.extractor,
        }
        for one in answers_of(services, cell, extractor)
    ]


def answers_by_extractor(
    services: Services, cell: CellRecord, extractors: Sequence[str], *, votes: bool = False
) -> dict[str, list[ScoredAnswer]]:
    """Return the answers of a scored cell by several extractors. Its completions are read once.

    Args:
        services: for the store and the task's data.
        cell: a scored cell of a run.
        extractors: extractors whose scores to return.
        votes: where several completions of a question vote, return all of them instead of the chosen one. The lists are
            empty where there is no vote.

    Raises:
        BadInputError: the cell has no scores, or its task or questions have changed since the run.
        UnknownNameError: the cell was not scored with one of the extractors.
    """
    key, spec, completions = stored_answers(services, cell)
    known = [name for name, _ in spec.extractors]
    for name in extractors:
        if name not in known:
            raise UnknownNameError.of("extractor", name, known, where=f"cell {cell.name}")
    by_place = {(c.sample_index, c.completion_index): c for c in completions}
    samples = services.task_data(cell.task, cell.variant).samples
    found: dict[str, list[ScoredAnswer]] = {}
    for name in extractors:
        found[name] = []
        for score in scores_of(services.store, key, name, votes=votes):
            place = (score.sample_index, score.completion_index)
            if place not in by_place or score.sample_index not in samples:
                raise BadInputError(
                    f"completion {place[1]} of sample {place[0]} has a score, but is not in the ledger",
                    where=str(services.store.path("score", key)),
                    next_step="`rtbench verify --repair` moves damaged steps away, and `rtbench run` does them again.",
                )
            found[name].append(
                ScoredAnswer(samples[place[0]], by_place[place], score=score, answer_prefix=spec.answer_prefix)
            )
    return found


def scored_cells(services: Services, run: RunRecord) -> list[CellRecord]:
    """Return the cells of a run that have scores.

    Raises:
        BadInputError: no cell has scores.
    """
    cells = [cell for cell in run.cells if services.store.scored(cell)]
    if not cells:
        raise BadInputError("no cell has scores", where=f"run {run.name}", next_step="Use `rtbench run` first.")
    return cells


def scored_by(services: Services, cell: CellRecord) -> list[str]:
    """Return the extractors of a scored cell, beginning with the one that the leaderboard shows."""
    assert cell.score is not None
    names = [summary.extractor for summary in services.store.result(ScoreResult, cell.score).summaries]
    return sorted(names, key=lambda name: name != cell.extractor)


def shown_by(services: Services, run: RunRecord, extractor: str) -> RunRecord:
    """Return a run that shows the scores of another extractor.

    The training data that were kept and the epochs that were selected stay the same.

    Raises:
        UnknownNameError: no cell was scored with this extractor.
    """
    scored = {cell.name: scored_by(services, cell) for cell in run.cells if services.store.scored(cell)}
    if not any(extractor in names for names in scored.values()):
        known = {name for names in scored.values() for name in names}
        raise UnknownNameError.of("extractor", extractor, known, where=f"run {run.name}", listing="rtbench extractors")
    unscored: dict[str, Any] = {"score": None, "reason": f"not scored with {extractor}"}
    cells = [
        replace(cell, extractor=extractor, **({} if extractor in scored.get(cell.name, [extractor]) else unscored))
        for cell in run.cells
    ]
    return replace(run, cells=tuple(cells))


def stored_answers(services: Services, cell: CellRecord) -> tuple[str, ScoreSpec, list[Completion]]:
    """Return the key and spec of a cell's score step, and the completions that it scored.

    Where several epochs were answered, these are the completions of the selected epoch.

    Raises:
        BadInputError: as :func:`answers_by_extractor`.
    """
    key = check_scored(services, cell)
    meta = services.store.meta("score", key)
    epoch = services.store.result(ScoreResult, key).epoch or 1
    return key, msgspec.convert(meta.spec, ScoreSpec), completions_of(services, cell.completions[epoch - 1])


def asked_as(services: Services, cell: CellRecord) -> CompleteSpec:
    """Return the spec of a scored cell's completions, which is the same for all epochs but for the weights."""
    return msgspec.convert(services.store.meta("complete", cell.completions[0]).spec, CompleteSpec)


def checkpoint_of(services: Services, cell: CellRecord) -> Path:
    """Return the folder with a cell's trained weights, which are those of the selected epoch.

    Raises:
        BadInputError: nothing was trained, or the weights are not in the store.
    """
    where = f"cell {cell.name}"
    if cell.checkpoint is None or not services.store.has("train", cell.checkpoint):
        raise BadInputError(cell.reason or "the cell has no trained student", where=where)
    epoch = None
    if (chosen := cell.selected_by) is not None:
        if not services.store.has("score", chosen):
            raise BadInputError("its epoch is not selected yet", where=where, next_step="Use `rtbench run` first.")
        epoch = services.store.result(ScoreResult, chosen).epoch
    elif cell.score is not None and services.store.scored(cell):
        epoch = services.store.result(ScoreResult, cell.score).epoch
    folder = services.store.weights("train", cell.checkpoint, weights_name(epoch))
    if not any(folder.glob("*.safetensors")):
        raise BadInputError("the weights of its student are not in the store", where=where)
    return folder


def check_scored(services: Services, cell: CellRecord) -> str:
    """Return the key of a cell's score step.

    Raises:
        BadInputError: the cell has no scores, or its task or questions have changed since the run.
    """
    if cell.score is None or not services.store.scored(cell):
        raise BadInputError(
            cell.reason or "not run yet", where=f"cell {cell.name}", next_step="Use `rtbench run` first."
        )
    check_task(services, cell)
    dataset = services.task(cell.task).dataset_id(cell.variant)
    if dataset != cell.dataset:
        raise BadInputError(
            f"its questions are from {cell.dataset}, but {cell.task} now uses {dataset}",
            where=f"cell {cell.name}",
            next_step="Run it again.",
        )
    return cell.score


def check_task(services: Services, cell: CellRecord) -> None:
    """Check that a cell's task is known. Tasks of a file are known only to commands with ``--task``.

    Raises:
        BadInputError: the task is unknown.
    """
    if cell.task not in services.registry("tasks"):
        raise BadInputError(
            f"its task {cell.task!r} is unknown",
            where=f"cell {cell.name}",
            next_step="If it is from a file, give the file again: --task FILE.yaml.",
        )
