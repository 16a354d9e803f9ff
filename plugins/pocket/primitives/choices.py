"""Lettered options."""

from __future__ import annotations

import datetime as dt
import random

from rtbench_plugins.pocket.primitives.calendar import some_date, written
from rtbench_plugins.pocket.primitives.pieces import ITEMS, LETTERS, Document, distinct, fixed, free
from rtbench_tasks.common.words import COLOURS, NAMES, PLACES


def options(rng: random.Random) -> Document:
    """Lettered options, and the letter of one of them or the one to a letter."""
    count = rng.randint(3, 6)
    items = _option_texts(rng, count)
    listed = ", ".join(f"({LETTERS[i]}) {item}" for i, item in enumerate(items))
    lead = rng.choice(("Answer choices: ", "Which choice is true? Answer choices: ", ""))
    out = [free(f"{lead}{listed}.")]
    if rng.random() < 0.3:
        out.append(free(rng.choice((" ###", " So :", " We look for one of them."))))
    for at in rng.sample(range(len(items)), rng.randint(min(3, len(items)), len(items))):
        style = rng.randrange(5)
        if style == 4:
            out += [free(f" ({LETTERS[at]}) is"), fixed(f" {items[at]}.")]
        elif style == 3:
            out += [free(f" {items[at]} :"), fixed(f" {LETTERS[at]}.")]
        else:
            lead = rng.choice(("", "The option ", "The choice "))
            out += [free(f" {lead}{items[at]} is ("), fixed(f"{LETTERS[at]}).")]
    return out


def _option_texts(rng: random.Random, count: int) -> list[str]:
    kind = rng.choice((0, 0, 1, 1, 1, 2, 3, 4, 5, 6))
    if kind == 0:
        base = rng.randint(1, 150)
        near = range(max(1, base - 12), base + 13)
        pool = near if rng.random() < 0.6 else range(1, 300)
        return [str(n) for n in rng.sample(pool, count)]
    if kind == 1:
        day = some_date(rng)
        far = (-365, -30, -8, -7, -2, -1, 0, 1, 2, 7, 8, 30, 31, 365)
        shifts = rng.sample(far if rng.random() < 0.5 else range(-9, 10), count)
        return list(dict.fromkeys(written(day + dt.timedelta(days=s)) for s in shifts))
    if kind == 2:
        noun = rng.choice(ITEMS)
        return [f"{colour} {noun}" for colour in rng.sample(COLOURS, count)]
    return distinct(rng, (NAMES, COLOURS, ITEMS, PLACES)[kind - 3], count)
