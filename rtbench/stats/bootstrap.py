"""The bootstrap over seeds and questions: of accuracies, and of differences between paired answers."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtbench.schema.scores import Interval
from rtbench.stats.intervals import CONFIDENCE, Answers, Clusters, alike, clustered_wilson, tail, wilson_of_equals

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rtbench.stats.intervals import Floats

RESAMPLES = 10_000
SINGLE_TASK_RESAMPLES = 4_000
"""Resamples for the parts of a comparison, such as single tasks."""
_CHUNK = 1_000
"""Resamples drawn at once."""
_KEPT = 64_000_000
"""Bytes of draws that are cached for the next interval."""
_DIGITS = 9
"""Digits of an interval's ends, far finer than one answer. Without rounding, an end at 0 could lie slightly above 0."""


class Bootstrap:
    """Percentile bootstrap of the mean over seeds of the mean over questions.

    Seeds are drawn with replacement, then questions; with one seed, only questions. Where questions share patterns,
    patterns are drawn, each with all its questions, and the interval is the expanded one
    (:func:`rtbench.stats.intervals.tail`).

    The draws are deterministic. One object caches them, so that many intervals share them.
    """

    def __init__(self) -> None:
        self._counts: dict[tuple[int, int, int], NDArray[np.uint8]] = {}
        self._bytes = 0

    def interval(
        self,
        by_seed: Sequence[Floats],
        *,
        shared: bool,
        groups: Sequence[Sequence[Hashable]] | None = None,
        confidence: float = CONFIDENCE,
        resamples: int = RESAMPLES,
    ) -> Interval:
        """Return the interval of a mean difference or a mean accuracy; see :meth:`resampled`.

        Args:
            by_seed: as for :meth:`resampled`, like the next two and the last one.
            shared: whether all seeds answered the same questions.
            groups: patterns of the questions.
            confidence: confidence of the interval, as a fraction.
            resamples: number of resamples.
        """
        return self.resampled(by_seed, shared=shared, groups=groups, resamples=resamples).interval(confidence)

    def resampled(
        self,
        by_seed: Sequence[Floats],
        *,
        shared: bool,
        groups: Sequence[Sequence[Hashable]] | None = None,
        resamples: int = RESAMPLES,
    ) -> Resampled:
        """Return the means of resamples of a mean difference or a mean accuracy.

        Args:
            by_seed: per seed, the value of each question, from -1 to 1. For an accuracy call :func:`accuracy_interval`,
                which treats the case that all patterns have the same mean.
            shared: all seeds answered the same questions, in this order. One draw of questions then applies to all
                seeds of a resample, because answers of several seeds to one question are not independent. Otherwise
                each drawn seed gets its own draw of its own questions.
            groups: per seed and question, a value that the questions of one pattern share; None: no shared patterns.
            resamples: number of resamples: a multiple of 1,000, at most 10,000.

        Raises:
            ValueError: there are no questions, or ``resamples`` is not such a number.
        """
        import numpy as np

        if not by_seed or any(len(values) == 0 for values in by_seed):
            raise ValueError("an interval needs at least one question")
        if resamples % _CHUNK or not 0 < resamples <= RESAMPLES:
            raise ValueError(f"{resamples} resamples: thousands are drawn, {RESAMPLES} at most")
        labels = [range(len(values)) for values in by_seed] if groups is None else groups
        clusters = [Clusters.of(values, label) for values, label in zip(by_seed, labels, strict=True)]
        units = len(clusters[0]) if shared else sum(map(len, clusters))
        over_patterns = any(len(one) < len(values) for one, values in zip(clusters, by_seed, strict=True))
        means = np.concatenate([one.means for one in clusters])
        seeds = len(by_seed)
        if alike(means) or units == 1:
            return Resampled(None, float(means.mean()), units, seeds, over_patterns=over_patterns)
        drawn = np.random.default_rng(seeds).integers(seeds, size=(RESAMPLES, seeds))[:resamples]
        parts = [
            self._means(clusters, drawn[start : start + _CHUNK], start, shared=shared)
            for start in range(0, len(drawn), _CHUNK)
        ]
        return Resampled(np.concatenate(parts), float(means.mean()), units, seeds, over_patterns=over_patterns)

    def _means(self, by_seed: Sequence[Clusters], drawn: NDArray[np.int64], start: int, *, shared: bool) -> Floats:
        """Return the means of the resamples from ``start`` on. ``drawn``: the seeds of each (resamples × seeds)."""
        import numpy as np

        seeds = len(by_seed)
        tables = [self._per_seed(by_seed, slot, start) for slot in range(1 if shared else seeds)]
        picked = [np.take_along_axis(tables[0 if shared else k], drawn[:, k : k + 1], axis=1) for k in range(seeds)]
        means: Floats = np.hstack(picked).mean(axis=1)
        return means

    def _per_seed(self, by_seed: Sequence[Clusters], slot: int, start: int) -> Floats:
        """Return the mean of each seed's questions under one draw of their patterns (resamples × seeds)."""
        import numpy as np

        # Seed by seed: these products are too small for a threaded matrix product, which would wait for busy cores.
        means: list[Floats] = []
        for one in by_seed:
            counts = self._draws(len(one), slot, start)
            questions = float(len(one)) if (one.sizes == 1).all() else counts @ one.sizes
            means.append(counts @ one.sums / questions)
        return np.stack(means, axis=1)

    def _draws(self, n: int, slot: int, start: int) -> Floats:
        """Return how often each of n patterns was drawn (resamples × patterns). Each slot has its own draws."""
        import numpy as np

        key = (n, slot, start)
        counts = self._counts.get(key)
        if counts is None:
            indices = np.random.default_rng(key).integers(n, size=(_CHUNK, n))
            indices += n * np.arange(_CHUNK)[:, None]
            counts = np.bincount(indices.ravel(), minlength=_CHUNK * n).reshape(_CHUNK, n).astype(np.uint8)
            self._keep(key, counts)
        return counts.astype(np.float64)

    def _keep(self, key: tuple[int, int, int], counts: NDArray[np.uint8]) -> None:
        """Cache a draw; the oldest ones are dropped where the cache is full."""
        while self._counts and self._bytes + counts.nbytes > _KEPT:
            self._bytes -= self._counts.pop(next(iter(self._counts))).nbytes
        self._counts[key] = counts
        self._bytes += counts.nbytes


@dataclass(frozen=True)
class Resampled:
    """What resampling says of a mean."""

    means: Floats | None
    """Means of the resamples; None where all patterns have the same mean."""
    value: float
    """The mean over patterns."""
    units: int
    """Number of resampled patterns."""
    seeds: int
    over_patterns: bool
    """Whether questions share patterns."""

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        """Return the percentile interval at a confidence, which is a fraction."""
        import numpy as np

        if self.means is None:
            return _of_equals(self.value, self.units, confidence)
        outside = 100 * tail(confidence, self.units if self.over_patterns else None)
        low, high = np.round(np.percentile(self.means, [outside, 100 - outside]), _DIGITS) + 0.0
        method = "two-level bootstrap" if self.seeds > 1 else "bootstrap"
        return Interval(
            low=float(low), high=float(high), method=method + (" over patterns" if self.over_patterns else "")
        )

    def p(self, mean: float = 0.0) -> float:
        """Return the two-sided p value of a mean: the lowest level at which the interval still excludes it.

        It is at least one in as many resamples as there are.
        """
        least = 1 / (len(self.means) if self.means is not None else RESAMPLES)
        low, high = least, 1.0
        if not self._excludes(mean, high):
            return 1.0
        if self._excludes(mean, low):
            return low
        while high - low > least / 2:
            middle = (low + high) / 2
            low, high = (low, middle) if self._excludes(mean, middle) else (middle, high)
        return high

    def _excludes(self, mean: float, level: float) -> bool:
        found = self.interval(1 - level)
        return found.low > mean or found.high < mean


def accuracy_interval(by_seed: Sequence[Answers], bootstrap: Bootstrap) -> Interval:
    """Return the interval of a mean accuracy. This is the only place where the method is chosen.

    - One set of questions, each right or wrong: Wilson's score interval, over patterns where questions share them.
    - All patterns alike: Wilson's score interval over the patterns of all seeds.
    - Otherwise: the bootstrap, over seeds and then over questions or patterns.

    Args:
        by_seed: the answers of each seed, where each seed has its own questions; otherwise one element, with each
            question's mean over seeds.
        bootstrap: draws the resamples.

    Raises:
        ValueError: there are no questions.
    """
    import numpy as np

    found = [one for one in by_seed if len(one.values)]
    if not found:
        raise ValueError("an interval needs at least one question")
    if len(found) == 1 and set(found[0].values) <= {0.0, 1.0}:
        return clustered_wilson(found[0])
    clusters = [Clusters.of(one.values, one.groups) for one in found]
    together = Clusters(np.concatenate([c.sums for c in clusters]), np.concatenate([c.sizes for c in clusters]))
    if alike(together.means):
        return wilson_of_equals(together)
    values = [np.asarray(one.values, dtype=float) for one in found]
    return bootstrap.interval(values, shared=False, groups=[one.groups for one in found])


def _of_equals(value: float, n: int, confidence: float) -> Interval:
    """Return the interval of a difference that is equal for all patterns.

    Every resample then has the same mean, which is no certainty. A share u of unseen patterns may differ (u: Wilson's
    upper limit for 0 of n), at most by as much as a difference can.
    """
    from scipy.stats import binomtest

    share = float(binomtest(0, n).proportion_ci(confidence, method="wilson").high)
    return Interval(low=value - share * (1 + value), high=value + share * (1 - value), method="wilson limit")
