"""Primitives of one-step changes of state."""

from __future__ import annotations

import random

from rtbench_plugins.pocket.primitives.pieces import ITEMS, Document, fixed, free, joined
from rtbench_tasks.common.words import COLOURS, NAMES


def swaps(rng: random.Random) -> Document:
    """Return who has what, a swap of two people, and who has what afterwards, in one of several forms."""
    names = rng.sample(NAMES, rng.randint(2, 4))
    things = _swappable(rng, len(names))
    a, b = rng.sample(range(len(names)), 2)
    sentences = [f"{n} has {t}" if rng.random() < 0.9 else f"{n} {t}" for n, t in zip(names, things, strict=True)]
    verb = rng.choice(("swap", "trade", "switch", "exchange"))
    first = joined(sentences, rng) + f". {names[a]} and {names[b]} {verb}."
    after = list(things)
    after[a], after[b] = after[b], after[a]
    style = rng.randrange(4)
    if style == 0:
        change = f" Before: {names[a]} {things[a]}, {names[b]} {things[b]}. After: {names[a]} {after[a]}, {names[b]} {after[b]}."
        return [free(first), free(" Before:"), fixed(change[len(" Before:") :])]
    if style == 1:
        return [
            free(first + f" Now {names[a]} has"), fixed(f" {after[a]} and"),
            free(f" {names[b]} has"), fixed(f" {after[b]}."),
        ]  # fmt: skip
    if style == 2:
        out = [free(first + " Now")]
        for at in range(len(names)):
            out += [free(f" {names[at]} has"), fixed(f" {after[at]}.")]
        return out
    person = rng.randrange(len(names))
    return [free(f"{first} Then {names[person]} has"), fixed(f" {after[person]}.")]


def _swappable(rng: random.Random, count: int) -> list[str]:
    kind = rng.randrange(4)
    if kind == 0:
        return rng.sample(COLOURS, count)
    if kind == 1:
        noun = rng.choice(ITEMS)
        return [f"{'the' if rng.random() < 0.5 else 'a'} {c} {noun}" for c in rng.sample(COLOURS, count)]
    if kind == 2:
        return rng.sample(NAMES, count)
    return [f"the {item}" for item in rng.sample(ITEMS, count)]


def flips(rng: random.Random) -> Document:
    """Return coins that a person flips or does not flip, with one event per coin."""
    out: Document = []
    for _ in range(rng.randint(3, 6)):
        state, name, turned = rng.choice(("heads", "tails")), rng.choice(NAMES), rng.random() < 0.5
        other = "tails" if state == "heads" else "heads"
        after = other if turned else state
        space = " " if out else ""
        deed = rng.choice(("flips", "turns over", "reverses")) if turned else rng.choice(("does not flip", "leaves"))
        style = rng.randrange(3)
        if style == 0:
            out += [free(f"{space}A coin is {state} up. {name} {deed} the coin. Now it is"), fixed(f" {after} up.")]
        elif style == 1:
            out += [free(f"{space}It is {state}. {name} {deed} it, so it is"), fixed(f" {after}.")]
        else:
            out += [free(f"{space}{state}. {name} {deed}:"), fixed(f" {after}.")]
    return out


def bare_flips(rng: random.Random) -> Document:
    """Return states with an event and the new state, without sentences: the table behind :func:`flips`."""
    out: Document = []
    for _ in range(rng.randint(4, 10)):
        state, turned = rng.choice(("heads", "tails")), rng.random() < 0.5
        deed = rng.choice(("flips", "turns over", "reverses")) if turned else rng.choice(("does not flip", "leaves"))
        after = state if not turned else "tails" if state == "heads" else "heads"
        out += [free(f"{' ' if out else ''}{state} {deed}:"), fixed(f" {after}.")]
    return out
