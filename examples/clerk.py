"""A teacher: a program that adds or subtracts the two numbers of a question, and is wrong as often as you say.

rtbench run --plugin examples/clerk.py --matrix examples/stones_matrix.yaml --task examples/stones.yaml
"""

import random
import re

from rtbench.api import ModelSpec, PromptFormat, Record, Teacher, Template, TextModel, completion_of, convert, hookimpl


class Options(Record, frozen=True):
    """Options that a matrix may set."""

    errors: float = 0.1
    """Probability of a wrong answer."""


class Clerk(TextModel):
    def __init__(self, fingerprint, errors):
        self.fingerprint = fingerprint
        self.errors = errors

    def generate(self, requests):
        for request in requests:
            rng = random.Random(request.seed)
            first, second = map(int, re.findall(r"\d+", request.prompt)[:2])
            sign = "-" if "loses" in request.prompt else "+"
            result = first - second if sign == "-" else first + second
            result += rng.random() < self.errors
            opening = rng.choice(["We compute", "So it is", "That makes"])
            text = f"{opening} {first} {sign} {second} = {result}. The answer is {result}."
            yield completion_of(request, text, finish_reason="stop")


class ClerkTeacher(Teacher):
    format = PromptFormat(
        name="clerk",
        decoder=Template(input="{question}"),
        encoder_decoder=Template(input="{question}"),
        answer_prefix="The answer is",
    )

    def __init__(self, name, options, services):
        self.name = name
        self.options = options
        self.errors = convert(options, Options, where=f"teacher {name}").errors

    def members(self):
        fingerprint = f"clerk-1-{self.errors}"  # another one when its texts change
        return [ModelSpec("teacher", "clerk", self.name, self.options, fingerprint)]

    def open(self, member):
        return Clerk(member.fingerprint, self.errors)


@hookimpl
def rtbench_register_teachers(register):
    register("clerk", ClerkTeacher, summary="adds and subtracts")
