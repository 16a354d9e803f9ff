"""SVAMP's twin: word problems of one operation (two out of distribution) with a number that does not matter."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta
from rtbench_tasks.common.arithmetic import explain, pattern, some, whole
from rtbench_tasks.common.stories import draw_words, one_step, tell_by_operation

from rtbench.twins import Knobs, Narrator, Problem, Twin


class SvampKnobs(Knobs, frozen=True):
    """Knobs of :class:`SvampTwin`."""

    steps: Annotated[int, Meta(ge=1, le=4)] = 1
    """Number of operations of a question."""
    distractors: Annotated[int, Meta(ge=0, le=4)] = 1
    """Number of sentences with a number that the answer does not need."""
    largest: Annotated[int, Meta(ge=20)] = 100
    """Largest number in question or solution."""


DISTRACTORS = (
    "{name} also has {d} {extra}.",
    "{name} is {d} years old.",
    "{third} has {d} {extra}.",
    "{third} has {d} {thing}.",
    "{third} lost {d} {thing} on {day3}.",
    "{third} paid {d} dollars for some {extra}.",
    "It took {name} {d} minutes to get to the {place}.",
    "There are also {d} {extra} at the {place}.",
)
"""Distracting sentences; none of them is about anything that the shapes ask for."""


_BOTH = (
    "{name} has {x} {thing}. {other} has {y} {thing}.",
    "{other} has {y} {thing}, and {name} has {x} {thing}.",
    "There are {x} {thing} with {name}. There are {y} {thing} with {other}.",
)
_BOTH_GIVEN = "{name} has {x} {thing} and {other} has {y}"
_TWO_DAYS = (
    "{name} sold {x} {thing} at the {place} on {day}. On {day2} {name} sold {y} {thing}.",
    "On {day2} {name} sold {y} {thing}. The day before, on {day}, {name} sold {x} {thing}.",
)
_TWO_DAYS_GIVEN = "{name} sold {x} {thing} on {day} and {y} on {day2}"
_PACKED = (
    "{name} has {x} {container} at the {place}. There are {y} {thing} in each of the {container}.",
    "{name} has some {container} with {y} {thing} in each. There are {x} of these {container}.",
)
# The same body has several questions, so that a reader must pay attention to the question.
SHAPES = {
    "+": (
        one_step("+", _BOTH, "How many {thing} do {name} and {other} have together?", "together there are",
                 given=_BOTH_GIVEN),
        one_step("+", _TWO_DAYS, "How many {thing} did {name} sell on {day} and {day2} together?", "{name} sold",
                 given=_TWO_DAYS_GIVEN),
        one_step(
            "+",
            (
                "There were some {thing} at the {place}. {name} took {x} of these {thing}, and {y} {thing} were left.",
                "{name} took {x} {thing} home from the {place}. Then there were {y} {thing} left at the {place}.",
            ),
            "How many {thing} were there at the {place} at first?",
            "at first there were",
            given="{name} took {x} {thing} and {y} were left",
        ),
        one_step(
            "+",
            (
                "{name} had {x} {thing}. {other} gave {y} more {thing} to {name}.",
                "{other} gave {y} {thing} to {name}, and before that {name} had {x} {thing}.",
            ),
            "How many {thing} does {name} have now?",
            "{name} has",
            given="{name} had {x} {thing} and got {y} more",
            kind="thing",
        ),
    ),
    "-": (
        one_step("-", _BOTH, "How many more {thing} does {name} have than {other}?", "{name} has", "more {thing}",
                 _BOTH_GIVEN),
        one_step("-", _TWO_DAYS, "How many more {thing} did {name} sell on {day} than on {day2}?", "{name} sold",
                 "more {thing}", _TWO_DAYS_GIVEN),
        one_step(
            "-",
            (
                "There were {x} {thing} at the {place}. {name} took {y} {thing} home from the {place}.",
                "{name} took {y} of the {thing} that were at the {place}. Before that there were {x} {thing}.",
            ),
            "How many of the {thing} are left at the {place}?",
            "at the {place} there are",
            given="there were {x} {thing} and {name} took {y}",
        ),
        one_step(
            "-",
            (
                "{name} had {x} {thing}. {name} gave {y} {thing} to {other}.",
                "{name} had {x} {thing} before {other} took {y} of these {thing}.",
            ),
            "How many {thing} does {name} have left?",
            "{name} has",
            given="{name} had {x} {thing} and {y} are gone",
            kind="thing",
        ),
    ),
    "*": (
        one_step("*", _PACKED, "How many {thing} does {name} have in all of the {container}?", "{name} has",
                 given="there are {x} {container} with {y} {thing} in each", kind="thing"),
        one_step(
            "*",
            (
                "{name} bought {x} {thing} at the {place}. Each of the {thing} cost {y} dollars.",
                "At the {place} {name} paid {y} dollars for each of the {thing}. {name} bought {x} of these {thing}.",
            ),
            "How many dollars did {name} pay for the {thing}?",
            "{name} paid",
            "dollars",
            "there were {x} {thing} for {y} dollars each",
        ),
    ),
    "/": (
        one_step(
            "/",
            (
                "{name} put {x} {thing} into {y} {container}. All of the {container} hold the same number of {thing}.",
                "There are {y} {container} at the {place}. {name} put {x} {thing} into these {container}, the same number into each.",
            ),
            "How many {thing} are there in each of the {container}?",
            "in each there are",
            given="there are {x} {thing} in {y} {container}",
        ),
        one_step(
            "/",
            (
                "{name} has {x} {thing} at the {place}. {name} packs {y} {thing} into each of the {container}.",
                "{name} needs {container} for {x} {thing}. In each of the {container} there will be {y} {thing}.",
            ),
            "How many {container} does {name} need?",
            "{name} needs",
            "{container}",
            "{x} {thing} go into {container} with {y} in each",
        ),
        one_step(
            "/",
            (
                "{other} shared {x} {thing} equally among {y} friends. {name} was one of the friends.",
                "{name} and some others were {y} friends in all. {other} shared {x} {thing} equally among the friends.",
            ),
            "How many {thing} did {name} get?",
            "{name} got",
            given="{y} friends shared {x} {thing}",
            kind="thing",
        ),
    ),
}  # fmt: skip


class SvampTwin(Twin[SvampKnobs]):
    """Twin of SVAMP. Pattern: operations and operands, without the numbers that do not matter."""

    knobs = SvampKnobs()
    harder = SvampKnobs(steps=2, distractors=2)

    def draw(self, rng: random.Random, knobs: SvampKnobs) -> Problem:
        words = draw_words(rng)
        told = tell_by_operation(rng, SHAPES, words, knobs.largest, knobs.steps)
        body = _distract(rng, told.body, words, knobs, told.solution.numbers)
        return Problem(
            question=f"{body} {told.ask}",
            answer=str(told.value),
            pattern=pattern(told.solution),
            facts=told.solution,
        )

    def explain(self, problem: Problem, narrator: Narrator) -> str:
        return str(explain(problem.facts, narrator))


def _distract(
    rng: random.Random, body: str, words: Mapping[str, str], knobs: SvampKnobs, numbers: Mapping[str, int]
) -> str:
    """Return the body with distracting sentences at its start or end; their numbers occur nowhere else."""
    taken = set(numbers.values())
    before: list[str] = []
    after: list[str] = []
    for sentence in some(rng, DISTRACTORS, knobs.distractors):
        number = whole(rng, 2, knobs.largest)
        while number in taken:
            number = whole(rng, 2, knobs.largest)
        taken.add(number)
        place = after if " also " in sentence or rng.random() < 0.5 else before
        place.append(sentence.format(d=number, **words))
    return " ".join((*before, body, *after))
