"""Intervals. The statistics are scipy's; here is only the glue.

Questions made after one pattern (:attr:`rtbench.schema.tasks.Sample.group`) are no independent draws: a student that can do
one of them can do the others. Wherever patterns are fewer than questions, they are what counts and what is drawn.
"""

from __future__ import annotations

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
    """How questions were answered, and which belong together."""

    values: Sequence[float]
    """Per question: 1 right, 0 wrong, or the mean over seeds that answered it."""
    groups: Sequence[Hashable]
    """Per question: what those of one pattern share."""


@dataclass(frozen=True)
class Clusters:
    """Values by group, groups in the order in which they first appear."""

    sums: Floats
    sizes: Floats

    @classmethod
    def of(cls, values: Sequence[float] | Floats, groups: Sequence[Hashable]) -> Clusters:
        import numpy as np

        places: dict[Hashable, int] = {}
        where = [places.setdefault(group, len(places)) for group in groups]
        sums = np.bincount(where, weights=np.asarray(values, dtype=float)).astype(np.float64)
        return cls(sums, np.bincount(where).astype(np.float64))

    def __len__(self) -> int:
        return len(self.sums)

    @property
    def means(self) -> Floats:
        return self.sums / self.sizes


def alike(means: Floats) -> bool:
    """No pattern's mean differs from another's by more than rounding, so that drawing patterns shows no chance at all."""
    import numpy as np

    return bool(np.ptp(means) < 1e-12)


def tail(confidence: float, clusters: int | None = None) -> float:
    """Share of resamples to leave out on each side of a percentile interval.

    Args:
        confidence: of the interval.
        clusters: of the few that are drawn, for the *expanded* percentile interval: resamples of n units spread less
            than they should by √((n - 1)/n), and less than Student's t says (Hesterberg 2015, "What teachers should
            know about the bootstrap"). None: as it is.
    """
    from scipy.stats import norm, t

    plain = (1 - confidence) / 2
    if clusters is None or clusters < 2:
        return plain
    return float(norm.sf(t.isf(plain, clusters - 1) * (clusters / (clusters - 1)) ** 0.5))


def wilson(correct: int, n: int) -> Interval:
    """Wilson score interval of ``correct`` right answers to ``n`` questions.

    Raises:
        ValueError: ``n`` is 0.
    """
    if n == 0:
        raise ValueError("no questions, no interval")
    from scipy.stats import binomtest

    found = binomtest(correct, n).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(low=float(found.low), high=float(found.high), method="wilson")


def effective_n(answers: Answers) -> float:
    """As how many independent questions these count: n over the design effect (how many times wider than over single
    questions the variance over patterns is), less what the few degrees of freedom of that estimate cost (Korn and
    Graubard 1998, "Confidence intervals for proportions with small expected number of positive counts estimated from
    survey data"). Where nothing tells how alike the questions of a pattern are, the number of patterns."""
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
    """Wilson score interval of one run's answers, whose questions share patterns: with the effective number of questions
    for n, which covers better than a bootstrap where patterns are few or nearly all answers are alike (Franco et al.
    2019, "Comparative study of confidence intervals for proportions in complex sample surveys")."""
    from scipy.stats import norm

    n, p = effective_n(answers), sum(answers.values) / len(answers.values)
    z2 = norm.isf(tail(CONFIDENCE)) ** 2
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = (z2 * (p * (1 - p) / n + z2 / (4 * n * n))) ** 0.5 / (1 + z2 / n)
    low, high = (0.0 if p == 0 else middle - half), (1.0 if p == 1 else middle + half)
    return Interval(low=float(low), high=float(high), method="wilson over patterns")


def mean_interval(cells: Sequence[tuple[float, float]], *, seed: int = 0, draws: int = 20_000) -> Interval:
    """Interval of the mean of several accuracies, each (accuracy, questions): every task's accuracy is drawn from its
    Jeffreys posterior, Beta(k + ½, n - k + ½), and the draws are averaged over tasks. Of questions that share patterns
    the effective number counts."""
    import numpy as np

    rng = np.random.default_rng(seed)
    total = np.zeros(draws)
    for accuracy, n in cells:
        total += rng.beta(accuracy * n + 0.5, (1 - accuracy) * n + 0.5, draws)
    outside = 100 * tail(CONFIDENCE)
    low, high = np.percentile(total / len(cells), [outside, 100 - outside])
    mean = sum(accuracy for accuracy, _ in cells) / len(cells)
    return Interval(low=0.0 if mean == 0 else float(low), high=1.0 if mean == 1 else float(high), method="jeffreys")


def two_level_bootstrap(by_seed: Sequence[tuple[int, int]], *, seed: int = 0, resamples: int = 20_000) -> Interval:
    """Percentile bootstrap of the mean accuracy over seeds that each answered questions of their own, given as right
    answers and questions: seeds are drawn with replacement, and then the questions of each that was drawn. What the
    training's chance did counts as well as what the choice of questions did."""
    import numpy as np

    right, n = np.array([pair for pair in by_seed if pair[1]]).T
    if right.sum() in {0, n.sum()}:  # as for clustered_bootstrap: no certainty
        return wilson(int(right.sum()), int(n.sum()))
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(n), size=(resamples, len(n)))
    # The sum of n answers drawn with replacement, of which a share p is right, is binomial.
    means = (rng.binomial(n[drawn], (right / n)[drawn]) / n[drawn]).mean(axis=1)
    outside = 100 * tail(CONFIDENCE)
    low, high = np.percentile(means, [outside, 100 - outside])
    return Interval(low=float(low), high=float(high), method="two-level bootstrap")


def clustered_bootstrap(by_question: Sequence[float], *, seed: int = 0, resamples: int = 2000) -> Interval:
    """Percentile bootstrap of the mean over questions, each given as its mean over seeds: the runs of several seeds
    answer the same questions and are no independent draws."""
    import numpy as np
    from scipy.stats import bootstrap

    values = np.asarray(by_question, dtype=float)
    if np.ptp(values) == 0:
        # All questions alike: every resample has the same mean, which is no certainty. n questions are what there is.
        return wilson(round(float(values[0]) * len(values)), len(values))
    found = bootstrap(
        (values,),
        np.mean,
        confidence_level=CONFIDENCE,
        n_resamples=resamples,
        method="percentile",
        rng=np.random.default_rng(seed),
        batch=200,
    ).confidence_interval
    return Interval(low=float(found.low), high=float(found.high), method="bootstrap")


def wilson_of_equals(clusters: Clusters) -> Interval:
    """All patterns alike is no certainty; the patterns are what there is."""
    found = wilson(round(float(clusters.means[0]) * len(clusters)), len(clusters))
    return Interval(low=found.low, high=found.high, method="wilson over patterns")
