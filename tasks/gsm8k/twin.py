"""GSM8K's twin: word problems of three or four steps (five out of distribution), which combine subtotals.

A problem is one of a few situations, followed by events (tails) until it has the wanted number of steps.
"""

from __future__ import annotations

import random
from typing import Annotated

from msgspec import Meta
from rtbench_tasks.common.arithmetic import Line, explain, pattern, pick, whole
from rtbench_tasks.common.stories import GONE, GOT, StoryShape, Tail, between, by_steps, draw_words, tell

from rtbench.twins import Knobs, Narrator, Problem, Twin


class Gsm8kKnobs(Knobs, frozen=True):
    """Knobs of :class:`Gsm8kTwin`."""

    steps: Annotated[int, Meta(ge=3, le=6)] = 4
    """Maximum number of steps of a question."""
    fewest: Annotated[int, Meta(ge=3, le=6)] = 3
    """Minimum number of steps; ``steps`` where that is smaller."""
    largest: Annotated[int, Meta(ge=40)] = 200
    """Largest number in question or solution."""


CONTEXTS = (
    "{name} and {friend} are friends.",
    "{name} is one of the friends of {friend}.",
    "{friend} works with {name}.",
)
_DOLLARS = ("How many dollars does {name} have now?", "How many dollars are left with {name} in the end?")
TAILS = (
    GOT,
    GONE,
    Tail(
        kind="thing",
        op="/",
        fixed=2,
        tells=("Then {name} gave half of the {thing} to {friend}.", "After that {name} lost half of the {thing}."),
        asks=("How many {thing} does {name} have now?",),
        lead="{name} has",
        unit="{thing}",
        given="half of the {thing} are gone",
        then="thing",
    ),
    Tail(
        kind="thing",
        op="*",
        tells=(
            "Then {name} sold all the {thing} for {z} dollars each.",
            "After that {friend} bought all these {thing} from {name} for {z} dollars each.",
        ),
        asks=("How many dollars did {name} get for the {thing}?",),
        lead="{name} got",
        unit="dollars",
        given="all the {thing} are sold for {z} dollars each",
        then="dollars",
    ),
    Tail(
        kind="thing",
        op="/",
        tells=(
            "Then {name} put all the {thing} into {container} with {z} {thing} in each.",
            "Now {name} packs {z} {thing} into each of the {container}.",
        ),
        asks=("How many {container} does {name} need?",),
        lead="{name} needs",
        unit="{container}",
        given="there are {z} {thing} in each of the {container}",
    ),
    Tail(
        kind="dollars",
        op="-",
        tells=("Then {name} paid {z} dollars for food.", "After that {name} paid {z} dollars for a ticket."),
        asks=_DOLLARS,
        lead="{name} has",
        unit="dollars",
        given="{name} paid {z} dollars",
        then="dollars",
    ),
    Tail(
        kind="dollars",
        op="+",
        tells=("Then {name} got {z} more dollars from {friend}.", "After that {name} found {z} dollars."),
        asks=_DOLLARS,
        lead="{name} has",
        unit="dollars",
        given="{name} got {z} more dollars",
        then="dollars",
    ),
    Tail(
        kind="dollars",
        op="/",
        tells=("{name} shared all these dollars equally among {z} friends.",),
        asks=("How many dollars did each of the friends get?",),
        lead="each of the friends got",
        unit="dollars",
        given="{z} friends share the dollars",
    ),
    Tail(
        kind="cost",
        op="~-",
        tells=("{name} had {z} dollars at first.", "Before that {name} had {z} dollars."),
        asks=_DOLLARS,
        lead="{name} has",
        unit="dollars",
        given="{name} had {z} dollars",
        then="dollars",
    ),
    Tail(
        kind="cost",
        op="/",
        tells=("{name} and some friends, {z} people in all, each paid the same part of this.",),
        asks=("How many dollars did each of these people pay?",),
        lead="each of the people paid",
        unit="dollars",
        given="there are {z} people",
    ),
)

SHAPES = (
    StoryShape(
        numbers=between(a=(2, 9), p=(2, 12), b=(2, 9), q=(2, 12)),
        lines=(
            Line("u = a * p", "the {thing} cost", "dollars", "{name} bought {a} {thing} for {p} dollars each"),
            Line("v = b * q", "the {extra} cost", "dollars", "{name} bought {b} {extra} for {q} dollars each"),
            Line("t = u + v", "{name} paid", "dollars"),
        ),
        bodies=(
            "{name} went to the {place} on {day} and bought {a} {thing} for {p} dollars each and {b} {extra} for {q} dollars each.",
            "At the {place} the {thing} cost {p} dollars each and the {extra} cost {q} dollars each. {name} bought {a} {thing} and {b} {extra}.",
        ),
        asks=("How many dollars did {name} pay in all?",),
        kind="cost",
    ),
    StoryShape(
        numbers=between(a=(2, 12), p=(2, 9), b=(2, 12), q=(2, 9)),
        lines=(
            Line("u = a * p", "{name} sold", "{thing}", "{name} sold {a} {thing} each day for {p} days"),
            Line("v = b * q", "{other} sold", "{thing}", "{other} sold {b} {thing} each day for {q} days"),
            Line("t = u + v", "together there are", "{thing}"),
        ),
        bodies=(
            "{name} and {other} work at the {place}. {name} sold {a} {thing} each day for {p} days. {other} sold {b} {thing} each day for {q} days.",
        ),
        asks=("How many {thing} did {name} and {other} sell together?",),
    ),
    StoryShape(
        numbers=between(a=(2, 12), p=(2, 9), b=(2, 12), q=(2, 9)),
        lines=(
            Line("u = a * p", "{name} made", "{thing}", "{name} made {a} {thing} each hour for {p} hours"),
            Line("v = b * q", "{other} made", "{thing}", "{other} made {b} {thing} each hour for {q} hours"),
            Line("t = u - v", "{name} made", "more {thing}"),
        ),
        bodies=(
            "{name} and {other} made {thing} at the {place} on {day}. {name} made {a} {thing} each hour for {p} hours. {other} made {b} {thing} each hour for {q} hours.",
        ),
        asks=("How many more {thing} did {name} make than {other}?",),
    ),
    StoryShape(
        numbers=between(a=(2, 40), two=(2, 2), k=(2, 30)),
        lines=(
            Line("u = a * two", "on {day2} there were", "{thing}", "there were twice as many {thing} on {day2}"),
            Line("v = u - k", "on {day3} there were", "{thing}", "there were {k} fewer {thing} on {day3}"),
            Line("s = a + u", "on the first two days there were", "{thing}"),
            Line("t = s + v", "{name} sold", "{thing}"),
        ),
        bodies=(
            "{name} sold {a} {thing} at the {place} on {day}. On {day2} {name} sold twice as many {thing} as on {day}. On {day3} {name} sold {k} fewer {thing} than on {day2}.",
        ),
        asks=("How many {thing} did {name} sell on these three days in all?",),
    ),
    StoryShape(
        numbers=between(a=(4, 80), two=(2, 2), k=(2, 30)),
        lines=(
            Line("u = a / two", "on {day2} there were", "{thing}", "there were half as many {thing} on {day2}"),
            Line("v = u + k", "on {day3} there were", "{thing}", "there were {k} more {thing} on {day3}"),
            Line("s = a + u", "on the first two days there were", "{thing}"),
            Line("t = s + v", "{name} found", "{thing}"),
        ),
        bodies=(
            "{name} found {a} {thing} at the {place} on {day}. On {day2} {name} found half as many {thing} as on {day}. On {day3} {name} found {k} more {thing} than on {day2}.",
        ),
        asks=("How many {thing} did {name} find on these three days in all?",),
        kind="thing",
    ),
    StoryShape(
        numbers=between(a=(2, 60), k=(2, 40), n=(2, 4)),
        lines=(
            Line("u = a + k", "{third} has", "{thing}", "{third} has {k} more {thing} than {other}, who has {a}"),
            Line("v = u * n", "{name} has", "{thing}", "{name} has {n} times as many {thing} as {third}"),
        ),
        bodies=(
            "{other} has {a} {thing}. {third} has {k} more {thing} than {other}. {name} has {n} times as many {thing} as {third}.",
        ),
        asks=("How many {thing} does {name} have?",),
        kind="thing",
    ),
    StoryShape(
        numbers=between(a=(6, 80), k=(2, 40)),
        lines=(
            Line("u = a - k", "{third} has", "{thing}", "{third} has {k} fewer {thing} than {other}, who has {a}"),
            Line("v = a + u", "{name} has", "{thing}", "{name} has as many {thing} as {other} and {third} together"),
        ),
        bodies=(
            "{other} has {a} {thing}. {third} has {k} fewer {thing} than {other}. {name} has as many {thing} as {other} and {third} together.",
        ),
        asks=("How many {thing} does {name} have?",),
        kind="thing",
    ),
    StoryShape(
        numbers=between(a=(2, 9), p=(2, 12), b=(2, 9), q=(2, 12)),
        lines=(
            Line("u = a * p", "in the {red} {container} there are", "{thing}",
                 "there are {a} {red} {container} with {p} {thing} in each"),
            Line("v = b * q", "in the {blue} {container} there are", "{thing}",
                 "there are {b} {blue} {container} with {q} {thing} in each"),
            Line("t = u + v", "{name} has", "{thing}"),
        ),
        bodies=(
            "{name} has {a} {red} {container} with {p} {thing} in each and {b} {blue} {container} with {q} {thing} in each.",
            "{name} took {a} {red} {container} and {b} {blue} {container} home. There are {p} {thing} in each of the {red} {container} and {q} {thing} in each of the {blue} {container}.",
        ),
        asks=("How many {thing} does {name} have in all?",),
        kind="thing",
    ),
    StoryShape(
        numbers=between(a=(6, 40), b=(2, 30), p=(2, 9)),
        lines=(
            Line("u = a - b", "each day leaves", "dollars", "{name} gets {a} dollars each day and pays {b}"),
            Line("v = u * p", "{name} keeps", "dollars", "{name} works for {p} days"),
        ),
        bodies=(
            "{name} works at the {place} and gets {a} dollars each day. Each day {name} pays {b} dollars for food. {name} works for {p} days.",
        ),
        asks=_DOLLARS,
        kind="dollars",
    ),
    StoryShape(
        numbers=between(a=(2, 15), p=(2, 9), q=(2, 9)),
        lines=(
            Line("u = p + q", "the machine worked", "hours", "the machine worked {p} hours and then {q} hours"),
            Line("v = a * u", "{name} has", "{thing}", "the machine makes {a} {thing} each hour"),
        ),
        bodies=(
            "{name} has a machine that makes {a} {thing} each hour. The machine worked for {p} hours on {day} and for {q} hours on {day2}.",
        ),
        asks=("How many {thing} does {name} have from the machine?",),
        kind="thing",
    ),
    StoryShape(
        numbers=between(a=(2, 80), b=(2, 80), n=(2, 9), k=(2, 60)),
        lines=(
            Line("u = a + b", "{other} had", "{thing}", "{other} had {a} {red} and {b} {blue} {thing}"),
            Line("v = u / n", "each of the friends got", "{thing}", "{n} friends shared the {thing}"),
            Line("t = v + k", "{name} has", "{thing}", "{name} had {k} {thing} before"),
        ),
        bodies=(
            "{other} had {a} {red} {thing} and {b} {blue} {thing} and shared all of the {thing} equally among {n} friends. {name} was one of the friends and had {k} {thing} before.",
        ),
        asks=("How many {thing} does {name} have now?",),
        kind="thing",
    ),
    StoryShape(
        numbers=between(a=(6, 60), b=(2, 40), p=(2, 9), c=(2, 60)),
        lines=(
            Line("u = a - b", "{name} sold", "{thing}", "{name} had {a} {thing} and {b} were left"),
            Line("v = u * p", "{name} got", "dollars", "the {thing} cost {p} dollars each"),
            Line("t = v + c", "{name} has", "dollars", "{name} had {c} dollars before"),
        ),
        bodies=(
            "{name} took {a} {thing} and {c} dollars to the {place} and sold the {thing} for {p} dollars each. In the end {b} of the {thing} were left.",
        ),
        asks=_DOLLARS,
        kind="dollars",
    ),
)  # fmt: skip
BY_STEPS = by_steps(SHAPES, 3, 6)


class Gsm8kTwin(Twin[Gsm8kKnobs]):
    """Twin of GSM8K. Pattern: operations and operands."""

    knobs = Gsm8kKnobs()
    harder = Gsm8kKnobs(steps=5, fewest=5)

    def draw(self, rng: random.Random, knobs: Gsm8kKnobs) -> Problem:
        words = draw_words(rng)
        steps = whole(rng, min(knobs.fewest, knobs.steps), knobs.steps)
        shape = pick(rng, BY_STEPS[steps])
        told = tell(rng, shape, words, knobs.largest, TAILS, steps - len(shape.lines))
        context = pick(rng, CONTEXTS).format(**words)
        return Problem(
            question=f"{context} {told.body} {told.ask}",
            answer=str(told.value),
            pattern=pattern(told.solution),
            facts=told.solution,
        )

    def explain(self, problem: Problem, narrator: Narrator) -> str:
        return str(explain(problem.facts, narrator))
