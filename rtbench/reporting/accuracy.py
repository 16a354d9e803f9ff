"""Precision of a measured accuracy: its confidence interval and its effective number of questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtbench.schema.scores import Interval
from rtbench.stats.bootstrap import Bootstrap, accuracy_interval
from rtbench.stats.intervals import Answers, effective_n, wilson
from rtbench.steps.score import scores_of

if TYPE_CHECKING:
    from rtbench.schema.scores import ScoreSummary
    from rtbench.storage.store import Store


@dataclass(frozen=True)
class Scored:
    """One seed's scores by one extractor."""

    key: str
    """Key of the ``score`` step."""
    summary: ScoreSummary
    """Summary by the extractor."""


@dataclass(frozen=True)
class Precision:
    """How precisely an accuracy is known."""

    interval: Interval
    patterns: int | None = None
    """Number of patterns; None where no questions share one."""
    effective_n: float | None = None
    """Number of independent questions that give the same precision; None where no questions share a pattern."""


def precision_of(
    seeds: Sequence[Scored], store: Store, bootstrap: Bootstrap | None = None, *, own_questions: bool = False
) -> Precision:
    """Return the precision of the mean accuracy over seeds. Several completions of a question count as one answer.

    Args:
        seeds: scores of each seed, of at least one question.
        store: holds the scores of single questions.
        bootstrap: draws the resamples; pass one object for many intervals, which then share its draws.
        own_questions: each seed has its own questions; otherwise all seeds answered the same ones.
    """
    counted = [one.summary for one in (seeds if own_questions else seeds[:1])]
    patterns = sum(one.n if one.patterns is None else one.patterns for one in counted)
    shared_patterns = patterns < sum(one.n for one in counted)
    several = any(one.completions is not None for one in counted)
    if len(seeds) == 1 and not shared_patterns and not several:  # the counts are enough: no need to read the scores
        return Precision(wilson(counted[0].correct, counted[0].n))
    answers = _answers(seeds, store, own_questions=own_questions)
    interval = accuracy_interval(answers, bootstrap or Bootstrap())
    if not shared_patterns:
        return Precision(interval)
    return Precision(interval, patterns, sum(effective_n(one) for one in answers))


def _answers(seeds: Sequence[Scored], store: Store, *, own_questions: bool) -> list[Answers]:
    """Return the answers to each set of questions: one set per seed, or one for all seeds with the means over seeds."""
    sets: list[tuple[dict[int, list[bool]], dict[int, str | int]]] = []
    for one in seeds:
        if own_questions or not sets:
            sets.append(({}, {}))
        correct, patterns = sets[-1]
        for score in scores_of(store, one.key, one.summary.extractor):
            correct.setdefault(score.sample_index, []).append(score.correct)
            patterns[score.sample_index] = score.pattern
    return [
        Answers([sum(values) / len(values) for values in correct.values()], [patterns[index] for index in correct])
        for correct, patterns in sets
    ]
