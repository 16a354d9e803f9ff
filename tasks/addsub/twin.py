"""AddSub's twin: sums and differences of two or three numbers (four or five out of distribution)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta
from rtbench_tasks.common.arithmetic import Line, Solution, explain, pattern, pick, some, whole
from rtbench_tasks.common.stories import ITEMS
from rtbench_tasks.common.text import listed
from rtbench_tasks.common.words import COLOURS, DAYS, NAMES, PLACES

from rtbench.twins import Knobs, Narrator, Problem, Twin


class AddsubKnobs(Knobs, frozen=True):
    """Knobs of :class:`AddsubTwin`."""

    addends: Annotated[int, Meta(ge=2, le=6)] = 3
    """Maximum number of numbers that are added or taken away; there is one step less."""
    fewest: Annotated[int, Meta(ge=2, le=6)] = 2
    """Minimum number of them; ``addends`` where that is smaller."""
    largest: Annotated[int, Meta(ge=20)] = 100
    """No number in question or solution is larger."""


class Change(msgspec.Struct, frozen=True):
    """Input of the explanation. The numbers after the first may be added or taken away in any order."""

    op: str
    """``+`` or ``-``."""
    numbers: tuple[int, ...]
    givens: tuple[str, ...]
    """Clauses that restate the numbers."""
    lead: str
    unit: str
    between: str
    """Lead of the steps before the last one."""


class AddsubShape(msgspec.Struct, frozen=True, kw_only=True):
    """A situation; its texts are patterns of ``str.format``.

    ``part`` and ``given`` contain ``{n}``, one of the numbers, and one name, day, colour and thing for each number.
    """

    body: str
    """First sentences. ``{start}`` is the first number where it is stated separately, ``{parts}`` the list of the
    others."""
    part: str
    ask: str
    lead: str
    unit: str = "{thing}"
    between: str
    start_given: str = ""
    given: str
    most: int = 6
    """Maximum number of numbers."""


SUMS = (
    AddsubShape(
        body="One {day} some friends went to the {place}. {parts} there.",
        part="{who} found {n} {thing}",
        ask="How many {thing} did the friends find in all?",
        lead="in all there are",
        between="together there are",
        given="{who} found {n} {thing}",
    ),
    AddsubShape(
        body="{name} works at the {place} and sells {thing}. {name} sold {parts}.",
        part="{n} {thing} on {when}",
        ask="How many {thing} did {name} sell in all?",
        lead="{name} sold",
        between="together there are",
        given="{name} sold {n} {thing} on {when}",
    ),
    AddsubShape(
        body="On {day} {name} looked at all the {thing} at the {place}. There were {parts}.",
        part="{n} {colour} {thing}",
        ask="How many {thing} were there at the {place} in all?",
        lead="in all there were",
        between="together there are",
        given="there were {n} {colour} {thing}",
    ),
    AddsubShape(
        body="{name} went to the {place} on {day}. There {name} paid {parts}.",
        part="{n} dollars for some {what}",
        ask="How many dollars did {name} pay at the {place} in all?",
        lead="{name} paid",
        unit="dollars",
        between="together there are",
        given="{name} paid {n} dollars for {what}",
    ),
    AddsubShape(
        body="There were {start} {thing} at the {place} at first. Then {parts} to the {place}.",
        part="{who} took {n} more {thing}",
        ask="How many {thing} are there at the {place} now?",
        lead="at the {place} there are",
        between="then there are",
        start_given="there were {start} {thing} at first",
        given="{who} took {n} more {thing} there",
    ),
    AddsubShape(
        body="{name} had some {thing}. On {day} {name} gave {parts}. Then {name} had {start} {thing} left.",
        part="{n} {thing} to {who}",
        ask="How many {thing} did {name} have at first?",
        lead="at first {name} had",
        between="before that there were",
        start_given="{start} {thing} are left",
        given="{who} got {n} {thing}",
    ),
)
DIFFERENCES = (
    AddsubShape(
        body="{name} had {start} {thing} at the {place}. On {day} {name} gave {parts}.",
        part="{n} {thing} to {who}",
        ask="How many {thing} does {name} have left?",
        lead="{name} has",
        between="then there are",
        start_given="{name} had {start} {thing}",
        given="{who} got {n} {thing}",
    ),
    AddsubShape(
        body="{name} had {start} dollars and went to the {place}. There {name} paid {parts}.",
        part="{n} dollars for some {what}",
        ask="How many dollars does {name} have left?",
        lead="{name} has",
        unit="dollars",
        between="then there are",
        start_given="{name} had {start} dollars",
        given="{name} paid {n} dollars for {what}",
    ),
    AddsubShape(
        body="There are {start} {thing} at the {place}. Of all these {thing} {parts}, and the rest are {red}.",
        part="{n} are {colour}",
        ask="How many {red} {thing} are there at the {place}?",
        lead="there are",
        unit="{red} {thing}",
        between="then there are",
        start_given="there are {start} {thing} in all",
        given="{n} of the {thing} are {colour}",
    ),
    AddsubShape(
        body="There were {start} {thing} at the {place} on {day}. Then {parts} home from the {place}.",
        part="{who} took {n} {thing}",
        ask="How many {thing} are left at the {place}?",
        lead="at the {place} there are",
        between="then there are",
        start_given="there were {start} {thing} at the {place}",
        given="{who} took {n} {thing}",
    ),
    AddsubShape(
        body="On {day} there were {parts} at the {place}. Then {name} put more {thing} there, and now there are {start}.",
        part="{n} {thing}",
        ask="How many {thing} did {name} put there?",
        lead="{name} put",
        between="",
        start_given="there are {start} {thing} now",
        given="at first there were {n}",
        most=2,
    ),
    AddsubShape(
        body="{name} and {other} were at the {place} on {day}. {name} found {start} {thing} and {parts}.",
        part="{other} found {n} {thing}",
        ask="How many more {thing} did {name} find than {other}?",
        lead="{name} found",
        unit="more {thing}",
        between="",
        start_given="{name} found {start} {thing}",
        given="{other} found {n} {thing}",
        most=2,
    ),
)


class AddsubTwin(Twin[AddsubKnobs]):
    """Twin of AddSub. Pattern: the numbers that are added and taken away."""

    knobs = AddsubKnobs()
    harder = AddsubKnobs(addends=5, fewest=4)

    def draw(self, rng: random.Random, knobs: AddsubKnobs) -> Problem:
        op = pick(rng, "+-")
        count = whole(rng, min(knobs.fewest, knobs.addends), knobs.addends)
        shapes = [shape for shape in (SUMS if op == "+" else DIFFERENCES) if shape.most >= count]
        parts = split(rng, count, knobs.largest)
        if op == "+":
            numbers, value = parts, sum(parts)
        else:
            numbers, value = (sum(parts), *parts[1:]), parts[0]
        question, account = _write(rng, pick(rng, shapes), op, numbers)
        return Problem(
            question=question,
            answer=str(value),
            pattern=pattern(_solution(account, range(1, count))),
            facts=account,
        )

    def explain(self, problem: Problem, narrator: Narrator) -> str:
        account: Change = problem.facts
        return str(explain(_solution(account, narrator.order(range(1, len(account.numbers)))), narrator))


def split(rng: random.Random, count: int, largest: int) -> tuple[int, ...]:
    """Draw numbers of at least 2 with a sum of at most ``largest``."""
    spare = whole(rng, 0, largest - 2 * count)
    cuts = sorted(whole(rng, 0, spare) for _ in range(count - 1))
    return tuple(2 + high - low for low, high in zip((0, *cuts), (*cuts, spare), strict=True))


def _write(rng: random.Random, shape: AddsubShape, op: str, numbers: tuple[int, ...]) -> tuple[str, Change]:
    count, day = len(numbers), whole(rng, 0, 6)
    names, colours = some(rng, NAMES, count + 2), some(rng, COLOURS, count + 1)
    things = some(rng, ITEMS, count + 1)
    words = {"name": names[0], "other": names[1], "thing": things[0], "red": colours[0], "place": pick(rng, PLACES)}
    words |= {"day": DAYS[day], "start": str(numbers[0])}
    apart = bool(shape.start_given)
    parts, givens = [], [shape.start_given.format(**words)] if apart else []
    for at in range(int(apart), count):
        own = {"who": names[at + 2], "colour": colours[at + 1], "what": things[at + 1], "when": DAYS[(day + at) % 7]}
        parts.append(shape.part.format(n=numbers[at], **own, **words))
        givens.append(shape.given.format(n=numbers[at], **own, **words))
    question = f"{shape.body.format(parts=listed(parts), **words)} {shape.ask.format(**words)}"
    account = Change(
        op=op,
        numbers=numbers,
        givens=tuple(givens),
        lead=shape.lead.format(**words),
        unit=shape.unit.format(**words),
        between=shape.between.format(**words),
    )
    return question, account


def _solution(account: Change, order: Sequence[int]) -> Solution:
    """Return the solution with the numbers after the first in one order."""
    lines = []
    for count, at in enumerate(order, 1):
        final = count == len(order)
        equation = f"r{count} = {'n0' if count == 1 else f'r{count - 1}'} {account.op} n{at}"
        line = Line(
            equation,
            account.lead if final else account.between,
            account.unit if final else account.unit.rsplit(" ", 1)[-1],
            f"{account.givens[0]} and {account.givens[at]}" if count == 1 else account.givens[at],
        )
        lines.append(line)
    return Solution({f"n{at}": number for at, number in enumerate(account.numbers)}, tuple(lines), {})
