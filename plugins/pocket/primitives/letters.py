"""Primitives about letters of words."""

from __future__ import annotations

import random

from rtbench_plugins.pocket.primitives.pieces import ALPHABET, ITEMS, Document, fixed, free
from rtbench_tasks.common.words import COLOURS, NAMES


def spelling(rng: random.Random) -> Document:
    """Return the spelling, the first letters and the last letters of words."""
    words = rng.sample((*NAMES, *COLOURS, *ITEMS), rng.randint(3, 6))
    out: Document = []
    for word in words:
        space = " " if out else ""
        quoted = f'"{word}"' if rng.random() < 0.5 else word
        style = rng.randrange(5)
        letters = " ".join(word.lower())
        if style == 0:
            out += [free(f"{space}{quoted} is spelled"), fixed(f" {letters}.")]
        elif style == 1:
            out += [free(f"{space}The first letter of {quoted} is"), fixed(f' "{word[0].lower()}".')]
        elif style == 2:
            out += [free(f"{space}{quoted} ends in"), fixed(f" {word[-1]}.")]
        else:
            quote = '"' if rng.random() < 0.7 else ""
            out += [free(f"{space}The last letter of {quoted} is"), fixed(f" {quote}{word[-1]}{quote}.")]
    return out


def joining(rng: random.Random) -> Document:
    """Return single letters and the string into which they are joined."""
    letters = rng.choices(ALPHABET if rng.random() < 0.4 else "aaaeeilnnoorrstykdmx", k=rng.randint(2, 6))
    quote = '"' if rng.random() < 0.5 else ""
    sep = rng.choice((", ", " ", " and "))
    listed = sep.join(f"{quote}{letter}{quote}" for letter in letters)
    lead = rng.choice(("Together", "Joined", "As one word", "Put together"))
    final = rng.choice((" is", " gives", " makes"))
    return [
        free(f"{listed}. {lead} this{final}"),
        fixed(f' "{"".join(letters)}".' if quote else f" {''.join(letters)}."),
    ]
