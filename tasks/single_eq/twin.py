"""SingleEq's twin: word problems of one operation (two out of distribution) with a sentence of context."""

from __future__ import annotations

import random
from typing import Annotated

from msgspec import Meta
from rtbench_tasks.common.arithmetic import explain, pattern, pick
from rtbench_tasks.common.stories import draw_words, one_step, tell_by_operation

from rtbench.twins import Knobs, Narrator, Problem, Twin


class SingleEqKnobs(Knobs, frozen=True):
    """Knobs of :class:`SingleEqTwin`."""

    steps: Annotated[int, Meta(ge=1, le=4)] = 1
    """Number of operations of a question."""
    largest: Annotated[int, Meta(ge=20)] = 100
    """Largest number in question or solution."""


CONTEXTS = (
    "{name} works at the {place}.",
    "{name} and {other} are friends.",
    "On {day} {name} was at the {place} with {other}.",
    "{name} and {other} meet at the {place} each {day}.",
    "{other} went to the {place} to see {name}.",
)


SHAPES = {
    "+": (
        one_step(
            "+",
            (
                "{name} had {x} {thing}. Then {name} got {y} more {thing} from {other}.",
                "{name} had {x} {thing} and then found {y} more {thing}.",
            ),
            "How many {thing} does {name} have now?",
            "{name} has",
            given="{name} had {x} {thing} and got {y} more",
            kind="thing",
        ),
        one_step(
            "+",
            (
                "{name} has {x} {thing} and {other} has {y} {thing}.",
                "There are {x} {thing} with {name} and {y} {thing} with {other}.",
            ),
            "How many {thing} do {name} and {other} have together?",
            "together there are",
            given="{name} has {x} {thing} and {other} has {y}",
        ),
        one_step(
            "+",
            (
                "{name} had some {thing}. {name} gave {x} {thing} to {other} and now has {y} {thing} left.",
                "{other} took {x} of the {thing} that {name} had. Now {name} has {y} {thing} left.",
            ),
            "How many {thing} did {name} have at first?",
            "at first {name} had",
            given="{x} {thing} are gone and {y} are left",
        ),
    ),
    "-": (
        one_step(
            "-",
            (
                "{name} had {x} {thing}. {name} gave {y} of the {thing} to {other}.",
                "{name} had {x} {thing}. {other} took {y} of the {thing}.",
            ),
            "How many {thing} does {name} have left?",
            "{name} has",
            given="{name} had {x} {thing} and {y} are gone",
            kind="thing",
        ),
        one_step(
            "-",
            ("There are {x} {thing} at the {place}. {y} of the {thing} are {red} and all the others are {blue}.",),
            "How many {blue} {thing} are there?",
            "there are",
            "{blue} {thing}",
            "{y} of the {x} {thing} are {red}",
        ),
        one_step(
            "-",
            (
                "{name} had {y} {thing}. Then {other} gave {name} some more {thing}. Now {name} has {x} {thing}.",
                "At first {name} had {y} {thing}. {other} gave more {thing} to {name}, and now {name} has {x} {thing}.",
            ),
            "How many {thing} did {other} give to {name}?",
            "{other} gave",
            given="{name} had {y} {thing} at first and has {x} now",
        ),
        one_step(
            "-",
            (
                "{name} has {x} {thing}. {other} has {y} {thing}.",
                "{other} has {y} {thing}, and {name} has {x} {thing}.",
            ),
            "How many more {thing} does {name} have than {other}?",
            "{name} has",
            "more {thing}",
            "{name} has {x} {thing} and {other} has {y}",
        ),
    ),
    "*": (
        one_step(
            "*",
            (
                "{name} has {x} {container}. In each of the {container} there are {y} {thing}.",
                "{name} has {x} {container} with {y} {thing} in each.",
            ),
            "How many {thing} does {name} have in all?",
            "{name} has",
            given="there are {x} {container} with {y} {thing} in each",
            kind="thing",
        ),
        one_step(
            "*",
            (
                "{name} bought {x} {thing} at the {place}. The {thing} cost {y} dollars each.",
                "{name} wants to buy {x} {thing}. {other} sells the {thing} for {y} dollars each.",
            ),
            "How many dollars do the {thing} cost in all?",
            "the {thing} cost",
            "dollars",
            "there are {x} {thing} for {y} dollars each",
        ),
        one_step(
            "*",
            (
                "{other} has {x} {thing}. {name} has {y} times as many {thing} as {other}.",
                "{name} has {y} times as many {thing} as {other}, and {other} has {x} {thing}.",
            ),
            "How many {thing} does {name} have?",
            "{name} has",
            given="{other} has {x} {thing} and {name} has {y} times as many",
            kind="thing",
        ),
    ),
    "/": (
        one_step(
            "/",
            (
                "{name} has {x} {thing} and wants to put the same number of {thing} into each of {y} {container}.",
                "{name} puts {x} {thing} into {y} {container}, with the same number of {thing} in each.",
            ),
            "How many {thing} will there be in each of the {container}?",
            "in each there will be",
            given="there are {x} {thing} for {y} {container}",
        ),
        one_step(
            "/",
            (
                "{name} has {x} {thing} and packs {y} {thing} into each of the {container}.",
                "{name} wants to pack {x} {thing} into {container} with {y} {thing} in each.",
            ),
            "How many {container} does {name} need?",
            "{name} needs",
            "{container}",
            "{x} {thing} go into {container} with {y} in each",
        ),
        one_step(
            "/",
            (
                "{name} paid {x} dollars for {y} {thing} at the {place}. All of the {thing} cost the same.",
                "{y} {thing} cost {x} dollars at the {place}, and all of the {thing} cost the same.",
            ),
            "How many dollars did each of the {thing} cost?",
            "each of the {thing} cost",
            "dollars",
            "{y} {thing} cost {x} dollars in all",
        ),
        one_step(
            "/",
            (
                "{other} shares {x} {thing} equally among {y} friends, and {name} is one of the friends.",
                "{name} is one of {y} friends who share {x} {thing} equally.",
            ),
            "How many {thing} does {name} get?",
            "{name} gets",
            given="{y} friends share {x} {thing}",
            kind="thing",
        ),
    ),
}


class SingleEqTwin(Twin[SingleEqKnobs]):
    """Twin of SingleEq. Pattern: operations and operands."""

    knobs = SingleEqKnobs()
    harder = SingleEqKnobs(steps=2)

    def draw(self, rng: random.Random, knobs: SingleEqKnobs) -> Problem:
        words = draw_words(rng)
        told = tell_by_operation(rng, SHAPES, words, knobs.largest, knobs.steps)
        context = pick(rng, CONTEXTS).format(**words)
        return Problem(
            question=f"{context} {told.body} {told.ask}",
            answer=str(told.value),
            pattern=pattern(told.solution),
            facts=told.solution,
        )

    def explain(self, problem: Problem, narrator: Narrator) -> str:
        return str(explain(problem.facts, narrator))
