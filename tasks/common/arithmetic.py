"""Code shared by the twins of arithmetic tasks: solutions in steps, their patterns and their explanation.

``stories.py`` in this folder writes the questions.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec
from rtbench_tasks.common.text import capital

from rtbench.twins import Narrator, near

Numbers = Mapping[str, int]
"""Numbers by letter, as used in equations and wordings."""
Form = tuple[str, list[str]]
"""Canonical form of a value: ``+`` with signed terms, ``*`` with signed factors, or the empty string with a bare
number."""
T = TypeVar("T")
_INVERSE = {"+": "-", "-": "+", "*": "/", "/": "*"}


class Line(msgspec.Struct, frozen=True):
    """One step of a solution.

    Its texts are patterns of ``str.format``, which are filled in only when needed: most problems are drawn more often
    than explained.
    """

    equation: str
    """``u = x + y``: the step's letter, and the letters of numbers or of earlier steps."""
    lead: str
    """Clause that the result completes: ``Kate has``, ``the sum is``."""
    unit: str = ""
    """Unit of the result."""
    given: str = ""
    """Clause that restates the facts of the question for this step."""
    number: int = 0
    """Value of ``{z}`` in these texts, where the step belongs to a tail."""


class Solution(msgspec.Struct, frozen=True):
    """Everything that an explanation needs: numbers by letter, the steps, and the words of their texts."""

    numbers: dict[str, int]
    lines: tuple[Line, ...]
    words: Mapping[str, str]


def compute(op: str, a: int, b: int) -> int:
    """Return the result of one operation. A division with a remainder, after a slip, is rounded down."""
    if op == "+":
        return a + b
    if op == "-":
        return a - b
    if op == "*":
        return a * b
    return a // b if b else 0


def pattern(solution: Solution) -> str:
    """Return operations and operands in a canonical form.

    The order and the grouping of the terms of a sum, or the factors of a product, do not affect it.
    """
    forms: dict[str, Form] = {letter: ("", [str(number)]) for letter, number in solution.numbers.items()}
    form: Form = ("", [])
    for line in solution.lines:
        letter, _, left, op, right = line.equation.split()
        kind = "+" if op in "+-" else "*"
        form = forms[letter] = (kind, [*_parts(forms[left], kind, kind), *_parts(forms[right], kind, op)])
    return _closed(form)


def _parts(form: Form, kind: str, sign: str) -> list[str]:
    """Return terms (or factors) with their signs, as parts of a larger sum (or product)."""
    if form[0] != kind:
        return [sign + _closed(form)]
    return form[1] if sign == kind else [_INVERSE[part[0]] + part[1:] for part in form[1]]


def _closed(form: Form) -> str:
    return f"({''.join(sorted(form[1]))[1:]})" if form[0] else form[1][0]


# --------------------------------------------------------------------------------------------------------- explaining

_ANY = (
    "{Lead} {b} {op} {n} = {amount}.",
    "So {lead} {b} {op} {n} = {amount}.",
    "{b} {op} {n} = {a}, so {lead} {amount}.",
)
SAY = {
    "+": (*_ANY, "Adding {n} to {b} gives {b} + {n} = {a}.", "We add and get {b} + {n} = {amount}.",
          "The sum is {b} + {n} = {a}."),
    "-": (*_ANY, "Taking {n} from {b} leaves {b} - {n} = {a}.", "We take away and get {b} - {n} = {amount}.",
          "The difference is {b} - {n} = {a}."),
    "*": (*_ANY, "{b} times {n} is {b} * {n} = {a}.", "We multiply and get {b} * {n} = {amount}.",
          "The product is {b} * {n} = {a}."),
    "/": (*_ANY, "Dividing {b} by {n} gives {b} / {n} = {a}.", "We divide and get {b} / {n} = {amount}.",
          "Sharing {b} into {n} equal parts gives {b} / {n} = {a}."),
}  # fmt: skip
"""Wordings of one step, by operation. ``amount`` is the result with its unit."""
GIVEN = ("We know that {given}.", "{Given}.", "The question says that {given}.", "We read that {given}.")
TOGETHER = (
    "{Lead} {line} = {amount}.",
    "That is {line} = {amount}.",
    "Altogether {line} = {a}.",
    "We get {line} = {amount}.",
    "{line} = {a}, so {lead} {amount}.",
)
END = ("So {lead} {amount}.", "That makes {amount}.", "The result is {a}.", "In the end we get {amount}.")


def explain(solution: Solution, narrator: Narrator) -> int:
    """Explain all steps, in one line where the narrator is coarse, and return their result.

    The last line of a solution must depend on all other lines, directly or indirectly.
    """
    values, waiting = dict(solution.numbers), list(solution.lines)
    calculations = {letter: str(number) for letter, number in values.items()}
    final = waiting[-1].equation.split()[0]
    result: dict[str, object] = {}
    while waiting:
        ready = [line for line in waiting if all(side in values for side in line.equation.split()[2::2])]
        line = narrator.order(ready)[0] if len(ready) > 1 else ready[0]
        waiting.remove(line)
        letter, _, left, op, right = line.equation.split()
        lead, unit, given = _filled(line, solution)
        if given:
            narrator.restate(*GIVEN, given=given, Given=capital(given))
        correct = compute(op, values[left], values[right])
        value = values[letter] = narrator.result(correct, near(correct))
        calculations[letter] = (
            f"{_side(calculations[left], op, first=True)} {op} {_side(calculations[right], op, first=False)}"
        )
        result = {"a": value, "amount": f"{value} {unit}" if unit else value, "lead": lead, "Lead": capital(lead)}
        if narrator.fine:
            narrator.say(*SAY[op], b=values[left], n=values[right], op=op, **result)
    if not narrator.fine:
        narrator.say(*TOGETHER, line=calculations[final], **result)
    narrator.restate(*END, **result)
    return values[final]


def _filled(line: Line, solution: Solution) -> tuple[str, str, str]:
    """Return lead, unit and given of a line, filled in."""
    filling: dict[str, object] = dict(solution.words)
    filling.update(solution.numbers)
    if line.number:
        filling["z"] = line.number
    return line.lead.format(**filling), line.unit.format(**filling), line.given.format(**filling)


def _side(text: str, op: str, *, first: bool) -> str:
    """Return one side of an operation, in parentheses where the result would otherwise change."""
    inner = text.split()
    if len(inner) == 1 or (first and op in "+-") or (op == "+"):
        return text
    return f"({text})"


# ------------------------------------------------------------------------------------------------------------ drawing


def whole(rng: random.Random, low: int, high: int) -> int:
    """Return a random number from ``low`` to ``high``. A draw needs dozens, and ``randint`` is several times slower."""
    return low + int(rng.random() * (high - low + 1))


def pick(rng: random.Random, options: Sequence[T]) -> T:
    """Return a random option; faster than ``rng.choice``."""
    return options[int(rng.random() * len(options))]


def some(rng: random.Random, options: Sequence[T], count: int) -> list[T]:
    """Return ``count`` different random options out of many; faster than ``rng.sample``."""
    places: list[int] = []
    while len(places) < count:
        place = int(rng.random() * len(options))
        if place not in places:
            places.append(place)
    return [options[place] for place in places]
