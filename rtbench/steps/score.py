"""The ``score`` step: scores completions. It is pure, so it can always be repeated from stored completions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from rtbench.schema.completions import Completion
from rtbench.schema.results import ScoreResult
from rtbench.schema.scores import AtK, Score, ScoreSummary
from rtbench.schema.steps import ScoreSpec
from rtbench.schema.tasks import Sample
from rtbench.scoring.extraction import summarise
from rtbench.scoring.metrics import at_k, majority
from rtbench.scoring.rationale import rationale_of
from rtbench.steps.complete import completions_of
from rtbench.steps.context import StepContext
from rtbench.steps.selection import samples_of
from rtbench.storage.writing import write_lines

if TYPE_CHECKING:
    from rtbench.storage.store import Store


def score(context: StepContext[ScoreSpec]) -> ScoreResult:
    """Write scores-<extractor>.jsonl for each extractor, with a score for each completion, or for each question's vote.

    Return the summary of each extractor, and the mean length of the rationales.
    """
    services, step = context.services, context.step
    spec = step.spec
    task = services.task(spec.task.name)
    samples = {sample.index: sample for sample in samples_of(services, spec)}
    runs = [completions_of(services, i.key) for i in step.inputs_as("completions")]
    epoch, per_epoch = 0, []
    if spec.aggregate == "best-epoch":
        primary = task.extractor(spec.primary)
        per_epoch = [_accuracy(primary.score(run, samples, spec.answer_prefix)) for run in runs]
        epoch = per_epoch.index(max(per_epoch))
    cut = {(c.sample_index, c.completion_index) for c in runs[epoch] if c.cut}
    summaries: list[ScoreSummary] = []
    for name, _ in spec.extractors:
        curve: list[AtK] = []
        extractor = task.extractor(name)
        scores = _with_groups(extractor.score(runs[epoch], samples, spec.answer_prefix), samples)
        if spec.aggregate == "majority":
            write_lines(context.folder / f"votes-{name}.jsonl", scores)
            curve = at_k(scores, extractor.canonical)
            scores = majority(scores, extractor.canonical)
        elif len(scores) > len({one.sample_index for one in scores}):
            curve = at_k(scores, extractor.canonical)
        write_lines(context.folder / f"scores-{name}.jsonl", scores)
        missing = len(samples) - len({s.sample_index for s in scores})
        summary = summarise(name, extractor.version, scores, missing)
        wrong_cut = sum(not s.correct and (s.sample_index, s.completion_index) in cut for s in scores)
        summaries.append(msgspec.structs.replace(summary, at_k=tuple(curve), wrong_cut=wrong_cut))
    return ScoreResult(
        summaries=tuple(summaries),
        rationale_words=_mean_words(runs[epoch], spec.answer_prefix),
        epoch=epoch + 1 if per_epoch else None,
        accuracy_per_epoch=tuple(per_epoch),
    )


def _with_groups(scores: Sequence[Score], samples: Mapping[int, Sample]) -> list[Score]:
    """Return the scores with each question's group, so that intervals can be computed from the store alone."""
    groups = {index: sample.group for index, sample in samples.items() if sample.group is not None}
    if not groups:
        return list(scores)
    return [msgspec.structs.replace(one, group=groups.get(one.sample_index)) for one in scores]


def scores_of(store: Store, key: str, extractor: str, *, votes: bool = False) -> list[Score]:
    """Return the scores of a finished score step; an empty list where it has none of that extractor.

    A question whose completions all count has several.

    Args:
        store: store of finished steps.
        key: key of the step.
        extractor: name of the extractor.
        votes: return the score of each completion that was voted on, instead of one per question.
    """
    return store.rows("score", key, f"{'votes' if votes else 'scores'}-{extractor}.jsonl", Score)


def _mean_words(completions: Sequence[Completion], answer_prefix: str | None) -> float | None:
    """Return the mean length of the rationales, in words separated by spaces; None where none can be found."""
    words = [
        len(rationale_of(one, answer_prefix).split())
        for one in completions
        if answer_prefix is not None or one.reasoning is not None
    ]
    return sum(words) / len(words) if words else None


def _accuracy(scores: Sequence[Score]) -> float:
    return sum(s.correct for s in scores) / len(scores) if scores else 0.0
