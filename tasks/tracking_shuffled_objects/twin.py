"""Tracking Shuffled Objects' twin: three people swap their objects three times (five times out of distribution)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations
from typing import Annotated

import msgspec
from msgspec import Meta
from rtbench_tasks.common.text import listed
from rtbench_tasks.common.words import COLOURS, NAMES, PLACES

from rtbench.twins import Knobs, Narrator, Problem, Twin, lettered


class TrackingKnobs(Knobs, frozen=True):
    """Knobs of :class:`TrackingTwin`."""

    people: Annotated[int, Meta(ge=3, le=7)] = 3
    """Number of people. With more than three, answers exceed the letters A to C, which are all that the task's
    extractors accept."""
    swaps: Annotated[int, Meta(ge=1)] = 3
    options: bool = True
    """True to state the choices and answer by letter. False to ask for the object itself, whose text is then the
    answer; this is for your own experiments, because the task's extractors read letters."""


class Scene(msgspec.Struct, frozen=True):
    """A situation. In its texts ``{all}`` lists the people, ``{n}`` is one of them, ``{x}`` is an object."""

    opening: tuple[str, ...]
    deal: str
    """Text for one person's object at the start."""
    trade: tuple[str, ...]
    """Sentences that announce the swaps."""
    things: str
    """Noun for the swapped objects, in the plural."""
    end: str
    """Last, unfinished sentence before the choices."""
    ask: str
    """Question that replaces ``end`` and the choices."""
    choice: str
    """Text of a choice."""
    has: str
    """Verb before the object, in explanations."""
    words: tuple[str, ...]
    """Words for the objects."""


class Swaps(msgspec.Struct, frozen=True):
    """Input of the explanation."""

    names: tuple[str, ...]
    objects: tuple[str, ...]
    """Objects at the start, in the order of the names."""
    swaps: tuple[tuple[int, int], ...]
    """Swapped pairs as positions in ``names``, the smaller first."""
    asked: int
    """Position of the person in question."""
    setting: Scene
    listed: tuple[str, ...]
    """Objects in the order of the choices; empty where there are none."""


LETTERS = "ABCDEFG"
SETTINGS = (
    Scene(
        opening=("{all} play a game, and each has a ball.", "{all} are at a game, each with a ball."),
        deal="{n} has the {x} ball",
        trade=("During the game they trade balls.", "In the game two of them at a time trade balls."),
        things="balls",
        end="At the end of the game, {n} has the",
        ask="Which ball does {n} have at the end of the game?",
        choice="{x} ball",
        has="has",
        words=COLOURS,
    ),
    Scene(
        opening=("{all} are at a party, each with a present.", "{all} come to a party with presents."),
        deal="{n} has the {x} present",
        trade=("During the party they trade presents.", "At the party two of them at a time trade presents."),
        things="presents",
        end="At the end of the party, {n} has the",
        ask="Which present does {n} have at the end of the party?",
        choice="{x} present",
        has="has",
        words=COLOURS,
    ),
    Scene(
        opening=("{all} are in a club, each with a book.", "{all} each have a book from the library."),
        deal="{n} has the {x} book",
        trade=("During the week they trade books.", "In the week two of them at a time trade books."),
        things="books",
        end="At the end of the week, {n} has the",
        ask="Which book does {n} have at the end of the week?",
        choice="{x} book",
        has="has",
        words=COLOURS,
    ),
    Scene(
        opening=("{all} go to a dance, each with a partner.", "{all} are at a dance with their partners."),
        deal="{n} dances with {x}",
        trade=("During the dance they trade partners.", "In the dance two of them at a time trade partners."),
        things="partners",
        end="At the end of the dance, {n} dances with",
        ask="Who does {n} dance with at the end of the dance?",
        choice="{x}",
        has="dances with",
        words=NAMES,
    ),
    Scene(
        opening=("{all} each work at a place.", "{all} each have a place to work."),
        deal="{n} works at the {x}",
        trade=("During the week they trade places.", "In the week two of them at a time trade places."),
        things="places",
        end="At the end of the week, {n} works at the",
        ask="Where does {n} work at the end of the week?",
        choice="{x}",
        has="works at the",
        words=PLACES,
    ),
)
START = ("At the start {deal}.", "At first {deal}.", "To begin with, {deal}.")
SWAP = (
    "{a} and {b} trade {things}",
    "{a} and {b} swap {things}",
    "{a} trades {things} with {b}",
    "{a} swaps {things} with {b}",
)
FIRST, NEXT, LAST = ("First", "To begin"), ("Then", "Next", "After that"), ("Finally", "Last")

SAY_START = ("At first: {state}.", "The start: {state}.", "We begin with {state}.", "They start with {state}.")
SAY_SWAP = (
    "{a} and {b} swap. Before: {a} {x}, {b} {y}. After: {a} {p}, {b} {q}.",
    "{a} and {b} trade. Before: {a} {x}, {b} {y}. Now: {a} {p}, {b} {q}.",
    "Swap {a} and {b}: {a} {x}, {b} {y} becomes {a} {p}, {b} {q}.",
    "First {a} {x}, {b} {y}. They swap. Then {a} {p}, {b} {q}.",
)
SAY_SWAPPED = (
    "Now {a} {has} {p} and {b} {has} {q}.",
    "Then {a} {has} {p} and {b} {has} {q}.",
    "After that {a} {has} {p} and {b} {has} {q}.",
    "{a} and {b} swap, so {a} {has} {p} and {b} {has} {q}.",
)
SAY_END = (
    "So {n} {has} {x}.",
    "In the end {n} {has} {x}.",
    "That means {n} {has} {x}.",
    "Now we see that {n} {has} {x}.",
)
SAY_LETTER = ("{x} is ({c}).", "In the list {x} is ({c}).", "Of the choices {x} is ({c}).", "And {x} is ({c}).")


class TrackingTwin(Twin[TrackingKnobs]):
    """Twin of Tracking Shuffled Objects.

    Pattern: the swapped pairs as positions in the order of introduction, and the position of the person in question.
    Names, objects, setting and wordings vary within a pattern.
    """

    knobs = TrackingKnobs()
    harder = TrackingKnobs(swaps=5)

    def draw(self, rng: random.Random, knobs: TrackingKnobs) -> Problem:
        setting = rng.choice(SETTINGS)
        words = rng.sample(NAMES, 2 * knobs.people)
        names = words[: knobs.people]
        # Partners are people too: they must not be among the dancers.
        objects = words[knobs.people :] if setting.words is NAMES else rng.sample(setting.words, knobs.people)
        pairs = tuple(combinations(range(knobs.people), 2))
        swaps = rng.choices(pairs, k=knobs.swaps)
        asked = rng.randrange(knobs.people)
        end = _after(objects, swaps)[asked]
        # Unlike in the real task, the choices are not in the order of introduction: the pattern would then determine
        # the letter, and the few patterns of a small fold would make its letters far from uniform.
        listed = rng.sample(objects, knobs.people)
        choices = tuple(setting.choice.format(x=word) for word in listed)
        text = _story(rng, setting, names, objects, swaps)
        if knobs.options:
            question = lettered(f"{text} {setting.end.format(n=names[asked])}\nWhich choice is true?", choices)
            answer = LETTERS[listed.index(end)]
        else:
            question = f"{text} {setting.ask.format(n=names[asked])}"
            answer = setting.choice.format(x=end)
        return Problem(
            question=question,
            answer=answer,
            pattern="-".join(f"{a}{b}" for a, b in swaps) + f"?{asked}",
            facts=Swaps(
                names=tuple(names),
                objects=tuple(objects),
                swaps=tuple(swaps),
                asked=asked,
                setting=setting,
                listed=tuple(listed) if knobs.options else (),
            ),
            choices=choices if knobs.options else (),
        )

    def explain(self, problem: Problem, narrator: Narrator) -> str:
        facts: Swaps = problem.facts
        state = list(facts.objects)
        has = facts.setting.has
        start = ", ".join(f"{name} {word}" for name, word in zip(facts.names, state, strict=True))
        narrator.restate(*SAY_START, state=start)
        for swap in facts.swaps:
            i, j = narrator.order(swap)
            x, y = state[i], state[j]
            state[i], state[j] = narrator.result((y, x), lambda rng: _any_two(rng, facts.objects))
            words = {"a": facts.names[i], "b": facts.names[j], "x": x, "y": y, "p": state[i], "q": state[j]}
            narrator.say(*(SAY_SWAP if narrator.fine else SAY_SWAPPED), has=has, **words)
        found = state[facts.asked]
        narrator.say(*SAY_END, n=facts.names[facts.asked], has=has, x=found)
        if not facts.listed:
            return facts.setting.choice.format(x=found)
        letter = narrator.result(LETTERS[facts.listed.index(found)], LETTERS[: len(facts.listed)])
        narrator.say(*SAY_LETTER, x=found, c=letter)
        return letter


def _after(objects: Sequence[str], swaps: Sequence[tuple[int, int]]) -> list[str]:
    state = list(objects)
    for i, j in swaps:
        state[i], state[j] = state[j], state[i]
    return state


def _story(
    rng: random.Random,
    setting: Scene,
    names: Sequence[str],
    objects: Sequence[str],
    swaps: Sequence[tuple[int, int]],
) -> str:
    """Return the question without its last sentence."""
    deals = [setting.deal.format(n=name, x=word) for name, word in zip(names, objects, strict=True)]
    told = [
        rng.choice(setting.opening).format(all=listed(names, ", and ")),
        rng.choice(START).format(deal=listed(deals, ", and ")) + "\n\n" + rng.choice(setting.trade),
    ]
    for at, swap in enumerate(swaps):
        i, j = swap if rng.random() < 0.5 else swap[::-1]
        word = rng.choice(FIRST if at == 0 else LAST if at == len(swaps) - 1 else NEXT)
        told.append(f"{word}, {rng.choice(SWAP).format(a=names[i], b=names[j], things=setting.things)}.")
    return " ".join(told)


def _any_two(rng: random.Random, objects: Sequence[str]) -> tuple[str, str]:
    """Draw the state of a pair after a wrong swap: unchanged, or with somebody else's object."""
    first, second = rng.sample(objects, 2)
    return first, second
