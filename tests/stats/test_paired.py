"""Differences between two sides that answered the same questions, against loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtbench.stats.bootstrap import Bootstrap
from rtbench.stats.paired import difference, in_common

SIDES = st.dictionaries(st.integers(0, 9), st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0])))
RUNS = st.dictionaries(st.integers(0, 3), SIDES)


@given(RUNS)
def test_own_questions_are_kept_and_shared_ones_must_be_of_every_seed(runs: dict) -> None:
    own = in_common(runs, shared=False)
    assert own == {seed: sides for seed, sides in runs.items() if sides}
    shared = in_common(runs, shared=True)
    everywhere = {at for at in range(10) if own and all(at in sides for sides in own.values())}
    assert shared == ({seed: {at: sides[at] for at in everywhere} for seed, sides in own.items()} if everywhere else {})


@settings(deadline=None)
@given(RUNS, st.booleans())
def test_numbers_are_those_of_loops(runs: dict, shared: bool) -> None:
    kept = in_common(runs, shared=shared)
    if not kept:
        return
    patterns = {seed: {at: at // 2 for at in sides} for seed, sides in kept.items()}
    found = difference(kept, patterns, Bootstrap(), shared=shared, resamples=1000)
    per_seed = [[left - right for left, right in sides.values()] for sides in kept.values()]
    assert found.effect == pytest.approx(np.mean([np.mean(values) for values in per_seed]))
    assert found.left - found.right == pytest.approx(found.effect, abs=1e-8)
    assert found.left == pytest.approx(
        np.mean([np.mean([one for one, _ in sides.values()]) for sides in kept.values()])
    )
    assert found.n == sum(map(len, per_seed))
    assert found.changed == sum(value != 0 for values in per_seed for value in values)
    assert found.patterns == sum(len({at // 2 for at in sides}) for sides in kept.values())
    assert found.seeds == len(kept)
    assert found.interval.low - 1e-9 <= found.effect <= found.interval.high + 1e-9


def test_sides_that_change_places_change_the_sign() -> None:
    rng = np.random.default_rng(1)
    runs = {seed: {at: (float(rng.random() < 0.7), float(rng.random() < 0.5)) for at in range(40)} for seed in range(3)}
    turned = {seed: {at: (right, left) for at, (left, right) in sides.items()} for seed, sides in runs.items()}
    patterns = {seed: {at: at for at in sides} for seed, sides in runs.items()}
    one, other = (difference(sides, patterns, Bootstrap(), shared=True) for sides in (runs, turned))
    assert (one.effect, one.left, one.right) == pytest.approx((-other.effect, other.right, other.left))
    assert (one.interval.low, one.interval.high) == pytest.approx((-other.interval.high, -other.interval.low), abs=0.01)
