"""The interval of a difference between paired answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rtbench.stats import CONFIDENCE, Interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RESAMPLES = 10_000
PART_RESAMPLES = 4_000
"""For what stands beside a comparison."""
_CHUNK = 1_000
"""Resamples at once."""
_KEPT = 4_000
"""Questions up to which draws are kept for the next comparison; more would take too much memory."""
_DIGITS = 9
"""Far finer than one answer of all; an end at 0 must not lie above 0 by a rounding error."""


class PairedBootstrap:
    """Percentile bootstrap of the mean over seeds of the mean difference over questions: seeds are drawn with
    replacement, then questions. With one seed only questions are drawn.

    The draws are the same every time, and the same for all comparisons of one object, which keeps them.
    """

    def __init__(self) -> None:
        self._counts: dict[tuple[int, int, int], NDArray[np.uint8]] = {}

    def interval(
        self,
        by_seed: Sequence[Floats],
        *,
        shared: bool,
        confidence: float = CONFIDENCE,
        resamples: int = RESAMPLES,
    ) -> Interval:
        """The interval of one comparison.

        Args:
            by_seed: per seed the difference on each question, between -1 and 1.
            shared: all seeds answered the same questions, in this order. A draw of questions then holds for all seeds
                of a resample, because answers of several seeds to one question are not independent; else each seed that
                was drawn gets a draw of its own questions.
            confidence: of the interval.
            resamples: how many.

        Raises:
            ValueError: there is no question.
        """
        import numpy as np

        if not by_seed or any(len(values) == 0 for values in by_seed):
            raise ValueError("no questions, no interval")
        flat = np.concatenate(by_seed)
        if np.ptp(flat) == 0:
            return _of_equals(float(flat[0]), len(by_seed[0]) if shared else len(flat), confidence)
        drawn = np.random.default_rng(len(by_seed)).integers(len(by_seed), size=(RESAMPLES, len(by_seed)))[:resamples]
        parts = [
            self._means(by_seed, drawn[start : start + _CHUNK], start, shared=shared)
            for start in range(0, len(drawn), _CHUNK)
        ]
        tail = 100 * (1 - confidence) / 2
        low, high = np.round(np.percentile(np.concatenate(parts), [tail, 100 - tail]), _DIGITS) + 0.0
        method = "two-level bootstrap" if len(by_seed) > 1 else "bootstrap"
        return Interval(low=float(low), high=float(high), method=method)

    def _means(self, by_seed: Sequence[Floats], drawn: NDArray[np.int64], start: int, *, shared: bool) -> Floats:
        """Of resamples ``start`` and following; ``drawn`` says which seeds each drew."""
        import numpy as np

        seeds = len(by_seed)
        tables = [self._per_seed(by_seed, slot, start) for slot in range(1 if shared else seeds)]
        picked = [np.take_along_axis(tables[0 if shared else k], drawn[:, k : k + 1], axis=1) for k in range(seeds)]
        means: Floats = np.hstack(picked).mean(axis=1)
        return means

    def _per_seed(self, by_seed: Sequence[Floats], slot: int, start: int) -> Floats:
        """Mean of each seed's questions under one draw of them: resamples × seeds."""
        import numpy as np

        # Seed by seed: these products are too small for a matrix product's threads, which wait for busy cores.
        return np.stack([self._drawn_questions(len(v), slot, start) @ v / len(v) for v in by_seed], axis=1)

    def _drawn_questions(self, n: int, slot: int, start: int) -> Floats:
        """How often each of n questions was drawn: resamples × questions. Each slot has draws of its own."""
        import numpy as np

        key = (n, slot, start)
        counts = self._counts.get(key)
        if counts is None:
            indices = np.random.default_rng(key).integers(n, size=(_CHUNK, n))
            indices += n * np.arange(_CHUNK)[:, None]
            counts = np.bincount(indices.ravel(), minlength=_CHUNK * n).reshape(_CHUNK, n).astype(np.uint8)
            if n <= _KEPT:
                self._counts[key] = counts
        return counts.astype(np.float64)


def _of_equals(value: float, n: int, confidence: float) -> Interval:
    """All questions alike: every resample has the same mean, which is no certainty. Up to a share u of other questions
    may come out otherwise (Wilson's upper limit for 0 of n), and then as far off as a difference can be."""
    from scipy.stats import binomtest

    share = float(binomtest(0, n).proportion_ci(confidence, method="wilson").high)
    return Interval(low=value - share * (1 + value), high=value + share * (1 - value), method="wilson")
