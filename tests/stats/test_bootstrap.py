from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap

from rtbench.schema.scores import Interval
from rtbench.stats.bootstrap import Bootstrap
from rtbench.stats.intervals import tail, wilson


def paired_interval(by_seed: list[np.ndarray], **how: Any) -> Interval:
    return Bootstrap().interval(by_seed, **how)


def answers(seed: int, *shares: float, n: int = 60) -> list[np.ndarray]:
    """Per seed, differences of -1, 0 and 1 with the mean given."""
    rng = np.random.default_rng(seed)
    return [rng.choice([-1.0, 0.0, 1.0], size=n, p=[(0.5 - m) / 2, 0.5, (0.5 + m) / 2]) for m in shares]


def percentiles(means: list[float], confidence: float = 0.95) -> tuple[float, float]:
    tail = 50 * (1 - confidence)
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)


def test_one_seed_is_scipys_percentile_bootstrap() -> None:
    (values,) = answers(1, 0.2, n=150)
    found = paired_interval([values], shared=False)
    other = bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(9))
    assert found.low == pytest.approx(other.confidence_interval.low, abs=0.01)
    assert found.high == pytest.approx(other.confidence_interval.high, abs=0.01)
    assert found.method == "bootstrap"


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0]), min_size=8, max_size=60))
def test_any_values_give_scipys_interval(values: list[float]) -> None:
    found = paired_interval([np.array(values)], shared=False)
    if len(set(values)) == 1:
        return  # no certainty: see test_equal_differences_are_no_certainty
    other = bootstrap((values,), np.mean, method="percentile", n_resamples=10_000, rng=np.random.default_rng(9))
    assert found.low == pytest.approx(other.confidence_interval.low, abs=2.1 / len(values))
    assert found.high == pytest.approx(other.confidence_interval.high, abs=2.1 / len(values))


@pytest.mark.parametrize("resamples", [0, 1, 999, 1500, 20_000])
def test_resamples_come_in_thousands_and_not_above_ten(resamples: int) -> None:
    with pytest.raises(ValueError, match="resamples"):
        paired_interval(answers(1, 0.2), shared=False, resamples=resamples)


def test_own_questions_are_drawn_for_each_seed_that_was_drawn() -> None:
    """Against the two levels written out as loops."""
    by_seed = answers(2, 0.4, 0.1, -0.1)
    rng = np.random.default_rng(3)
    means = []
    for _ in range(12_000):
        seeds = [by_seed[i] for i in rng.integers(3, size=3)]
        means.append(float(np.mean([rng.choice(values, size=len(values)).mean() for values in seeds])))
    found = paired_interval(by_seed, shared=False)
    assert (found.low, found.high) == pytest.approx(percentiles(means), abs=0.02)
    assert found.method == "two-level bootstrap"


def test_shared_questions_are_drawn_once_for_all_seeds() -> None:
    by_seed = answers(4, 0.4, 0.1, -0.1)
    table = np.stack(by_seed)
    rng = np.random.default_rng(5)
    means = []
    for _ in range(12_000):
        questions = rng.integers(table.shape[1], size=table.shape[1])
        means.append(float(table[rng.integers(3, size=3)][:, questions].mean()))
    found = paired_interval(by_seed, shared=True)
    assert (found.low, found.high) == pytest.approx(percentiles(means), abs=0.02)


def test_seeds_with_unequal_numbers_of_questions_count_alike() -> None:
    by_seed = [answers(12, 0.4, n=50)[0], answers(13, 0.0, n=120)[0]]
    rng = np.random.default_rng(14)
    means = []
    for _ in range(12_000):
        seeds = [by_seed[i] for i in rng.integers(2, size=2)]
        means.append(float(np.mean([rng.choice(values, size=len(values)).mean() for values in seeds])))
    found = paired_interval(by_seed, shared=False)
    assert (found.low, found.high) == pytest.approx(percentiles(means), abs=0.02)


def test_end_at_zero_does_not_lie_above_zero_by_rounding() -> None:
    """The 2.5 % resample sums to zero, which sums of tenths miss by 1e-17."""
    values = np.array([2, 5, 2, 2, 1, -3, -2, 3, 2, 2, -2, 4]) / 10
    assert paired_interval([values], shared=False, resamples=4000).low == 0.0


def test_object_that_is_used_again_gives_the_same_interval() -> None:
    first, second = answers(15, 0.2, 0.1), answers(16, 0.3, 0.4)
    bootstrap_ = Bootstrap()
    bootstrap_.interval(first, shared=False)
    assert bootstrap_.interval(second, shared=False) == paired_interval(second, shared=False)


def test_seeds_that_agree_on_shared_questions_are_no_more_evidence_than_one() -> None:
    (values,) = answers(6, 0.2)
    one, three = paired_interval([values], shared=True), paired_interval([values] * 3, shared=True)
    assert (three.low, three.high) == pytest.approx((one.low, one.high), abs=0.01)
    own = paired_interval([values] * 3, shared=False)
    assert own.high - own.low < 0.7 * (one.high - one.low), "three times the questions are"


def test_seeds_that_disagree_widen_the_interval() -> None:
    alike, apart = answers(7, 0.2, 0.2, 0.2), answers(7, 0.5, 0.2, -0.1)
    narrow, wide = paired_interval(alike, shared=False), paired_interval(apart, shared=False)
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_higher_confidence_is_a_wider_interval_around_the_same() -> None:
    values = answers(8, 0.2, 0.3, 0.1)
    usual, adjusted = paired_interval(values, shared=False), paired_interval(values, shared=False, confidence=0.995)
    assert adjusted.low < usual.low < usual.high < adjusted.high


@pytest.mark.parametrize(("value", "low", "high"), [(0.0, -0.16, 0.16), (1.0, 0.68, 1.0), (-1.0, -1.0, -0.68)])
def test_equal_differences_are_no_certainty(value: float, low: float, high: float) -> None:
    """With 20 questions alike, up to 16 % of others may come out otherwise (Wilson)."""
    found = paired_interval([np.full(20, value)], shared=False)
    limit = wilson(0, 20).high
    assert limit == pytest.approx(0.161, abs=0.001)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.005)


def test_equal_differences_of_three_seeds_count_the_questions_there_are() -> None:
    zeros = [np.zeros(20)] * 3
    assert paired_interval(zeros, shared=True) == paired_interval(zeros[:1], shared=True)
    assert paired_interval(zeros, shared=False) == paired_interval([np.zeros(60)], shared=False)


def clustered(seed: int, means: list[float], size: int) -> tuple[np.ndarray, list[int]]:
    """Differences of -1, 0 and 1 on patterns with these means, and each question's pattern."""
    rng = np.random.default_rng(seed)
    values = [rng.choice([-1.0, 0.0, 1.0], size=size, p=[(0.5 - m) / 2, 0.5, (0.5 + m) / 2]) for m in means]
    return np.concatenate(values), [place for place in range(len(means)) for _ in range(size)]


def test_patterns_are_drawn_with_all_their_questions() -> None:
    """Two seeds with patterns of unequal sizes, against loops; the interval is the expanded one."""
    rng = np.random.default_rng(20)
    by_seed = [clustered(21, list(rng.uniform(-0.4, 0.5, 12)), 6), clustered(22, list(rng.uniform(-0.4, 0.5, 20)), 3)]
    by_seed[0] = (by_seed[0][0][:-5], by_seed[0][1][:-5])
    split = [[values[np.array(of) == g] for g in dict.fromkeys(of)] for values, of in by_seed]
    means = []
    for _ in range(12_000):
        drawn = [
            [split[s][g] for g in rng.integers(len(split[s]), size=len(split[s]))] for s in rng.integers(2, size=2)
        ]
        means.append(float(np.mean([np.concatenate(groups).mean() for groups in drawn])))
    found = paired_interval([values for values, _ in by_seed], shared=False, groups=[of for _, of in by_seed])
    confidence = 1 - 2 * tail(0.95, 32)
    assert 0.95 < confidence < 0.97
    assert (found.low, found.high) == pytest.approx(percentiles(means, confidence), abs=0.02)
    assert found.method == "two-level bootstrap over patterns"


def test_questions_of_few_patterns_are_less_evidence() -> None:
    values, of = clustered(23, [0.5, 0.4, 0.3, 0.1, 0.0, 0.0, -0.1, -0.3, 0.5], 20)
    plain, over = paired_interval([values], shared=False), paired_interval([values], shared=False, groups=[of])
    assert over.high - over.low > 1.5 * (plain.high - plain.low)


def test_pattern_of_its_own_for_each_question_changes_nothing() -> None:
    by_seed = answers(24, 0.2, 0.1)
    assert paired_interval(by_seed, shared=False, groups=[[*range(60)]] * 2) == paired_interval(by_seed, shared=False)


def test_patterns_that_are_all_alike_are_no_certainty() -> None:
    """Nine patterns that each come out at 0.25 are nine observations, not 180; one pattern is one."""
    values = np.tile([1.0, 0.0, 0.0, 0.0], 45)
    nine, one = ([place // (180 // n) for place in range(180)] for n in (9, 1))
    assert paired_interval([values], shared=False, groups=[nine]).low == pytest.approx(
        0.25 - 1.25 * wilson(0, 9).high, abs=1e-9
    )
    assert paired_interval([values, -values], shared=True, groups=[one, one]).low == pytest.approx(-wilson(0, 1).high)


@pytest.mark.parametrize("values", [[], [np.zeros(0)]])
def test_no_questions_have_no_interval(values: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match="at least one question"):
        paired_interval(values, shared=False)


def test_interval_covers_about_as_often_as_it_says() -> None:
    """Three seeds of 180 own questions whose true effects spread by 3 points around 10."""
    rng = np.random.default_rng(11)
    hits = above = 0
    for _ in range(200):
        values = [
            rng.choice([-1.0, 0.0, 1.0], size=180, p=[(0.3 - mean) / 2, 0.7, (0.3 + mean) / 2])
            for mean in 0.1 + rng.normal(0, 0.03, 3)
        ]
        found = paired_interval(values, shared=False, resamples=1000)
        hits += found.low <= 0.1 <= found.high
        above += found.low > 0.1
    assert 0.88 <= hits / 200 <= 0.99
    assert above / 200 <= 0.08


def test_interval_covers_about_as_often_with_few_patterns() -> None:
    """One seed, 180 questions of 9 patterns whose true effects spread by 15 points around 10. Drawing questions would
    cover far too rarely."""
    rng = np.random.default_rng(12)
    hits = plain = 0
    of = np.repeat(np.arange(9), 20)
    for _ in range(200):
        mean = np.clip(rng.normal(0.1, 0.15, 9), -0.5, 0.5)[of]
        place = rng.random(180)
        values = np.where(place < (0.5 - mean) / 2, -1.0, np.where(place > 1 - (0.5 + mean) / 2, 1.0, 0.0))
        found = paired_interval([values], shared=False, groups=[list(of)], resamples=1000)
        other = paired_interval([values], shared=False, resamples=1000)
        hits += found.low <= 0.1 <= found.high
        plain += other.low <= 0.1 <= other.high
    assert 0.9 <= hits / 200 <= 0.99
    assert plain / 200 < 0.88
