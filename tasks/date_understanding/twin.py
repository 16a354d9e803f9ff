"""Date Understanding's twin: a date, one or two offsets from it (three out of distribution), and six choices."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from rtbench_tasks.common.dates import numbers, shift
from rtbench_tasks.common.words import MONTHS, NAMES

from rtbench.twins import Knobs, Narrator, Problem, Twin, lettered

Unit = Literal["day", "week", "month", "year"]
Kind = Literal["today", "event", "asked"]


class DateKnobs(Knobs, frozen=True):
    """Knobs of :class:`DateTwin`."""

    steps: Annotated[int, Meta(ge=1, le=6)] = 2
    """Largest number of offsets in a question."""
    fewest: Annotated[int, Meta(ge=1)] = 1
    """Smallest number of offsets; ``steps`` where that is smaller."""
    choices: Annotated[int, Meta(ge=2, le=6)] = 6
    """Number of choices of a question; one question in ten has one choice fewer."""


class Offset(msgspec.Struct, frozen=True):
    """The difference between two dates; ``count`` is negative for an earlier date."""

    unit: Unit
    count: int

    @property
    def gap(self) -> str:
        """Return its length in words."""
        count = abs(self.count)
        return f"{WORDS[count - 1]} {self.unit}{'s' * (count > 1)}"

    @property
    def back(self) -> Offset:
        return Offset(self.unit, -self.count)

    def __str__(self) -> str:
        return f"{self.count:+}{self.unit[0]}"


class DateStep(msgspec.Struct, frozen=True):
    """One offset of a question, and the event on the resulting date."""

    kind: Kind
    offset: Offset
    told: str
    """For ``today``: the question's statement about the previous date, to fill in with ``{b}``."""
    label: str
    """Name of the resulting date: "today", "the party", "the day we want"."""


class Chain(msgspec.Struct, frozen=True):
    """Input of the explanation."""

    start: date
    spelled: str
    """The first date as written in the question."""
    steps: tuple[DateStep, ...]
    when: str
    """Name of the wanted date in the question."""


WORDS = ("one", "two", "3", "4", "5", "6", "7", "8", "9", "10")
EVENTS = ("party", "game", "trip", "test", "dance", "race")
CLOSE = tuple(Offset(unit, count) for unit in ("day", "week", "month", "year") for count in (-1, 1))
FROM_START = 0.4
"""Fraction of wrong choices that are derived from the first date. With this value, neither the choice nearest to the
first date, nor the middle choice, nor the choice with the most common parts is correct more than about a quarter of the
time."""
OFFSETS = (
    *CLOSE,
    *(Offset("day", count) for count in range(-10, 11) if abs(count) not in (0, 1, 7)),
    *(Offset("week", count) for count in (-2, 2)),
)
WEIGHTS = tuple(
    2 if offset.unit == "day" and abs(offset.count) == 1 else 1 if offset.unit == "day" else 3 for offset in OFFSETS
)

TODAY = ("Today is {b}.", "The date today is {b}.")
LATER = ("{Gap} ago it was {b}.", "It was {b} {gap} ago.")
SOONER = ("In {gap} it will be {b}.", "{Gap} from today it will be {b}.")
ASK = (
    "Which date is {when} in MM/DD/YYYY?",
    "Give the date of {when} in MM/DD/YYYY.",
    "Find the date of {when} in MM/DD/YYYY.",
)

SAY_SPELLED = ("{s} is {b}.", "We write {s} as {b}.", "In numbers {s} is {b}.", "{s} means {b}.")
SAY_START = ("We start at {b}.", "The date we know is {b}.", "The first date is {b}.", "We begin with {b}.")
SAY_TODAY = (
    "{told}, so today is {a}.",
    "Today is {gap} {after} {b}, so it is {a}.",
    "From {b} go {gap} {ahead}, so today is {a}.",
    "{told}, and {gap} {later} is {a}.",
)
SAY_STEP = (
    "{Gap} {after} {b} is {a}.",
    "From {b} go {gap} {ahead} to {a}.",
    "Take {b}: {gap} {later} is {a}.",
    "{b} is known, and {gap} {later} is {a}.",
    "For {label} go from {b} {gap} {ahead} to {a}.",
)
SAY_DATE = ("The date of {label} is {a}.", "For {label} we get {a}.", "That gives {a} for {label}.", "{Label}: {a}.")
SAY_WANT = (
    "We want the date of {when}.",
    "The date of {when} is asked for.",
    "We look for the date of {when}.",
    "To find: {when}.",
)
SAY_FOUND = ("So the date is {a}.", "The day is {a}.", "That is the date {a}.", "The date to find is {a}.")
SAY_LETTER = ("{a} is ({c}).", "In the list {a} is ({c}).", "Of the choices {a} is ({c}).", "And {a} is ({c}).")


class DateTwin(Twin[DateKnobs]):
    """Twin of Date Understanding. Pattern: the offsets, and month and day of the first date.

    Years and wordings vary within a pattern.
    """

    knobs = DateKnobs()
    harder = DateKnobs(steps=3, fewest=3)

    def draw(self, rng: random.Random, knobs: DateKnobs) -> Problem:
        offsets = rng.choices(OFFSETS, WEIGHTS, k=rng.randint(min(knobs.fewest, knobs.steps), knobs.steps))
        start = _start(rng, offsets)
        spelled = numbers(start) if rng.random() < 0.5 else f"{MONTHS[start.month - 1]} {start.day}, {start.year}"
        told, steps, when = _story(rng, start, spelled, offsets)
        end = start
        for offset in offsets:
            end = _moved(end, offset)
        count = knobs.choices - (knobs.choices > 2 and rng.random() < 0.1)
        choices = [numbers(day) for day in _choices(rng, start, end, offsets, count)]
        gold = choices[0]
        rng.shuffle(choices)
        return Problem(
            question=lettered(f"{told}\nWhich choice is true?", choices),
            answer="ABCDEF"[choices.index(gold)],
            pattern=f"{start.month}/{start.day}" + "".join(str(offset) for offset in offsets),
            facts=Chain(start=start, spelled=spelled, steps=steps, when=when),
            choices=tuple(choices),
        )

    def explain(self, problem: Problem, narrator: Narrator) -> str:
        chain: Chain = problem.facts
        day = chain.start
        # Always drawn, so that wordings do not depend on mistakes.
        guess = narrator.pick(*"ABCDEF"[: len(problem.choices)])
        narrator.restate(*SAY_WANT, when=chain.when)
        if narrator.fine and chain.spelled != numbers(day):
            day = narrator.result(day, [_moved(day, offset) for offset in CLOSE if offset.unit in ("month", "year")])
            narrator.say(*SAY_SPELLED, s=chain.spelled, b=numbers(day))
        else:
            narrator.restate(*SAY_START, b=chain.spelled)
        for step in chain.steps:
            day = _take(narrator, step, day)
        text = numbers(day)
        narrator.restate(*SAY_FOUND, a=text)
        right = "ABCDEF"[problem.choices.index(text)] if text in problem.choices else guess
        letter = narrator.result(right, "ABCDEF"[: len(problem.choices)])
        narrator.say(*SAY_LETTER, a=text, c=letter)
        return letter


def _moved(day: date, offset: Offset) -> date:
    """Return the date that is ``offset`` away from ``day``."""
    return shift(day, offset.unit, offset.count)


def _take(narrator: Narrator, step: DateStep, day: date) -> date:
    """Explain one step from ``day``, and return the resulting date."""
    offset = step.offset
    found = _moved(day, offset)
    after = narrator.result(found, lambda rng: _moved(*rng.choice(((found, rng.choice(CLOSE)), (day, offset.back)))))
    later = offset.count > 0
    words = {
        "b": numbers(day),
        "a": numbers(after),
        "gap": offset.gap,
        "Gap": offset.gap.capitalize(),
        "after": "after" if later else "before",
        "ahead": "ahead" if later else "back",
        "later": "later" if later else "earlier",
        "label": step.label,
        "Label": step.label.capitalize(),
    }
    if not narrator.fine:
        narrator.say(*SAY_DATE, **words)
    elif step.kind == "today":
        narrator.say(*SAY_TODAY, told=step.told.format(**words), **words)
    else:
        narrator.say(*SAY_STEP, **words)
    return after


def _start(rng: random.Random, offsets: Sequence[Offset]) -> date:
    """Draw a first date from which every offset leads to an existing day; all dates are between 1990 and 2030."""
    while True:
        day = date(1990 + len(offsets), 1, 1) + timedelta(rng.randrange(365 * (40 - 2 * len(offsets))))
        at = day
        for offset in offsets:
            if at.day > 28 and offset.unit in ("month", "year"):
                break
            at = _moved(at, offset)
        else:
            return day


def _story(
    rng: random.Random, start: date, spelled: str, offsets: Sequence[Offset]
) -> tuple[str, tuple[DateStep, ...], str]:
    """Return the question without choices, its steps, and the name of the wanted date.

    The steps lead from the first date to today, then to events, then to the wanted date. The first and the last kind
    may be missing.
    """
    rest = list(offsets)
    today = start
    told: list[str] = []
    steps: list[DateStep] = []
    first, last = rng.random() < 0.5, rng.random() < 0.5
    if first:
        offset = rest.pop(0)
        today = _moved(start, offset)
        said = rng.choice(_first_day(offset))
        told.append(_fill(said, offset, spelled))
        steps.append(DateStep(kind="today", offset=offset, told=_fill(said, offset, "{b}").rstrip("."), label="today"))
    else:
        told.append(rng.choice(TODAY).format(b=spelled))
    final = rest.pop() if rest and last else None
    known, day = "today", today
    for event, offset in zip(rng.sample(EVENTS, len(rest)), rest, strict=True):
        day = _moved(day, offset)
        verb = "had" if day < today else "has"
        told.append(f"{rng.choice(NAMES)} {verb} a {event} {_relative(offset, known)}.")
        known = f"the {event}"
        steps.append(DateStep(kind="event", offset=offset, told="", label=known))
    when = known
    if final:
        when = _relative(final, known)
        when = when if when in {"tomorrow", "yesterday"} else f"the day {when}"
        steps.append(DateStep(kind="asked", offset=final, told="", label="the day we want"))
    told.append(rng.choice(ASK).format(when=when))
    return " ".join(told), tuple(steps), when


def _fill(wording: str, offset: Offset, day: str) -> str:
    return wording.format(b=day, gap=offset.gap, Gap=offset.gap.capitalize())


def _first_day(offset: Offset) -> tuple[str, ...]:
    """Return wordings for the date of the day from which today is ``offset`` away."""
    if offset.unit == "day" and offset.count == 1:
        return ("Yesterday it was {b}.", "It was {b} yesterday.")
    if offset.unit == "day" and offset.count == -1:
        return ("Tomorrow it will be {b}.", "It will be {b} tomorrow.")
    return LATER if offset.count > 0 else SOONER


def _relative(offset: Offset, known: str) -> str:
    """Return a phrase for the time that is ``offset`` away from today or from an event."""
    later = offset.count > 0
    if known != "today":
        return f"{offset.gap} {'after' if later else 'before'} {known}"
    if offset.unit == "day" and abs(offset.count) == 1:
        return "tomorrow" if later else "yesterday"
    return f"{offset.gap} from today" if later else f"{offset.gap} ago"


def _choices(rng: random.Random, start: date, gold: date, offsets: Sequence[Offset], count: int) -> list[date]:
    """Draw the gold and ``count - 1`` wrong dates, all distinct.

    The dates form a random tree in which neighbours differ by a likely slip: a step that is left out or taken in the
    wrong direction, a day, week, month or year too many. Some are other offsets from the first date. The gold is any
    node of the tree. If all wrong dates were derived from the gold, its many neighbours would reveal it. If none were
    derived from the first date, the gold would be the only choice near that date.
    """
    near = (*offsets, *(offset.back for offset in offsets))
    parents = [0, *(rng.randrange(node) for node in range(1, count))]
    node = rng.randrange(count)
    days = {node: gold}
    taken = {gold}
    while node:
        days[parents[node]] = _slipped(rng, days[node], near, taken)
        node = parents[node]
    for node in range(1, count):
        if node in days:
            continue
        if rng.random() < FROM_START:
            days[node] = _slipped(rng, start, OFFSETS, taken)
        else:
            days[node] = _slipped(rng, days[parents[node]], near, taken)
    return list(days.values())


def _slipped(rng: random.Random, day: date, near: Sequence[Offset], taken: set[date]) -> date:
    """Draw a new date that is one likely slip away from ``day``, and add it to ``taken``."""
    while True:
        found = _moved(day, rng.choice(near if rng.random() < 0.4 else CLOSE))
        if found not in taken:
            taken.add(found)
            return found
