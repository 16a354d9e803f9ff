"""The difference between two sides that answered the same questions."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from rtbench.schema.base import Record
from rtbench.schema.scores import Interval
from rtbench.stats.bootstrap import RESAMPLES, Bootstrap
from rtbench.stats.intervals import CONFIDENCE

if TYPE_CHECKING:
    from rtbench.stats.bootstrap import Resampled
    from rtbench.stats.intervals import Floats

Seed = TypeVar("Seed", bound=Hashable)
Sides = Mapping[int, tuple[float, float]]
"""Per question: the scores of the left and the right side, from 0 to 1."""


FEW = 10
"""With fewer differing answers a percentile bootstrap gives too narrow an interval."""


class Difference(Record, frozen=True):
    """A difference of accuracies over the same questions, as fractions."""

    effect: float
    """Mean over seeds of the mean over questions of left minus right."""
    interval: Interval
    left: float
    """Accuracy of the left side over the same questions."""
    right: float
    n: int
    """Number of questions, summed over seeds."""
    patterns: int
    """Number of patterns, summed over seeds; equal to ``n`` where no questions share a pattern."""
    seeds: int
    changed: int
    """Number of questions, of ``n``, on which the two sides differ."""
    p: float | None = None
    """Two-sided p value of no difference, from the same resamples; None where it was not asked for."""
    p_margin: float | None = None
    """The same of a difference of a margin; None where no margin was given."""


def in_common(by_seed: Mapping[Seed, Sides], *, shared: bool) -> dict[Seed, Sides]:
    """Return the seeds that have questions. Of ``shared`` questions, keep those that every seed answered."""
    found = {seed: sides for seed, sides in by_seed.items() if sides}
    if not shared or not found:
        return found
    common = set.intersection(*(set(sides) for sides in found.values()))
    return {seed: {index: sides[index] for index in common} for seed, sides in found.items()} if common else {}


def difference(
    by_seed: Mapping[Seed, Sides],
    patterns: Mapping[Seed, Mapping[int, Hashable]],
    bootstrap: Bootstrap,
    *,
    shared: bool,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    with_p: bool = False,
    margin: float | None = None,
) -> Difference:
    """Return the difference with its interval.

    Args:
        by_seed: questions as returned by :func:`in_common`, of at least one seed.
        patterns: per seed and question, a value that the questions of one pattern share.
        bootstrap: draws the resamples.
        shared: all seeds answered the same questions.
        confidence: confidence of the interval, as a fraction.
        resamples: number of resamples.
        with_p: compute the p value, too.
        margin: compute the p value of this difference, a fraction, too.
    """
    import numpy as np

    order = {seed: sorted(sides) for seed, sides in by_seed.items()}
    tables = [np.array([by_seed[seed][index] for index in found], dtype=float) for seed, found in order.items()]
    differences = [table[:, 0] - table[:, 1] for table in tables]
    groups = [[patterns[seed][index] for index in found] for seed, found in order.items()]
    resampled = bootstrap.resampled(differences, shared=shared, groups=groups, resamples=resamples)
    return Difference(
        effect=round(float(np.mean([values.mean() for values in differences])), 9) + 0.0,
        interval=resampled.interval(confidence),
        left=float(np.mean([table[:, 0].mean() for table in tables])),
        right=float(np.mean([table[:, 1].mean() for table in tables])),
        n=sum(len(values) for values in differences),
        patterns=sum(len(set(found)) for found in groups),
        seeds=len(differences),
        changed=int(sum((values != 0).sum() for values in differences)),
        p=resampled.p() if with_p else None,
        p_margin=None if margin is None else _p_margin(differences, groups, resampled, margin, shared=shared),
    )


def _p_margin(
    differences: Sequence[Floats],
    groups: Sequence[Sequence[Hashable]],
    resampled: Resampled,
    margin: float,
    *,
    shared: bool,
) -> float:
    """Return the two-sided p value of a difference of a margin, by the bootstrap or, where few answers differ, exactly.

    The left side is ahead by at most the share of questions on which it alone is right. So few such questions, among
    enough, exclude a lead (binomial test); resamples of few differing answers would exclude it among a dozen.
    """
    if sum(int((values != 0).sum()) for values in differences) >= FEW:
        return resampled.p(margin)
    from scipy.stats import binom

    ahead: dict[Hashable, bool] = {}
    for seed, (values, found) in enumerate(zip(differences, groups, strict=True)):
        for value, group in zip(values, found, strict=True):
            unit = group if shared else (seed, group)
            ahead[unit] = ahead.get(unit, False) or bool(value > 0)
    return min(1.0, 2 * float(binom.cdf(sum(ahead.values()), len(ahead), margin)))
