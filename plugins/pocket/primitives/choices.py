"""Primitive of lettered options."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence

from rtbench_plugins.pocket.primitives.calendar import some_date
from rtbench_plugins.pocket.primitives.pieces import ITEMS, LETTERS, Document, distinct, fixed, free
from rtbench_tasks.common.dates import numbers
from rtbench_tasks.common.words import COLOURS, NAMES, PLACES


def options(rng: random.Random) -> Document:
    """Return lettered options, and the letters of some options or the options of some letters.

    The options may be mentioned before them, as in a task's question, and directly before a letter, as in a rationale.
    """
    items = _option_texts(rng, rng.randint(3, 6))
    listed = ", ".join(f"({LETTERS[i]}) {item}" for i, item in enumerate(items))
    lead = rng.choice(("Answer choices: ", "Which choice is true? Answer choices: ", ""))
    out = [free(f"{_mentioned(rng, items)}{lead}{listed}.")]
    if rng.random() < 0.3:
        out.append(free(rng.choice((" ###", " So :", " We look for one of them."))))
    for at in rng.sample(range(len(items)), rng.randint(min(3, len(items)), len(items))):
        name = _short(rng, items[at])
        style = rng.randrange(6)
        if style == 5:
            out += [free(f" ({LETTERS[at]}) is"), fixed(f" {items[at]}.")]
        elif style == 4:
            out += [free(f" {name} :"), fixed(f" {LETTERS[at]}.")]
        elif style == 3:
            out += [
                free(f" So {rng.choice(('it is', rng.choice(NAMES) + ' has'))} {name}. {name} is ("),
                fixed(f"{LETTERS[at]})."),
            ]
        else:
            lead = rng.choice(("", "And ", "The option ", "The choice "))
            out += [free(f" {lead}{name} is ("), fixed(f"{LETTERS[at]}).")]
    return out


def _mentioned(rng: random.Random, items: Sequence[str]) -> str:
    """Return sentences that mention the options in another order, or an empty text."""
    if rng.random() < 0.4:
        return ""
    mentioned = [
        _short(rng, item) for _ in range(rng.randint(1, 2)) for item in rng.sample(items, rng.randint(1, len(items)))
    ]
    names = rng.choices(NAMES, k=len(mentioned))
    if rng.random() < 0.3:
        return f"We know {', '.join(mentioned)}. "
    return " ".join(f"{name} has {item}." for name, item in zip(names, mentioned, strict=True)) + " "


def _short(rng: random.Random, item: str) -> str:
    """Return an item or, with probability 1/2, its first word (the colour of a coloured thing)."""
    return item.split(maxsplit=1)[0] if rng.random() < 0.5 else item


def _option_texts(rng: random.Random, count: int) -> list[str]:
    kind = rng.choice((0, 0, 1, 1, 1, 1, 2, 2, 3, 4, 5, 6))
    if kind == 0:
        base = rng.randint(1, 150)
        near = range(max(1, base - 12), base + 13)
        pool = near if rng.random() < 0.6 else range(1, 300)
        return [str(n) for n in rng.sample(pool, count)]
    if kind == 1:
        day = some_date(rng)
        far = (-365, -30, -8, -7, -2, -1, 0, 1, 2, 7, 8, 30, 31, 365)
        shifts = rng.sample(far if rng.random() < 0.5 else range(-9, 10), count)
        return list(dict.fromkeys(numbers(day + dt.timedelta(days=s)) for s in shifts))
    if kind == 2:
        noun = rng.choice(ITEMS)
        return [f"{colour} {noun}" for colour in rng.sample(COLOURS, count)]
    return distinct(rng, (NAMES, COLOURS, ITEMS, PLACES)[kind - 3], count)
