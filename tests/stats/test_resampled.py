"""P values of the bootstrap: the lowest level at which the interval still excludes 0."""

from __future__ import annotations

import numpy as np
import pytest

from rtbench.stats.bootstrap import RESAMPLES, Bootstrap


def values(share: float, of: int = 200) -> np.ndarray:
    """Differences of which so many are 1, and a tenth -1."""
    found = np.zeros(of)
    found[: round(share * of)] = 1
    found[-of // 10 :] = -1
    return found


@pytest.mark.parametrize("share", [0.05, 0.12, 0.16, 0.2])
@pytest.mark.parametrize("patterns", [None, 40])
def test_the_interval_at_one_minus_p_ends_at_zero(share: float, patterns: int | None) -> None:
    groups = None if patterns is None else [[at % patterns for at in range(200)]]
    resampled = Bootstrap().resampled([values(share)], shared=False, groups=groups)
    p = resampled.p()
    assert 0 < p <= 1
    for level, excludes in ((p * 1.01 + 2 / RESAMPLES, True), (p * 0.99 - 2 / RESAMPLES, False)):
        if 1 / RESAMPLES < level < 1:
            found = resampled.interval(1 - level)
            assert (found.low > 0 or found.high < 0) is excludes


def test_p_values_have_the_level_that_they_state() -> None:
    """Of differences without an effect, one in twenty has a p value below .05: 25 of 500, give or take chance."""
    generator, bootstrap = np.random.default_rng(7), Bootstrap()
    found = [
        bootstrap.resampled([generator.choice([-1.0, 0.0, 1.0], size=150, p=[0.2, 0.6, 0.2])], shared=False).p()
        for _ in range(500)
    ]
    assert 13 <= sum(p < 0.05 for p in found) <= 40


def test_extremes() -> None:
    bootstrap = Bootstrap()
    assert bootstrap.resampled([np.zeros(50)], shared=False).p() == 1
    assert bootstrap.resampled([np.ones(50)], shared=False).p() < 0.05, "all questions differ, and alike"
    assert bootstrap.resampled([np.ones(1)], shared=False).p() > 0.05, "one question shows nothing"
    assert bootstrap.resampled([np.array([1.0, -1.0] * 20)], shared=False).p() > 0.9
    far = np.ones(100)
    far[0] = 0
    assert bootstrap.resampled([far], shared=False).p() == pytest.approx(1 / RESAMPLES)
