"""Measure how often the interval of `rtbench claims` covers the true effect, and how often a null effect is supported.

Run by hand: python benchmarks/claims_coverage.py
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from rtbench.stats.bootstrap import Bootstrap

QUESTIONS, TRIALS, RESAMPLES, CHANGED = 180, 1000, 2000, 0.3
"""Questions per seed; simulated runs; resamples of each interval (claims draw 10,000); share of questions on which the
two sides differ."""
ALIKE = 0.3
"""Correlation of what decides two questions of one pattern."""


@dataclass(frozen=True)
class Setting:
    """What is simulated."""

    seeds: int
    shared: bool = False
    """All seeds answer the same questions."""
    spread: float = 0.0
    """Standard deviation of the true effect over seeds."""
    patterns: int = QUESTIONS
    """Per seed, equally large."""

    @property
    def groups(self) -> list[int]:
        return [place * self.patterns // QUESTIONS for place in range(QUESTIONS)]


SETTINGS = [
    Setting(1),
    *(Setting(seeds, shared, spread) for seeds in (3, 5) for shared in (False, True) for spread in (0.0, 0.03, 0.06)),
    *(Setting(seeds, patterns=patterns) for seeds in (1, 3) for patterns in (9, 45, 90)),
]


def answers(rng: np.random.Generator, setting: Setting, effect: float) -> list[np.ndarray]:
    """Differences of -1, 0 and 1 per seed; those on shared questions, and on questions of one pattern, correlate."""
    effects = effect + rng.normal(0, setting.spread, setting.seeds)
    hardness = rng.normal(size=QUESTIONS)
    out = []
    for one in np.clip(effects, -CHANGED, CHANGED):
        own = rng.normal(size=QUESTIONS)
        if setting.patterns < QUESTIONS:
            own = np.sqrt(ALIKE) * rng.normal(size=setting.patterns)[setting.groups] + np.sqrt(1 - ALIKE) * own
        place = norm.cdf(np.sqrt(0.7) * hardness + np.sqrt(0.3) * own if setting.shared else own)
        worse, better = (CHANGED - one) / 2, (CHANGED + one) / 2
        out.append(np.where(place < worse, -1.0, np.where(place > 1 - better, 1.0, 0.0)))
    return out


def main() -> None:
    bootstrap = Bootstrap()
    print("seeds  questions  patterns  spread of seeds  covers  supported, no effect  covers, drawing questions")
    for setting in SETTINGS:
        rng = np.random.default_rng(5)
        covers = supported = plain = 0
        groups = [setting.groups] * setting.seeds
        for _ in range(TRIALS):
            values = answers(rng, setting, 0.1)
            found = bootstrap.interval(values, shared=setting.shared, groups=groups, resamples=RESAMPLES)
            covers += found.low <= 0.1 <= found.high
            other = bootstrap.interval(values, shared=setting.shared, resamples=RESAMPLES)
            plain += other.low <= 0.1 <= other.high
            null = bootstrap.interval(
                answers(rng, setting, 0.0), shared=setting.shared, groups=groups, resamples=RESAMPLES
            )
            supported += null.low > 0
        kind = "shared" if setting.shared else "own"
        print(
            f"{setting.seeds:5}  {kind:9}  {setting.patterns:8}  {setting.spread:15.2f}  {covers / TRIALS:6.3f}  "
            f"{supported / TRIALS:20.3f}  {plain / TRIALS:25.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
