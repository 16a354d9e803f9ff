"""Primitive of single steps in the calendar."""

from __future__ import annotations

import datetime as dt
import random

from rtbench_plugins.pocket.primitives.pieces import Document, fixed, free
from rtbench_tasks.common.dates import numbers, shift
from rtbench_tasks.common.words import MONTHS


def some_date(rng: random.Random) -> dt.date:
    """Return a random date from 1990 to 2030."""
    return dt.date(1990, 1, 1) + dt.timedelta(days=rng.randrange(41 * 365))


def dates(rng: random.Random) -> Document:
    """Return single steps in the calendar, and dates written in another form."""
    out: Document = []
    for _ in range(rng.randint(2, 4)):
        day = some_date(rng)
        space = " " if out else ""
        kind = rng.randrange(8)
        if kind == 0:
            out += [free(f"{space}{MONTHS[day.month - 1]} {day.day}, {day.year} is"), fixed(f" {numbers(day)}.")]
            continue
        if kind == 1:
            out += [free(f"{space}Month {day.month:02d} is"), fixed(f" {MONTHS[day.month - 1]}.")]
            continue
        unit = rng.choice(("day", "day", "week", "week", "month", "year"))
        count = rng.choice((1, 1, rng.randint(2, 10))) if unit == "day" else rng.choice((1, 1, 2))
        if unit == "month" and day.day > 28:
            day = day.replace(day=rng.randint(1, 28))
        if unit == "year" and (day.month, day.day) == (2, 29):
            day = day.replace(day=28)
        back = rng.random() < 0.5
        after = shift(day, unit, -count if back else count)
        out += _date_sentence(rng, space, day, after, unit, count, back)
    return out


def _date_sentence(
    rng: random.Random, space: str, day: dt.date, after: dt.date, unit: str, count: int, back: bool
) -> Document:
    a, b = numbers(day), numbers(after)
    span = f"{'one' if count == 1 and rng.random() < 0.5 else count} {unit}{'s' if count > 1 else ''}"
    if unit == "day" and count == 1 and rng.random() < 0.6:
        if rng.random() < 0.5:
            word = "yesterday was" if back else "tomorrow is"
            return [free(f"{space}Today is {a}, so {word}"), fixed(f" {b}.")]
        word = "Tomorrow is" if back else "Yesterday was"
        return [free(f"{space}{word} {a}, so today is"), fixed(f" {b}.")]
    style = rng.randrange(3)
    if style == 0:
        return [free(f"{space}{span} {'before' if back else 'after'} {a} is"), fixed(f" {b}.")]
    if style == 1:
        return [free(f"{space}{a} {'minus' if back else 'plus'} {span} is"), fixed(f" {b}.")]
    return [free(f"{space}{a}. {span} {'earlier' if back else 'later'} :"), fixed(f" {b}.")]
