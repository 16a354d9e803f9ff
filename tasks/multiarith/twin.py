"""MultiArith's twin: word problems of two steps (three out of distribution) over small whole numbers."""

from __future__ import annotations

import random
from typing import Annotated

from msgspec import Meta
from rtbench_tasks.common.arithmetic import Line, Numbers, explain, pattern, pick, whole
from rtbench_tasks.common.stories import GONE, GOT, HAVE_NOW, StoryShape, Tail, by_steps, chain, draw_words, tell

from rtbench.twins import Knobs, Narrator, Problem, Twin


class MultiarithKnobs(Knobs, frozen=True):
    """Knobs of :class:`MultiarithTwin`."""

    steps: Annotated[int, Meta(ge=2, le=5)] = 2
    """Number of arithmetic steps of a question."""
    largest: Annotated[int, Meta(ge=20)] = 60
    """Largest number in question or solution."""


def _opening(rng: random.Random, largest: int) -> Numbers:
    return {"x": whole(rng, 2, largest)}


SEQUENCE = StoryShape(
    numbers=_opening,
    lines=(),
    bodies=(
        "{name} had {x} {thing} at the {place}.",
        "One {day} {name} found {x} {thing} at the {place}.",
        "On {day} {name} went to the {place} and bought {x} {thing}.",
    ),
    asks=HAVE_NOW,
    kind="thing",
)
"""A story in which all events are tails."""
MORE_TIMES = Tail(
    kind="thing",
    op="*",
    tells=(
        "Then the number of {thing} grew to {z} times what it was.",
        "After some days {name} had {z} times as many {thing}.",
        "Then {name} took each of the {thing} to a machine that makes {z} {thing} out of one.",
    ),
    asks=HAVE_NOW,
    lead="{name} has",
    unit="{thing}",
    given="the number is {z} times as big",
    then="thing",
)
SHARED = Tail(
    kind="thing",
    op="/",
    tells=(
        "{name} put all the {thing} into {z} {container}, the same number into each, and kept one of the {container}.",
        "Then {name} shared all the {thing} equally among {z} friends and was one of these friends.",
    ),
    asks=HAVE_NOW,
    lead="{name} has",
    unit="{thing}",
    given="the {thing} are shared into {z} parts",
    then="thing",
)
EVENTS = (GOT, GONE, MORE_TIMES, SHARED)


def _shape(
    ops: tuple[str, str], lines: tuple[Line, Line], bodies: tuple[str, ...], ask: str, kind: str = ""
) -> StoryShape:
    return StoryShape(numbers=chain(*ops), lines=lines, bodies=bodies, asks=(ask,), kind=kind)


SHAPES = (
    _shape(
        ("+", "/"),
        (
            Line("u = x + y", "together there are", "{thing}", "there are {x} {red} and {y} {blue} {thing}"),
            Line("v = u / z", "{name} needs", "{container}", "there are {z} {thing} in each of the {container}"),
        ),
        (
            "{name} has {x} {red} {thing} and {y} {blue} {thing}. {name} puts {z} {thing} into each of the {container}.",
            "{name} puts {x} {red} and {y} {blue} {thing} into {container}, with {z} {thing} in each.",
        ),
        "How many {container} does {name} need for all of the {thing}?",
    ),
    _shape(
        ("-", "/"),
        (
            Line("u = x - y", "there are", "{thing}", "{name} had {x} {thing} and {y} are gone"),
            Line("v = u / z", "{name} needs", "{container}", "there are {z} {thing} in each of the {container}"),
        ),
        (
            "{name} had {x} {thing} and gave {y} {thing} to {other}. {name} puts the rest into {container} with {z} in each.",
            "{name} had {x} {thing} at the {place} and sold {y} of the {thing}. The rest go into {container} with {z} in each.",
        ),
        "How many {container} does {name} need?",
    ),
    _shape(
        ("*", "-"),
        (
            Line("u = x * y", "there were", "{thing}", "there were {x} rows with {y} {thing} in each"),
            Line("v = u - z", "there are", "{thing}", "{z} of the {thing} are gone"),
        ),
        (
            "There were {x} rows of {thing} at the {place} with {y} {thing} in each of the rows. Then {name} took {z} of the {thing}.",
            "{name} put {thing} into {x} rows with {y} {thing} in each. {other} took {z} of these {thing} home.",
        ),
        "How many {thing} are left in the rows?",
    ),
    _shape(
        ("*", "+"),
        (
            Line("u = x * y", "there are", "{thing}", "there are {x} {container} with {y} {thing} in each"),
            Line("v = u + z", "{name} has", "{thing}", "there are {z} more {thing}"),
        ),
        (
            "{name} has {x} {container} with {y} {thing} in each and {z} more {thing} that are in none of the {container}.",
            "{name} bought {x} {container} of {thing} at the {place}. There are {y} {thing} in each. {name} had {z} {thing} before that.",
        ),
        "How many {thing} does {name} have in all?",
        "thing",
    ),
    _shape(
        ("+", "*"),
        (
            Line("u = x + y", "together there are", "{container}", "there are {x} {red} and {y} {blue} {container}"),
            Line("v = u * z", "{name} has", "{thing}", "each of the {container} holds {z} {thing}"),
        ),
        (
            "{name} has {x} {red} {container} and {y} {blue} {container}. Each of the {container} holds {z} {thing}.",
            "{name} bought {x} {red} and {y} {blue} {container} at the {place}. There are {z} {thing} in each.",
        ),
        "How many {thing} does {name} have in all?",
        "thing",
    ),
    _shape(
        ("-", "*"),
        (
            Line("u = x - y", "{name} still has", "{container}", "{name} had {x} {container} and {y} are gone"),
            Line("v = u * z", "{name} has", "{thing}", "each of the {container} holds {z} {thing}"),
        ),
        (
            "{name} had {x} {container} of {thing} with {z} {thing} in each. Then {name} gave {y} of the {container} to {other}.",
            "{name} took {x} {container} of {thing} to the {place} and sold {y} of the {container}. There are {z} {thing} in each.",
        ),
        "How many {thing} does {name} have left?",
        "thing",
    ),
    _shape(
        ("*", "~-"),
        (
            Line("u = x * y", "the {thing} cost", "dollars", "{x} {thing} cost {y} dollars each"),
            Line("v = z - u", "{name} has", "dollars", "{name} had {z} dollars"),
        ),
        (
            "{name} had {z} dollars and went to the {place}. There {name} bought {x} {thing} for {y} dollars each.",
            "{name} paid for {x} {thing} at the {place}. The {thing} cost {y} dollars each, and {name} had {z} dollars.",
        ),
        "How many dollars does {name} have left?",
    ),
    _shape(
        ("/", "+"),
        (
            Line("u = x / y", "each of the friends gets", "{thing}", "{y} friends share {x} {thing}"),
            Line("v = u + z", "{name} has", "{thing}", "{name} had {z} {thing} before"),
        ),
        (
            "{other} shares {x} {thing} equally among {y} friends. {name} is one of the friends and had {z} {thing} before.",
            "{name} had {z} {thing}. Then {name} and some others, {y} friends in all, share {x} more {thing} equally.",
        ),
        "How many {thing} does {name} have now?",
        "thing",
    ),
)  # fmt: skip
BY_STEPS = by_steps(SHAPES, 2, 5)


class MultiarithTwin(Twin[MultiarithKnobs]):
    """Twin of MultiArith. Pattern: operations and operands."""

    knobs = MultiarithKnobs()
    harder = MultiarithKnobs(steps=3)

    def draw(self, rng: random.Random, knobs: MultiarithKnobs) -> Problem:
        words = draw_words(rng)
        shape = pick(rng, BY_STEPS[knobs.steps])
        if rng.random() < 0.4:
            shape = SEQUENCE
        told = tell(rng, shape, words, knobs.largest, EVENTS, knobs.steps - len(shape.lines))
        return Problem(
            question=f"{told.body} {told.ask}",
            answer=str(told.value),
            pattern=pattern(told.solution),
            facts=told.solution,
        )

    def explain(self, problem: Problem, narrator: Narrator) -> str:
        return str(explain(problem.facts, narrator))
