"""Intervals. The statistics are scipy's; here is only the glue."""

from __future__ import annotations

from collections.abc import Sequence

from rtbench.records import Record

CONFIDENCE = 0.95


class Interval(Record, frozen=True):
    """A confidence interval of an accuracy, as fractions."""

    low: float
    high: float
    method: str


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


def mean_interval(cells: Sequence[tuple[float, int]], *, seed: int = 0, draws: int = 20_000) -> Interval:
    """Interval of the mean of several accuracies, each (accuracy, questions): every task's accuracy is drawn from its
    Jeffreys posterior, Beta(k + ½, n - k + ½), and the draws are averaged over tasks."""
    import numpy as np

    rng = np.random.default_rng(seed)
    total = np.zeros(draws)
    for accuracy, n in cells:
        total += rng.beta(accuracy * n + 0.5, (1 - accuracy) * n + 0.5, draws)
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(total / len(cells), [tail, 100 - tail])
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
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
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
