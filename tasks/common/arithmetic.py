"""What the twins of arithmetic tasks share: solutions in steps, their patterns, and the explanation of the steps.

``stories.py`` beside this file writes the questions.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec
from rtbench_tasks.common.text import capital

from rtbench.twins import Narrator, near

Numbers = Mapping[str, int]
"""By letter, as equations and wordings name them."""
Form = tuple[str, list[str]]
"""Canonical form of a value: ``+`` with signed terms, ``*`` with signed factors, or nothing with a bare number."""
T = TypeVar("T")
_INVERSE = {"+": "-", "-": "+", "*": "/", "/": "*"}


class Line(msgspec.Struct, frozen=True):
    """One step of a solution; its texts are patterns of ``str.format``, filled in when they are wanted (most problems are
    drawn more often than explained)."""

    equation: str
    """``u = x + y``: the step's letter, and the letters of numbers or of earlier steps."""
    lead: str
    """Clause that ends where the result is to be said: ``Kate has``, ``the sum is``."""
    unit: str = ""
    """What the result counts."""
    given: str = ""
    """Clause that restates what the question says for this step."""
    number: int = 0
    """``{z}`` in these texts, where the step belongs to a tail."""


class Solution(msgspec.Struct, frozen=True):
    """What an explanation needs: numbers by letter, the steps, and the words of their texts."""

    numbers: dict[str, int]
    lines: tuple[Line, ...]
    words: Mapping[str, str]


def compute(op: str, a: int, b: int) -> int:
    """Result of one operation. A division that a slip made uneven is rounded down, as an erring teacher would."""
    if op == "+":
        return a + b
    if op == "-":
        return a - b
    if op == "*":
        return a * b
    return a // b if b else 0


def pattern(solution: Solution) -> str:
    """Operations and operands in a canonical form: neither the order of a sum's or product's parts nor how they are
    grouped makes another pattern."""
    forms: dict[str, Form] = {letter: ("", [str(number)]) for letter, number in solution.numbers.items()}
    form: Form = ("", [])
    for line in solution.lines:
        letter, _, left, op, right = line.equation.split()
        kind = "+" if op in "+-" else "*"
        form = forms[letter] = (kind, [*_parts(forms[left], kind, kind), *_parts(forms[right], kind, op)])
    return _closed(form)


def _parts(form: Form, kind: str, sign: str) -> list[str]:
    """Terms (or factors) with their signs, as parts of a larger sum (or product)."""
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
"""One step. ``amount`` is the result with its unit."""
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
    """Says all steps, in one line where the narrator is coarse, and returns what they lead to. The last line of a solution
    must need all others, if by way of each other."""
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
        found = compute(op, values[left], values[right])
        value = values[letter] = narrator.result(found, near(found))
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
    """Lead, unit and given."""
    filling: dict[str, object] = dict(solution.words)
    filling.update(solution.numbers)
    if line.number:
        filling["z"] = line.number
    return line.lead.format(**filling), line.unit.format(**filling), line.given.format(**filling)


def _side(text: str, op: str, *, first: bool) -> str:
    """One side of an operation, in parentheses where the operation would else change."""
    inner = text.split()
    if len(inner) == 1 or (first and op in "+-") or (op == "+"):
        return text
    return f"({text})"


# ------------------------------------------------------------------------------------------------------------ drawing


def whole(rng: random.Random, low: int, high: int) -> int:
    """A number from ``low`` to ``high``; several times as fast as ``randint``, of which a draw would need dozens."""
    return low + int(rng.random() * (high - low + 1))


def pick(rng: random.Random, options: Sequence[T]) -> T:
    """One of the options, fast."""
    return options[int(rng.random() * len(options))]


def some(rng: random.Random, options: Sequence[T], count: int) -> list[T]:
    """Different ones of many options, fast."""
    places: list[int] = []
    while len(places) < count:
        place = int(rng.random() * len(options))
        if place not in places:
            places.append(place)
    return [options[place] for place in places]
