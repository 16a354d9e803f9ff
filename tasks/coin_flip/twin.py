"""Coin Flip's twin: six to eight people (ten to twelve out of distribution) who each turn a coin over or do not."""

from __future__ import annotations

import random
from typing import Annotated

import msgspec
from msgspec import Meta
from rtbench_tasks.common.text import yes_no
from rtbench_tasks.common.words import NAMES

from rtbench.twins import Knobs, Narrator, Problem, Twin


class CoinFlipKnobs(Knobs, frozen=True):
    """Knobs of :class:`CoinFlipTwin`.

    The real task has four people, whose 16 patterns a student memorises. Eight people are enough for folds that share
    no pattern.
    """

    people: Annotated[int, Meta(ge=1, le=len(NAMES))] = 8
    """Largest number of people in a question."""
    fewest: Annotated[int, Meta(ge=1)] = 6
    """Smallest number of people; ``people`` where that is smaller."""


class Flips(msgspec.Struct, frozen=True):
    """Input of the explanation."""

    names: tuple[str, ...]
    flips: tuple[bool, ...]
    """Whether each person turns the coin over."""


HEADS, TAILS = "heads", "tails"
OTHER = {HEADS: TAILS, TAILS: HEADS}

OPEN = ("A coin lies heads up.", "A coin shows heads.", "A coin is put down heads up.", "At first a coin shows heads.")
FLIP = ("{n} flips it.", "{n} turns the coin over.", "{n} flips the coin over.", "{n} reverses it.")
KEEP = (
    "{n} does not flip it.",
    "{n} does not turn the coin over.",
    "{n} leaves the coin as it is.",
    "{n} does not touch it.",
)
ASK = (
    "Does the coin show heads now?",
    "Is the coin heads up in the end?",
    "Is heads still on top?",
    "Does it still show heads?",
)
NOTE = ('Here "flip" means "reverse".', 'To "flip" is to "reverse".')

SAY_START = ("The coin starts with heads.", "We begin with heads.", "At first it is heads.", "It shows heads first.")
SAY_FLIP = ("{n} flips: {s}.", "{n} flips it to {s}.", "{n} turns it over, so {s}.", "After {n} flips it is {s}.")
SAY_KEEP = ("{n} does not: {s}.", "{n} leaves it at {s}.", "{n} does not flip, so {s}.", "After {n} it is still {s}.")
SAY_END = (
    "So the coin shows {s}.",
    "In the end it is {s}.",
    "The coin ends with {s}.",
    "So it is {s} up in the end.",
)
SAY_WHO = ("Flipped by {who}.", "Those who flip: {who}.", "The flips are by {who}.", "It is turned over by {who}.")
SAY_COUNT = ("That makes {flips}.", "We count {flips}.", "The number of flips is {k}.", "In all that is {flips}.")
SAY_PARITY = ("{k} is {odd}.", "The number {k} is {odd}.", "{k} is an {odd} number.", "And {k} is {odd}.")
SAY_SIDE = (
    "So the coin shows {s}.",
    "After an {odd} number of flips it is {s}.",
    "An {odd} number of flips gives {s}.",
    "So it ends with {s}.",
)


class CoinFlipTwin(Twin[CoinFlipKnobs]):
    """Twin of Coin Flip. Pattern: who flips, as a string of 0 and 1; names and wordings vary within a pattern."""

    knobs = CoinFlipKnobs()
    harder = CoinFlipKnobs(people=12, fewest=10)

    def draw(self, rng: random.Random, knobs: CoinFlipKnobs) -> Problem:
        people = rng.randint(min(knobs.fewest, knobs.people), knobs.people)
        names = rng.sample(NAMES, people)
        flips = [rng.random() < 0.5 for _ in names]
        told = [rng.choice(OPEN)]
        told += [rng.choice(FLIP if flip else KEEP).format(n=name) for name, flip in zip(names, flips, strict=True)]
        told.append(rng.choice(ASK))
        if rng.random() < 0.5:
            told.append(rng.choice(NOTE))
        return Problem(
            question=" ".join(told),
            answer=yes_no(sum(flips) % 2 == 0),
            pattern="".join("01"[flip] for flip in flips),
            facts=Flips(names=tuple(names), flips=tuple(flips)),
        )

    def explain(self, problem: Problem, narrator: Narrator) -> str:
        facts: Flips = problem.facts
        narrator.restate(*SAY_START)
        if not narrator.fine:
            return self._by_count(facts, narrator)
        side = HEADS
        for name, flip in zip(facts.names, facts.flips, strict=True):
            found = OTHER[side] if flip else side
            side = narrator.result(found, [OTHER[found]])
            narrator.say(*(SAY_FLIP if flip else SAY_KEEP), n=name, s=side)
        side = narrator.result(side, [OTHER[side]])
        narrator.say(*SAY_END, s=side)
        return yes_no(side == HEADS)

    def _by_count(self, facts: Flips, narrator: Narrator) -> str:
        """Write the coarse explanation: count the flips and check whether their number is odd."""
        who = [name for name, flip in zip(facts.names, facts.flips, strict=True) if flip]
        if who:
            narrator.restate(*SAY_WHO, who=", ".join(who))
        count = narrator.result(len(who), [n for n in (len(who) - 1, len(who) + 1) if n >= 0])
        narrator.say(*SAY_COUNT, k=count, flips="1 flip" if count == 1 else f"{count} flips")
        odd = narrator.result("odd" if count % 2 else "even", ["odd", "even"])
        narrator.say(*SAY_PARITY, k=count, odd=odd)
        side = narrator.result(TAILS if odd == "odd" else HEADS, [HEADS, TAILS])
        narrator.say(*SAY_SIDE, odd=odd, s=side)
        return yes_no(side == HEADS)
