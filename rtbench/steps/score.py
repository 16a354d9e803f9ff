"""The ``score`` step: completions in, scores out. Pure; can always be repeated from what is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from rtbench.schema.completions import Completion
from rtbench.schema.results import ScoreResult
from rtbench.schema.scores import AtK, Score, ScoreSummary
from rtbench.schema.steps import ScoreSpec
from rtbench.schema.tasks import Sample
from rtbench.scoring.extraction import summarise
from rtbench.scoring.metrics import at_k
from rtbench.scoring.rationale import rationale_of
from rtbench.steps.complete import completions_of
from rtbench.steps.context import StepContext
from rtbench.steps.selection import questions_of
from rtbench.storage.files import read_jsonl, write_jsonl

if TYPE_CHECKING:
    from rtbench.storage.store import Store


def score(context: StepContext[ScoreSpec]) -> ScoreResult:
    """Writes scores-<extractor>.jsonl for each extractor (one score per question) and reports their summaries and
    the rationales' mean length."""
    services, step = context.services, context.step
    spec = step.spec
    task = services.task(spec.task.name)
    data = services.task_data(spec.task.name, spec.task.variant)
    samples = {s.index: s for s in questions_of(data, spec.task.split, spec.questions)}
    runs = [completions_of(services, i.key) for i in step.inputs_as("completions")]
    epoch, per_epoch = 0, []
    if spec.aggregate == "best-epoch":
        primary = task.extractor(spec.primary)
        per_epoch = [_accuracy(primary.score(run, samples, spec.answer_prefix)) for run in runs]
        epoch = per_epoch.index(max(per_epoch))
    summaries: list[ScoreSummary] = []
    for name, _ in spec.extractors:
        curve: list[AtK] = []
        extractor = task.extractor(name)
        scores = _grouped(extractor.score(runs[epoch], samples, spec.answer_prefix), samples)
        if spec.aggregate == "majority":
            write_jsonl(context.folder / f"votes-{name}.jsonl", scores)
            curve = at_k(scores, extractor.canonical)
            scores = majority(scores, extractor.canonical)
        write_jsonl(context.folder / f"scores-{name}.jsonl", scores)
        missing = len(samples) - len({s.sample_index for s in scores})
        summary = summarise(name, extractor.version, scores, missing)
        summaries.append(msgspec.structs.replace(summary, at_k=tuple(curve)))
    return ScoreResult(
        summaries=tuple(summaries),
        rationale_words=_mean_words(runs[epoch], spec.answer_prefix),
        epoch=epoch + 1 if per_epoch else None,
        accuracy_per_epoch=tuple(per_epoch),
    )


def _grouped(scores: Sequence[Score], samples: Mapping[int, Sample]) -> list[Score]:
    """With each question's group, so that intervals can be had from the store alone."""
    groups = {index: sample.group for index, sample in samples.items() if sample.group is not None}
    if not groups:
        return list(scores)
    return [msgspec.structs.replace(one, group=groups.get(one.sample_index)) for one in scores]


def scores_of(store: Store, key: str, extractor: str, *, votes: bool = False) -> list[Score]:
    """The verdicts of a finished score step.

    Args:
        store: where.
        key: of the step.
        extractor: whose.
        votes: of each completion that had a vote, instead of one for each question.

    Returns:
        Empty where it has none by that extractor.
    """
    path = store.path("score", key) / f"{'votes' if votes else 'scores'}-{extractor}.jsonl"
    return read_jsonl(path, Score) if path.is_file() and path.stat().st_size else []


def majority(scores: Sequence[Score], canonical: Callable[[str], str | None]) -> list[Score]:
    """Per question, the score of the answer that most of its completions gave; of equals, the one given first.
    Completions without an answer do not vote (Wang et al., 2023).

    Args:
        scores: of all completions.
        canonical: one text for answers that are equal ("5" and "5.0"), None for what is no answer.
    """
    by_question: dict[int, list[Score]] = {}
    for one in scores:
        by_question.setdefault(one.sample_index, []).append(one)
    chosen: list[Score] = []
    for group in by_question.values():
        answers = [None if one.extracted is None else canonical(one.extracted) for one in group]
        votes = Counter(answer for answer in answers if answer is not None)
        winner = votes.most_common(1)[0][0] if votes else answers[0]
        chosen.append(group[answers.index(winner)])
    return chosen


def _mean_words(completions: Sequence[Completion], answer_prefix: str | None) -> float | None:
    """Mean length of their rationales, in words between white space; None where nothing tells a rationale from the answer."""
    words = [
        len(rationale_of(one, answer_prefix).split())
        for one in completions
        if answer_prefix is not None or one.reasoning is not None
    ]
    return sum(words) / len(words) if words else None


def _accuracy(scores: Sequence[Score]) -> float:
    return sum(s.correct for s in scores) / len(scores) if scores else 0.0
