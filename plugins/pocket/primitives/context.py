"""Primitives of copying and looking up in context."""

from __future__ import annotations

import random

from rtbench_plugins.pocket.primitives.pieces import (
    ALPHABET,
    ITEMS,
    ORDINALS,
    VERBS,
    Document,
    distinct,
    fixed,
    free,
    joined,
    pool,
)
from rtbench_tasks.common.words import COLOURS, NAMES, PLACES, THINGS


def repeats(rng: random.Random) -> Document:
    """Return a random segment and its repetition: bare induction."""
    pool = [*NAMES, *THINGS, *COLOURS, *PLACES, *ITEMS, *ALPHABET, *map(str, range(10))]
    segment = " ".join(rng.choices(pool, k=rng.randint(3, 16)))
    return [free(segment + " ."), fixed(" " + segment), *([fixed(" . " + segment)] if rng.random() < 0.3 else [])]


def copied_list(rng: random.Random) -> Document:
    """Return a list and its repetition."""
    items = distinct(rng, pool(rng), rng.randint(2, 9))
    lead = rng.choice(("The list is ", "There are ", "We see ", "Say again : "))
    again = rng.choice(("The same list : ", "Again : ", "They are ", "Once more : "))
    sep = rng.choice((", ", " ", " , ", "; "))
    return [free(lead + sep.join(items) + ". " + again.rstrip()), fixed(" " + sep.join(items) + ".")]


def kth_item(rng: random.Random) -> Document:
    """Return a list, and its k-th items, items after other items, or the last item."""
    items = distinct(rng, pool(rng), rng.randint(3, 6))
    out = [free("The list is " + joined(items, rng) + ".")]
    for _ in range(rng.randint(3, 5)):
        k = rng.randrange(len(items))
        if rng.random() < 0.6:
            out += [free(f" The {ORDINALS[k]} is"), fixed(f" {items[k]}.")]
        elif k + 1 < len(items):
            out += [free(f" After {items[k]} comes"), fixed(f" {items[k + 1]}.")]
        else:
            out += [free(" The last is"), fixed(f" {items[-1]}.")]
    return out


def holdings(rng: random.Random) -> Document:
    """Return who has what, and questions about it in both directions."""
    names = rng.sample(NAMES, rng.randint(2, 5))
    things = _held(rng, len(names))
    verb = rng.choice(("has", "holds", "likes", "has", "took", "is dancing with", "found"))
    if verb == "is dancing with":
        things = rng.sample([n for n in NAMES if n not in names], len(names))
    style = rng.randrange(3)
    if style == 0:
        told = ", ".join(f"{n} {verb} {t}" for n, t in zip(names[:-1], things[:-1], strict=True))
        told += f", and {names[-1]} {verb} {things[-1]}."
    elif style == 1:
        told = " ".join(f"{n} {verb} {t}." for n, t in zip(names, things, strict=True))
    else:
        told = ", ".join(f"{n} {t}" for n, t in zip(names, things, strict=True)) + "."
    out = [free(told)]
    for _ in range(rng.randint(3, 6)):
        at = rng.randrange(len(names))
        out += _asked(rng, names[at], verb, things[at])
    if rng.random() < 0.25:
        order = rng.sample(range(len(names)), len(names))
        again = [f"{names[i]} {verb} {things[i]}." for i in order]
        for sentence, i in zip(again, order, strict=True):
            head = f" {names[i]} {verb}"
            out += [free(head), fixed(sentence[len(head) - 1 :])]
    return out


def who_has(rng: random.Random) -> Document:
    """Return pairs of a person and a thing, and questions for the person who has each thing."""
    names, items = rng.sample(NAMES, rng.randint(2, 5)), rng.sample(ITEMS, 5)[: rng.randint(2, 5)]
    pairs = list(zip(names, items, strict=False))
    verb = rng.choice(("has", "holds", "took", "found"))
    between = rng.choice((f" {verb} the ", f" {verb} the ", " : the ", " the ", " "))
    out = [free(rng.choice((". ", ", ")).join(f"{name}{between}{item}" for name, item in pairs) + ".")]
    question = rng.choice((f" Who {verb} the {{}}?", f" Who {verb} the {{}}?", " The {} :", " {} :"))
    for name, item in rng.sample(pairs, len(pairs)):
        out += [free(question.format(item)), fixed(f" {name}.")]
    return out


def _held(rng: random.Random, count: int) -> list[str]:
    kind = rng.randrange(5)
    if kind == 0:
        return rng.sample(COLOURS, count)
    if kind == 1:
        noun = rng.choice(ITEMS)
        return [f"a {colour} {noun}" for colour in rng.sample(COLOURS, count)]
    if kind == 2:
        return [f"{n} {t}" for n, t in zip(rng.sample(range(2, 100), count), rng.sample(THINGS, count), strict=True)]
    if kind == 3:
        thing = rng.choice(THINGS)
        return [f"{n} {thing}" for n in rng.sample(range(2, 100), count)]
    return [f"the {item}" for item in rng.sample(ITEMS, count)]


def _asked(rng: random.Random, name: str, verb: str, thing: str) -> Document:
    style = rng.randrange(4)
    if style == 0:
        return [free(f" Who {verb} {thing}?"), fixed(f" {name}.")]
    if style == 1:
        return [free(f" {name} {verb}"), fixed(f" {thing}.")]
    if style == 2:
        return [free(f" {name} :"), fixed(f" {thing}.")]
    return [free(f" So the one who {verb} {thing} is"), fixed(f" {name}.")]


def events(rng: random.Random) -> Document:
    """Return a list of small events, and the events in another form or questions about them by name."""
    names = rng.sample(NAMES, rng.randint(2, 8))
    verb, plain = rng.choice(VERBS)
    same = rng.random() < 0.5
    told = [(name, rng.random() < 0.5, (verb, plain) if same else rng.choice(VERBS)) for name in names]
    extra = rng.choice(("", " the coin", " the page", " the card"))
    lines = [f"{n} {v[0]}{extra}." if yes else f"{n} does not {v[1]}{extra}." for n, yes, v in told]
    out = [free(" ".join(lines))]
    if rng.random() < 0.5:
        out.append(free(rng.choice((" Again :", " In short :", " So :"))))
        short = rng.random() < 0.5
        for (name, yes, (does, _)), line in zip(told, lines, strict=True):
            tail = f" {name} {'yes' if yes else 'no'}." if short and same else f" {line}"
            out.append(fixed(tail if short and same else f" {name} {does}." if yes and short else tail))
    else:
        for name, yes, (does, plain_) in rng.sample(told, min(5, len(told))):
            out += [free(f" What of {name}? {name}"), fixed(f" {does}." if yes else f" does not {plain_}.")]
    return out


def key_values(rng: random.Random) -> Document:
    """Return pairs of a key and a value, and the values of some keys."""
    count = rng.randint(3, 8)
    keys, values = distinct(rng, pool(rng), count), distinct(rng, pool(rng), count)
    pairs = list(zip(keys, values, strict=False))
    link = rng.choice((" : ", " is ", " = ", " goes to "))
    out = [free(", ".join(f"{k}{link}{v}" for k, v in pairs) + ".")]
    for key, value in rng.sample(pairs, min(5, len(pairs))):
        out += [free(f" {key}{link.rstrip()}"), fixed(f" {value}.")]
    return out
