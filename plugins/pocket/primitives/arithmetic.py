"""Primitives of one-step arithmetic."""

from __future__ import annotations

import random

from rtbench_plugins.pocket.primitives.pieces import ITEMS, Document, fixed, free, held_out
from rtbench_tasks.common.words import COLOURS, CONTAINERS, NAMES, THINGS


def _operands(rng: random.Random, op: str) -> tuple[int, int, int]:
    """Return operands and result of a calculation that is not held out."""
    while True:
        if op == "+":
            a, b = rng.randint(1, rng.choice((20, 60, 100, 200))), rng.randint(1, rng.choice((10, 60, 100)))
            result = a + b
        elif op == "-":
            a = rng.randint(2, rng.choice((20, 60, 100, 200)))
            b = rng.randint(1, a - 1)
            result = a - b
        elif op == "*":
            a, b = rng.randint(2, rng.choice((9, 12, 25, 60))), rng.randint(2, 9)
            result = a * b
        else:
            result, b = rng.randint(1, rng.choice((9, 12, 25, 60))), rng.randint(2, 9)
            a = result * b
        if result <= 250 and a <= 250 and not held_out(op, a, b):
            if op in "+*" and rng.random() < 0.5:
                a, b = b, a
            return a, b, result


def equations(rng: random.Random) -> Document:
    """Return several independent one-step calculations."""
    out: Document = []
    for _ in range(rng.randint(4, 8)):
        op = rng.choice("+++--*/")
        a, b, result = _operands(rng, op)
        space = " " if out else ""
        if rng.random() < 0.8:
            out += [free(f"{space}{a} {op} {b} ="), fixed(f" {result}.")]
        else:
            word = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}[op]
            out += [free(f"{space}{a} {word} {b} is"), fixed(f" {result}.")]
    return out


CHANGES = {
    "+": ("{n} gets {b} more.", "{b} more {t} come.", "Then {n} finds {b} {t}.", "{n} buys {b} {t}."),
    "-": ("{n} loses {b}.", "{b} {t} are sold.", "Then {n} gives away {b} {t}.", "{n} eats {b} of them."),
    "*": ("Then there are {b} times as many.", "{n} makes {b} out of each.", "Each is worth {b}."),
    "/": (
        "{n} shares them equally among {b}.",
        "They are put into {b} equal {c}.",
        "Only one of {b} equal parts stays.",
    ),
}


def updates(rng: random.Random) -> Document:
    """Return a number of things, a change, and the number after it."""
    out: Document = []
    for _ in range(rng.randint(1, 2)):
        op = rng.choice("++--*/")
        a, b, result = _operands(rng, op)
        words = {"n": rng.choice(NAMES), "t": rng.choice(THINGS), "c": rng.choice(CONTAINERS), "b": b}
        space = " " if out else ""
        sentences = f"{space}{words['n']} has {a} {words['t']}. " + rng.choice(CHANGES[op]).format(**words)
        lead = rng.choice((" Now there are", " Then it is", f" {words['n']} has", " That makes"))
        if rng.random() < 0.8:
            out += [free(sentences + lead), fixed(f" {a} {op} {b} = {result} {words['t']}.")]
        else:
            out += [free(sentences + lead), fixed(f" {result} {words['t']}.")]
    return out


def comparisons(rng: random.Random) -> Document:
    """Return comparisons of two numbers, whether numbers are even or odd, halves and doubles."""
    out: Document = []
    for _ in range(rng.randint(3, 6)):
        a, b = rng.sample(range(1, rng.choice((10, 30, 200))), 2)
        space = " " if out else ""
        kind = rng.randrange(7)
        if kind == 0:
            out += [free(f"{space}Compare {a} and {b} : {a} is"), fixed(f" {'less' if a < b else 'more'} than {b}.")]
        elif kind == 1:
            out += [free(f"{space}Is {a} less than {b}?"), fixed(f" {'yes' if a < b else 'no'}.")]
        elif kind == 2:
            out += [free(f"{space}Is {a} more than {b}?"), fixed(f" {'yes' if a > b else 'no'}.")]
        elif kind == 3:
            word, answer = rng.choice((("larger", max(a, b)), ("smaller", min(a, b))))
            out += [free(f"{space}The {word} of {a} and {b} is"), fixed(f" {answer}.")]
        elif kind == 4:
            out += [free(f"{space}{a} is"), fixed(f" {'odd' if a % 2 else 'even'}.")]
        elif kind == 5:
            half = rng.randint(1, 50)
            if not held_out("/", 2 * half, 2):
                out += [free(f"{space}Half of {2 * half} is"), fixed(f" {half}.")]
        elif not held_out("*", a, 2) and a <= 60:
            out += [free(f"{space}Twice {a} is"), fixed(f" {2 * a}.")]
    return out or comparisons(rng)


def counting(rng: random.Random) -> Document:
    """Return a short list, and how often words are in it."""
    few = rng.sample((*COLOURS, *ITEMS), 3)
    items = rng.choices(few, k=rng.randint(3, 8))
    out = [free("The list is " + ", ".join(items) + ".")]
    for word in rng.sample(few, 2):
        out += [free(f" The number of {word} is"), fixed(f" {items.count(word)}.")]
    return out
