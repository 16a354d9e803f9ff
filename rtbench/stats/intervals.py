"""Intervals of accuracies. The distributions come from scipy.

Questions that share a pattern (:attr:`rtbench.schema.tasks.Sample.group`) are not independent: a student that can solve
one of them can solve the others. Where there are fewer patterns than questions, patterns are counted and resampled.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtbench.schema.scores import Interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Answers:
    """Results of questions, and which questions share a pattern."""

    values: Sequence[float]
    """Per question: 1 right, 0 wrong, or the mean over seeds that answered it."""
    groups: Sequence[Hashable]
    """Per question: a value that the questions of one pattern share."""


@dataclass(frozen=True)
class Clusters:
    """Values by group, groups in the order in which they first appear."""

    sums: Floats
    sizes: Floats

    @classmethod
    def of(cls, values: Sequence[float] | Floats, groups: Sequence[Hashable]) -> Clusters:
        """Return the values summed by group."""
        import numpy as np

        places: dict[Hashable, int] = {}
        where = [places.setdefault(group, len(places)) for group in groups]
        sums = np.bincount(where, weights=np.asarray(values, dtype=float)).astype(np.float64)
        return cls(sums, np.bincount(where).astype(np.float64))

    def __len__(self) -> int:
        return len(self.sums)

    @property
    def single(self) -> bool:
        """Return whether every group has one value."""
        return bool((self.sizes == 1).all())

    @property
    def means(self) -> Floats:
        """Return each group's mean."""
        return self.sums / self.sizes


def alike(means: Floats) -> bool:
    """Return whether all means are equal up to rounding. Resampling them then shows no spread."""
    import numpy as np

    return bool(np.ptp(means) < 1e-12)


def tail(confidence: float, clusters: int | None = None) -> float:
    """Return the share of resamples outside a percentile interval on each side.

    Args:
        confidence: confidence of the interval, as a fraction.
        clusters: number of resampled units, for the *expanded* percentile interval. Resamples of n units have too small
            a spread, by √((n - 1)/n) and by what Student's t adds (Hesterberg 2015, "What teachers should know about the
            bootstrap"). None: the plain percentile interval.
    """
    from scipy.stats import norm, t

    plain = (1 - confidence) / 2
    if clusters is None or clusters < 2:
        return plain
    return float(norm.sf(t.isf(plain, clusters - 1) * (clusters / (clusters - 1)) ** 0.5))


def wilson(correct: int, n: int) -> Interval:
    """Return the Wilson score interval of ``correct`` right answers to ``n`` questions.

    Raises:
        ValueError: ``n`` is 0.
    """
    if n == 0:
        raise ValueError("an interval needs at least one question")
    from scipy.stats import binomtest

    found = binomtest(correct, n).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(low=float(found.low), high=float(found.high), method="wilson")


def effective_n(answers: Answers) -> float:
    """Return the number of independent questions that give the same precision.

    This is n divided by the design effect (the ratio of the variance over patterns to the variance over single
    questions), corrected for the few degrees of freedom of that estimate. Where the answers do not show how similar the
    questions of a pattern are, it is the number of patterns.

    Source: Korn and Graubard 1998, "Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data".
    """
    import numpy as np
    from scipy.stats import norm, t

    values, n = np.asarray(answers.values, dtype=float), len(answers.values)
    clusters = Clusters.of(values, answers.groups)
    g = len(clusters)
    if g in {1, n}:
        return float(g)
    mean = values.mean()
    over_questions = ((values - mean) ** 2).sum() / (n * (n - 1))
    if over_questions == 0:
        return float(g)
    over_patterns = g / (g - 1) * ((clusters.sums - mean * clusters.sizes) ** 2).sum() / n**2
    outside = tail(CONFIDENCE)
    return float(n / max(1.0, over_patterns / over_questions) * (norm.isf(outside) / t.isf(outside, g - 1)) ** 2)


def clustered_wilson(answers: Answers) -> Interval:
    """Return the Wilson score interval of the answers of one run, with the effective number of questions for n.

    It has better coverage than a bootstrap where there are few patterns or nearly all answers are equal.

    Source: Franco et al. 2019, "Comparative study of confidence intervals for proportions in complex sample surveys".
    """
    if len(set(answers.groups)) == len(answers.groups):
        return wilson(round(sum(answers.values)), len(answers.values))
    from scipy.stats import norm

    n, p = effective_n(answers), sum(answers.values) / len(answers.values)
    z2 = norm.isf(tail(CONFIDENCE)) ** 2
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = (z2 * (p * (1 - p) / n + z2 / (4 * n * n))) ** 0.5 / (1 + z2 / n)
    low, high = (0.0 if p == 0 else middle - half), (1.0 if p == 1 else middle + half)
    return Interval(low=float(low), high=float(high), method="wilson over patterns")


def mean_interval(cells: Sequence[tuple[float, float]], *, seed: int = 0, draws: int = 20_000) -> Interval:
    """Return the interval of the mean accuracy over several tasks.

    Each task's accuracy is drawn from its Jeffreys posterior, Beta(k + ½, n - k + ½); the draws are averaged over tasks.

    Args:
        cells: accuracy and number of questions of each task; the effective number where questions share patterns.
        seed: seed of the draws.
        draws: number of draws.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    total = np.zeros(draws)
    for accuracy, n in cells:
        total += rng.beta(accuracy * n + 0.5, (1 - accuracy) * n + 0.5, draws)
    outside = 100 * tail(CONFIDENCE)
    low, high = np.percentile(total / len(cells), [outside, 100 - outside])
    mean = sum(accuracy for accuracy, _ in cells) / len(cells)
    return Interval(low=0.0 if mean == 0 else float(low), high=1.0 if mean == 1 else float(high), method="jeffreys")


def interval_of_mean(parts: Sequence[tuple[float, Interval]]) -> Interval:
    """Return the interval of the mean of independent estimates, from their intervals (square-and-add).

    Source: Zou and Donner 2008, "Construction of confidence limits about effect measures: a general approach".

    Args:
        parts: each estimate with its interval; at least one.
    """
    mean = sum(value for value, _ in parts) / len(parts)
    below = math.hypot(*(value - interval.low for value, interval in parts)) / len(parts)
    above = math.hypot(*(interval.high - value for value, interval in parts)) / len(parts)
    return Interval(low=mean - below, high=mean + above, method="square-and-add")


def wilson_of_equals(clusters: Clusters) -> Interval:
    """Return Wilson's interval where all patterns have the same mean: that is no certainty, the patterns are counted."""
    found = wilson(round(float(clusters.means[0]) * len(clusters)), len(clusters))
    return found if clusters.single else Interval(low=found.low, high=found.high, method="wilson over patterns")
