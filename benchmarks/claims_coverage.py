"""How often the interval of `rtbench claims` covers the truth, and how often a claim without an effect is held.

Run by hand: python benchmarks/claims_coverage.py
"""

from __future__ import annotations

import numpy as np
from rtbench_plugins.claims.statistics import PairedBootstrap  # noqa: TID251 - what is measured here
from scipy.stats import norm

QUESTIONS, TRIALS, CHANGED = 180, 1000, 0.3
"""Per seed; simulated runs; share of questions on which the two sides differ."""


def answers(rng: np.random.Generator, effects: np.ndarray, *, shared: bool) -> list[np.ndarray]:
    """Differences of -1, 0 and 1 per seed; on shared questions those of two seeds correlate."""
    hardness = rng.normal(size=QUESTIONS)
    out = []
    for effect in np.clip(effects, -CHANGED, CHANGED):
        own = rng.normal(size=QUESTIONS)
        place = norm.cdf(np.sqrt(0.7) * hardness + np.sqrt(0.3) * own if shared else own)
        worse, better = (CHANGED - effect) / 2, (CHANGED + effect) / 2
        out.append(np.where(place < worse, -1.0, np.where(place > 1 - better, 1.0, 0.0)))
    return out


def main() -> None:
    bootstrap = PairedBootstrap()
    print("seeds  questions  spread of seeds  covers  held without effect")
    for seeds, shared, spread in [(1, False, 0.0)] + [
        (seeds, shared, spread) for seeds in (3, 5) for shared in (False, True) for spread in (0.0, 0.03, 0.06)
    ]:
        rng = np.random.default_rng(5)
        covers = held = 0
        for _ in range(TRIALS):
            found = bootstrap.interval(
                answers(rng, 0.1 + rng.normal(0, spread, seeds), shared=shared), shared=shared, resamples=2000
            )
            covers += found.low <= 0.1 <= found.high
            null = bootstrap.interval(
                answers(rng, rng.normal(0, spread, seeds), shared=shared), shared=shared, resamples=2000
            )
            held += null.low > 0
        kind = "shared" if shared else "own"
        print(f"{seeds:5}  {kind:9}  {spread:15.2f}  {covers / TRIALS:6.3f}  {held / TRIALS:19.3f}")


if __name__ == "__main__":
    main()
