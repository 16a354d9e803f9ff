"""AQuA's twin: problems of two steps (three out of distribution) with five options; the answer is a letter."""

from __future__ import annotations

import random
from typing import Annotated

from msgspec import Meta
from rtbench_tasks.common.arithmetic import Line, Numbers, Solution, compute, explain, pattern, pick, some, whole
from rtbench_tasks.common.stories import StoryShape, Tail, between, by_steps, chain, draw_words, tell

from rtbench.twins import Knobs, Narrator, Problem, Twin, lettered


class AquaKnobs(Knobs, frozen=True):
    """Knobs of :class:`AquaTwin`."""

    steps: Annotated[int, Meta(ge=2, le=4)] = 2
    """Number of arithmetic steps of a question."""
    largest: Annotated[int, Meta(ge=40)] = 100
    """Largest number in question or solution; an option may be larger by up to 10."""


LETTERS = "ABCDE"


def _average_of_two(rng: random.Random, largest: int) -> Numbers:
    x, y = whole(rng, 2, largest // 2 - 1), whole(rng, 2, largest // 2 - 1)
    return {"x": x, "y": y + (x + y) % 2, "two": 2}


def _average_of_three(rng: random.Random, largest: int) -> Numbers:
    x, y, z = (whole(rng, 2, largest // 3 - 1) for _ in range(3))
    return {"x": x, "y": y, "z": z - (x + y + z) % 3, "three": 3}


def _rate(rng: random.Random, largest: int) -> Numbers:
    """Draw numbers for: if y things make x, what do z things make, which are more or fewer?"""
    one, y, z = whole(rng, 2, largest // 4), whole(rng, 2, 9), whole(rng, 2, 9)
    return {"x": one * y if y != z else 0, "y": y, "z": z}


def _price(rng: random.Random, largest: int) -> Numbers:
    """Draw numbers for: y things cost x dollars, and someone who has k dollars buys z things."""
    one, y, z = whole(rng, 2, largest // 9), whole(rng, 2, 9), whole(rng, 2, 9)
    return {"x": one * y if y != z else 0, "y": y, "z": z, "k": one * z + whole(rng, 2, largest // 2)}


_RESULT = ("What is the result?", "What number is the result?")
TAILS = (
    Tail(
        kind="number",
        op="+",
        tells=("Then {z} is added.", "To this {z} is added."),
        asks=_RESULT,
        lead="now the number is",
        unit="",
        given="{z} is added",
        then="number",
    ),
    Tail(
        kind="number",
        op="-",
        tells=("Then {z} is taken away.", "From this {z} is taken away."),
        asks=_RESULT,
        lead="now the number is",
        unit="",
        given="{z} is taken away",
        then="number",
    ),
)
TWO_STEPS = (
    StoryShape(
        numbers=chain("+", "*"),
        lines=(
            Line("u = x + y", "the sum is", "", "the sum of {x} and {y} is needed"),
            Line("v = u * z", "the result is", "", "the sum is multiplied by {z}"),
        ),
        bodies=(
            "The sum of {x} and {y} is multiplied by {z}.",
            "{x} is added to {y} and the sum is multiplied by {z}.",
        ),
        asks=_RESULT,
        kind="number",
    ),
    StoryShape(
        numbers=chain("*", "-"),
        lines=(
            Line("u = x * y", "the product is", "", "the product of {x} and {y} is needed"),
            Line("v = u - z", "the result is", "", "{z} is taken away from the product"),
        ),
        bodies=(
            "{x} is multiplied by {y} and {z} is taken away from the product.",
            "From the product of {x} and {y} the number {z} is taken away.",
        ),
        asks=_RESULT,
        kind="number",
    ),
    StoryShape(
        numbers=chain("-", "/"),
        lines=(
            Line("u = x - y", "before the adding there was", "", "adding {y} gives {x}"),
            Line("v = u / z", "the number is", "", "the number is multiplied by {z} at first"),
        ),
        bodies=(
            "When a number is multiplied by {z} and {y} is added to the product, the result is {x}.",
            "{z} times a number and {y} more is {x}.",
        ),
        asks=("What is the number?",),
    ),
    StoryShape(
        numbers=_average_of_two,
        lines=(
            Line("u = x + y", "the sum is", "", "the numbers are {x} and {y}"),
            Line("v = u / two", "the average is", "", "there are two numbers"),
        ),
        bodies=("{name} wrote down the numbers {x} and {y}.", "{name} has {x} {thing} and {other} has {y} {thing}."),
        asks=("What is the average of these two numbers?",),
    ),
    StoryShape(
        numbers=between(x=(2, 50), two=(2, 2), y=(2, 98)),
        lines=(
            Line("u = x * two", "the sum of the two numbers is", "", "the average of the two numbers is {x}"),
            Line("v = u - y", "the other number is", "", "one of the numbers is {y}"),
        ),
        bodies=(
            "The average of two numbers is {x}, and one of the numbers is {y}.",
            "{name} and {other} each have a number. The number of {name} is {y}, and the average of both numbers is {x}.",
        ),
        asks=("What is the other number?",),
    ),
    StoryShape(
        numbers=_rate,
        lines=(
            Line("u = x / y", "each of the {thing} costs", "dollars", "{y} {thing} cost {x} dollars"),
            Line("v = u * z", "the {thing} cost", "dollars", "{name} needs {z} {thing}"),
        ),
        bodies=(
            "The price of {y} {thing} at the {place} is {x} dollars. {name} needs {z} {thing}.",
            "{name} needs {z} {thing}, and {other} paid {x} dollars for {y} of these {thing}.",
        ),
        asks=("What is the price of {z} {thing} in dollars?",),
    ),
    StoryShape(
        numbers=chain("*", "+"),
        lines=(
            Line("u = x * y", "the car went", "km", "the car went {x} km each hour for {y} hours"),
            Line("v = u + z", "the whole way is", "km", "{z} km are left"),
        ),
        bodies=(
            "The car of {name} goes {x} km each hour. After {y} hours there are {z} km left to the {place}.",
            "On the way to the {place} the car of {name} went {x} km each hour for {y} hours. Now {z} km are left.",
        ),
        asks=("How many km long is the whole way?",),
    ),
    StoryShape(
        numbers=chain("*", "~-"),
        lines=(
            Line("u = x * y", "the car went", "km", "the car went {x} km each hour for {y} hours"),
            Line("v = z - u", "there are still", "km", "the whole way is {z} km long"),
        ),
        bodies=(
            "The way to the {place} is {z} km long. The car of {name} went {x} km each hour for {y} hours.",
            "{name} goes {z} km by car to the {place}. The car goes {x} km each hour and went for {y} hours.",
        ),
        asks=("How many km are left to the {place}?",),
    ),
    StoryShape(
        numbers=_rate,
        lines=(
            Line("u = x / y", "one machine makes", "{thing}", "{y} machines make {x} {thing} in one hour"),
            Line("v = u * z", "the machines make", "{thing}", "there are {z} machines"),
        ),
        bodies=(
            "{y} machines make {x} {thing} in one hour, and all of the machines are the same.",
            "In one hour {y} machines of the same kind make {x} {thing}.",
        ),
        asks=("How many {thing} do {z} of these machines make in one hour?",),
    ),
    StoryShape(
        numbers=chain("*", "+"),
        lines=(
            Line(
                "u = x * y", "now the age of {other} is", "years", "{other} is {y} times as old as {name}, who is {x}"
            ),
            Line("v = u + z", "then the age of {other} is", "years", "{z} years will go by"),
        ),
        bodies=(
            "{name} is {x} years old. {other} is {y} times as old as {name}.",
            "{other} is {y} times as old as {name}, and {name} is {x} years old.",
        ),
        asks=("How old will {other} be in {z} years?",),
    ),
    StoryShape(
        numbers=chain("*", "~-"),
        lines=(
            Line("u = x * y", "{name} paid", "dollars", "{name} bought {x} {thing} for {y} dollars each"),
            Line("v = z - u", "the gain is", "dollars", "{name} got {z} dollars for the {thing}"),
        ),
        bodies=(
            "{name} bought {x} {thing} for {y} dollars each and sold all of the {thing} for {z} dollars.",
            "At the {place} {name} got {z} dollars for {x} {thing}. Before that {name} had paid {y} dollars for each.",
        ),
        asks=("What was the gain of {name} in dollars?",),
    ),
    StoryShape(
        numbers=between(x=(2, 48), y=(2, 48), two=(2, 2)),
        lines=(
            Line("u = x + y", "two of the sides have", "m", "the sides have {x} m and {y} m"),
            Line("v = u * two", "all four sides have", "m", "each side is there two times"),
        ),
        bodies=(
            "The {place} has four sides. Two of the sides are {x} m long and the other two are {y} m long.",
            "{name} goes around a {place} with four sides, two of {x} m and two of {y} m.",
        ),
        asks=("How many m long is the way around the {place}?",),
    ),
)
THREE_STEPS = (
    StoryShape(
        numbers=_average_of_three,
        lines=(
            Line("u = x + y", "the first two make", "", "the first two numbers are {x} and {y}"),
            Line("v = u + z", "the sum is", "", "the last number is {z}"),
            Line("w = v / three", "the average is", "", "there are three numbers"),
        ),
        bodies=("{name} wrote down the numbers {x}, {y} and {z}.",),
        asks=("What is the average of these three numbers?",),
    ),
    StoryShape(
        numbers=between(a=(2, 12), p=(2, 9), b=(2, 12), q=(2, 9)),
        lines=(
            Line("u = a * p", "on {day} the car went", "km", "on {day} the car went {a} km each hour for {p} hours"),
            Line("v = b * q", "on {day2} the car went", "km", "on {day2} the car went {b} km each hour for {q} hours"),
            Line("w = u + v", "the whole way is", "km"),
        ),
        bodies=(
            "The car of {name} went {a} km each hour for {p} hours on {day} and {b} km each hour for {q} hours on {day2}.",
        ),
        asks=("How many km long is the whole way?",),
    ),
    StoryShape(
        numbers=between(x=(4, 20), y=(2, 18), p=(2, 9), c=(2, 90)),
        lines=(
            Line("u = x - y", "each hour adds", "{thing}", "each hour {x} {thing} come and {y} go"),
            Line("v = u * p", "the hours add", "{thing}", "this goes on for {p} hours"),
            Line("w = c + v", "at the {place} there are", "{thing}", "at first there were {c} {thing}"),
        ),
        bodies=(
            "There were {c} {thing} at the {place}. Each hour {x} more {thing} come and {y} of the {thing} are sold.",
        ),
        asks=("How many {thing} are there after {p} hours?",),
    ),
    StoryShape(
        numbers=_price,
        lines=(
            Line("u = x / y", "each of the {thing} costs", "dollars", "{y} {thing} cost {x} dollars"),
            Line("v = u * z", "the {thing} cost", "dollars", "{name} buys {z} {thing}"),
            Line("w = k - v", "{name} has", "dollars", "{name} had {k} dollars"),
        ),
        bodies=("The price of {y} {thing} is {x} dollars. {name} has {k} dollars and buys {z} of these {thing}.",),
        asks=("How many dollars does {name} have left?",),
    ),
)
BY_STEPS = by_steps(TWO_STEPS + THREE_STEPS, 2, 4)


class AquaTwin(Twin[AquaKnobs]):
    """Twin of AQuA. Pattern: operations and operands, without the options."""

    knobs = AquaKnobs()
    harder = AquaKnobs(steps=3)

    def draw(self, rng: random.Random, knobs: AquaKnobs) -> Problem:
        words = draw_words(rng)
        shape = pick(rng, BY_STEPS[knobs.steps])
        told = tell(rng, shape, words, knobs.largest, TAILS, knobs.steps - len(shape.lines))
        options = [str(number) for number in _options(rng, told.solution, told.value, knobs.largest + 10)]
        gold = whole(rng, 0, len(LETTERS) - 1)
        options.insert(gold, str(told.value))
        return Problem(
            question=lettered(f"{told.body} {told.ask}", options),
            answer=LETTERS[gold],
            pattern=pattern(told.solution),
            facts=told.solution,
            choices=tuple(options),
        )

    def explain(self, problem: Problem, narrator: Narrator) -> str:
        value = explain(problem.facts, narrator)
        options = [int(option) for option in problem.choices]
        nearest = min(options, key=lambda option: abs(option - value))
        right = LETTERS[options.index(nearest)]
        letter = narrator.result(right, [other for other in LETTERS if other != right])
        missing = narrator.pick(
            "{n} is none of the choices, and {nearest} is closest.",
            "There is no {n}, so we take {nearest}.",
            "Of all the choices {nearest} is closest to {n}.",
            "We do not find {n} but {nearest}.",
        )  # always drawn, so that a mistake does not change other wordings
        if nearest != value:
            narrator.say(missing, n=value, nearest=nearest)
        narrator.say(
            "{n} is ({letter}).",
            "The option {n} is ({letter}).",
            "So we take {n}, and {n} is ({letter}).",
            "Of the choices {n} is ({letter}).",
            "We look for {n}, and {n} is ({letter}).",
            n=nearest,
            letter=letter,
        )
        return letter


def _options(rng: random.Random, solution: Solution, right: int, largest: int) -> list[int]:
    """Draw wrong options.

    The number of options below the correct one is uniform as far as possible, so that neither the letter nor the rank
    of the correct option reveals it.
    """
    wrong, count = wrong_results(solution, right, largest), len(LETTERS) - 1
    smaller, larger = [n for n in wrong if n < right], [n for n in wrong if n > right]
    below = whole(rng, max(0, count - len(larger)), min(count, len(smaller)))
    return some(rng, some(rng, smaller, below) + some(rng, larger, count - below), count)


def wrong_results(solution: Solution, right: int, largest: int) -> list[int]:
    """Return typical wrong results: an intermediate result, a wrong last operation, or a number near the gold."""
    values = dict(solution.numbers)
    found: list[int] = []
    left = op = side = ""
    for line in solution.lines:
        letter, _, left, op, side = line.equation.split()
        values[letter] = compute(op, values[left], values[side])
        found.append(values[letter])
    found += [compute(other, values[left], values[side]) for other in "+-*/" if other != op]
    found += [right + off for off in (-10, -5, -3, -2, -1, 1, 2, 3, 5, 10)]
    return [number for number in dict.fromkeys(found) if number != right and 2 <= number <= largest]
