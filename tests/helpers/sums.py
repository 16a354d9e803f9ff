"""A twin of sums."""

from __future__ import annotations

import random

from rtbench.twins import (
    Knobs,
    Narrator,
    Problem,
    Twin,
    near,
)


class SumKnobs(Knobs, frozen=True):
    terms: int = 2
    largest: int = 40


class SumTwin(Twin[SumKnobs]):
    """Sums of a few numbers: the pattern is the numbers in order, the wording one of two."""

    knobs = SumKnobs()
    harder = SumKnobs(terms=3)

    def draw(self, rng: random.Random, knobs: SumKnobs) -> Problem:
        terms = [rng.randint(1, knobs.largest) for _ in range(knobs.terms)]
        asked = rng.choice(("What is {}?", "How much is {}?")).format(" + ".join(map(str, terms)))
        return Problem(question=asked, answer=str(sum(terms)), pattern=str(sorted(terms)), facts=terms)

    def explain(self, problem: Problem, narrator: Narrator) -> str:
        total, *rest = problem.facts
        narrator.restate("The first is {n}.", "We begin with {n}.", n=total)
        for term in rest:
            after = narrator.result(total + term, near(total + term))
            narrator.say("{a} + {b} = {c}.", "Adding {b} to {a} gives {c}.", a=total, b=term, c=after)
            total = after
        return str(total)
