"""Intervals against formulas, loops and simulations."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtbench.schema.scores import Interval
from rtbench.stats.bootstrap import Bootstrap, accuracy_interval
from rtbench.stats.intervals import (
    Answers,
    clustered_wilson,
    effective_n,
    mean_interval,
    tail,
    wilson,
)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 2000), share=st.floats(0, 1))
def test_wilson_interval_is_the_textbook_formula(n: int, share: float) -> None:
    correct = round(n * share)
    z, p = 1.959963984540054, correct / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    found = wilson(correct, n)
    assert found.low == pytest.approx(max(0.0, middle - half), abs=1e-9)
    assert found.high == pytest.approx(min(1.0, middle + half), abs=1e-9)


def test_no_questions_have_no_interval() -> None:
    with pytest.raises(ValueError, match="at least one question"):
        wilson(0, 0)


def test_interval_of_a_mean_covers_as_often_as_it_says() -> None:
    """Of simulated pairs of tasks, about 95 % have the true mean accuracy in the interval."""
    import numpy as np

    rng = np.random.default_rng(3)
    truth, hits = (0.3, 0.8), 0
    for _ in range(300):
        cells = [(rng.binomial(100, p) / 100, 100) for p in truth]
        found = mean_interval(cells, draws=2000)
        hits += found.low <= sum(truth) / 2 <= found.high
    assert 0.91 <= hits / 300 <= 0.99


def test_bootstrap_is_over_questions_not_over_answers() -> None:
    """Seeds that agree are no more evidence than one: the interval stays that of n questions."""
    import numpy as np

    def mean_of_seeds(*values: float) -> Answers:
        return Answers(values, range(len(values)))

    assert accuracy_interval([mean_of_seeds(*[1.0] * 60, *[0.0] * 40)], Bootstrap()) == wilson(60, 100)
    found = accuracy_interval([mean_of_seeds(*[0.9] * 60, *[0.1] * 40)], Bootstrap())
    drawn = 0.1 + 0.8 * np.random.default_rng(1).binomial(100, 0.6, 200_000) / 100
    low, high = np.percentile(drawn, [2.5, 97.5])
    assert found.method == "bootstrap"
    assert found.low == pytest.approx(low, abs=0.02)
    assert found.high == pytest.approx(high, abs=0.02)
    assert accuracy_interval([mean_of_seeds(*[1.0] * 5)], Bootstrap()) == wilson(5, 5), (
        "a second seed gives no certainty"
    )
    assert accuracy_interval([mean_of_seeds(*[0.5] * 6)], Bootstrap()) == wilson(3, 6)


# --------------------------------------------------------------------------------------------------------- patterns


def by_pattern(*right: int, of: int) -> Answers:
    """So many right answers to each pattern's ``of`` questions."""
    values = [float(place < k) for k in right for place in range(of)]
    return Answers(values, [pattern for pattern in range(len(right)) for _ in range(of)])


def test_expanded_tail_is_students_and_never_the_plain_one() -> None:
    """2.446 standard deviations for nine patterns: Student's 2.306, times the root of 9/8."""
    assert tail(0.95) == pytest.approx(0.025)
    assert tail(0.95, 9) == pytest.approx(0.00722, abs=1e-4)
    assert tail(0.95, 10_000) == pytest.approx(0.025, abs=1e-4)


def test_questions_of_their_own_are_what_they_were() -> None:
    one = by_pattern(*[1] * 60, *[0] * 40, of=1)
    assert effective_n(one) == 100
    found, plain = clustered_wilson(one), wilson(60, 100)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high))


def test_patterns_that_are_right_or_wrong_as_a_whole_count_as_one_question_each() -> None:
    """Ten patterns of which five are right count as the nine of a sample's variance, less Student's (1.96 / 2.262)²."""
    found = effective_n(by_pattern(*[20] * 5, *[0] * 5, of=20))
    assert found == pytest.approx(9 * (1.95996 / 2.26216) ** 2 * 200 / 199, rel=1e-4)


def test_spread_of_patterns_below_chance_gives_no_more_than_the_questions() -> None:
    assert effective_n(by_pattern(*[10] * 50, of=20)) <= 1000


@pytest.mark.parametrize(("right", "n"), [(0, 9), (20, 9), (0, 1)])
def test_patterns_without_a_difference_count_as_patterns(right: int, n: int) -> None:
    answers = by_pattern(*[right] * n, of=20)
    plain = wilson(n if right else 0, n)
    found = accuracy_interval([answers], Bootstrap())
    assert found == clustered_wilson(answers)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high))
    both = accuracy_interval([answers, answers], Bootstrap())
    plain = wilson(2 * n if right else 0, 2 * n)
    assert both == Interval(low=plain.low, high=plain.high, method="wilson over patterns")


def test_interval_over_nine_patterns_covers_and_one_over_their_questions_does_not() -> None:
    """200 questions of 9 unequal patterns, whose accuracies spread around 0.5 or 0.1."""
    import numpy as np

    rng = np.random.default_rng(6)
    sizes = [40, 32, 30, 26, 22, 18, 14, 10, 8]
    for truth in (0.5, 0.1):
        hits = plain = 0
        for _ in range(300):
            right = rng.binomial(sizes, rng.beta(truth * 9, (1 - truth) * 9, 9))
            values = [float(place < k) for k, size in zip(right, sizes, strict=True) for place in range(size)]
            groups = [pattern for pattern, size in enumerate(sizes) for _ in range(size)]
            found, other = clustered_wilson(Answers(values, groups)), wilson(int(right.sum()), 200)
            hits += found.low <= truth <= found.high
            plain += other.low <= truth <= other.high
        assert 0.91 <= hits / 300 <= 0.99
        assert plain / 300 < 0.85


def test_patterns_are_drawn_with_all_their_questions() -> None:
    """Against loops: one set of questions answered by several seeds, and two seeds with sets of their own."""
    import numpy as np

    rng = np.random.default_rng(8)
    sets = [
        Answers(list(rng.integers(0, 4, 60) / 3), [int(g) for g in rng.integers(0, patterns, 60)])
        for patterns in (15, 30)
    ]
    split = [
        [
            np.array([v for v, g in zip(s.values, s.groups, strict=True) if g == group])
            for group in dict.fromkeys(s.groups)
        ]
        for s in sets
    ]

    def drawn(seed: int) -> float:
        picked = [split[seed][g] for g in rng.integers(len(split[seed]), size=len(split[seed]))]
        return float(np.concatenate(picked).mean())

    def ends(means: list[float], patterns: int) -> list[float]:
        outside = 100 * tail(0.95, patterns)
        return [float(end) for end in np.percentile(means, [outside, 100 - outside])]

    one, two = accuracy_interval(sets[:1], Bootstrap()), accuracy_interval(sets, Bootstrap())
    units = [len(groups) for groups in split]
    assert [one.low, one.high] == pytest.approx(ends([drawn(0) for _ in range(8000)], units[0]), abs=0.02)
    means = [float(np.mean([drawn(s) for s in rng.integers(2, size=2)])) for _ in range(8000)]
    assert [two.low, two.high] == pytest.approx(ends(means, sum(units)), abs=0.02)


def test_interval_over_seeds_with_questions_of_their_own_covers_what_training_does_by_chance() -> None:
    """Three seeds of 200 questions whose true accuracies differ by chance: pooled questions would cover too rarely."""
    import numpy as np

    rng = np.random.default_rng(2)
    hits = pooled = 0
    draws = Bootstrap()
    for _ in range(300):
        right = rng.binomial(200, np.clip(rng.normal(0.6, 0.03, 3), 0, 1))
        found = accuracy_interval([by_pattern(*[1] * k, *[0] * (200 - k), of=1) for k in right], draws)
        hits += found.low <= 0.6 <= found.high
        plain = wilson(int(right.sum()), 600)
        pooled += plain.low <= 0.6 <= plain.high
    assert 0.91 <= hits / 300 <= 0.99
    assert pooled < hits


def test_interval_over_seeds_is_that_of_the_questions_where_seeds_agree() -> None:
    def interval(*right_of: tuple[int, int]) -> Interval:
        return accuracy_interval([by_pattern(*[1] * k, *[0] * (n - k), of=1) for k, n in right_of], Bootstrap())

    found, one = interval(*[(120, 200)] * 3), wilson(360, 600)
    assert found.method == "two-level bootstrap"
    assert found.low == pytest.approx(one.low, abs=0.005)
    assert found.high == pytest.approx(one.high, abs=0.005)
    assert found == interval(*[(120, 200)] * 3), "the same numbers give the same interval"
    assert interval((0, 20), (0, 20)) == wilson(0, 40), "a second seed gives no certainty"
    assert interval((20, 20), (20, 20)) == wilson(40, 40)
    assert interval((10, 20), (0, 0)) == wilson(10, 20), "a seed that answered nothing says nothing"
