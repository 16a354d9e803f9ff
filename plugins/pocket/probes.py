"""Skill probes: tests of whether a base model has the skills that its pre-training text teaches.

A probe has different questions, each a text that determines the piece after it. An answer is right when every token of the
piece is the model's first choice, given the text before it (what greedy decoding would generate).

Operands of calculations are held out: ``b + a`` together with ``a + b``, and products likewise. Lists, options and swaps are
drawn from so many possibilities that none is read twice. The questions of the probes in :data:`SEEN`, or some of them, are
in the pre-training text. Imports torch when a model is tested.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from rtbench_plugins.pocket.primitives.calendar import some_date
from rtbench_plugins.pocket.primitives.pieces import ITEMS, LETTERS, ORDINALS, held_out
from rtbench_tasks.common.dates import numbers, shift
from rtbench_tasks.common.words import COLOURS, NAMES, THINGS

from rtbench.api import Record

Probe = Callable[[random.Random], tuple[str, str]]
"""Function that draws a prompt and the text that must follow it."""
GATE = 0.95
"""Accuracy, as a fraction, that a base model should reach."""
_IN_VAIN = 5_000
"""Number of draws in a row without a new question after which a probe has no more questions."""


class ProbeResult(Record, frozen=True):
    """Result of a probe on a model."""

    probe: str
    correct: int
    n: int
    """Number of different questions: as many as requested, or all if there are fewer."""
    seen: bool
    """Whether some or all of the questions are in the pre-training text."""

    @property
    def accuracy(self) -> float:
        """Return the fraction of correct answers."""
        return self.correct / self.n


def _kth(rng: random.Random) -> tuple[str, str]:
    items = rng.sample(rng.choice((NAMES, COLOURS, THINGS)), 6)
    k = rng.randrange(6)
    return f"The list is {', '.join(items)}. The {ORDINALS[k]} is", f" {items[k]}."


def _copy(rng: random.Random) -> tuple[str, str]:
    items = rng.sample(rng.choice((NAMES, THINGS)), 8)
    return f"The list is {', '.join(items)}. Again :", f" {', '.join(items)}."


def _lookup(rng: random.Random) -> tuple[str, str]:
    names, thing = rng.sample(NAMES, 4), rng.choice(THINGS)
    counts = rng.sample(range(2, 100), 4)
    told = " ".join(f"{n} has {c} {thing}." for n, c in zip(names, counts, strict=True))
    at = rng.randrange(4)
    return f"{told} {names[at]} has", f" {counts[at]} {thing}."


def _lookup_name(rng: random.Random) -> tuple[str, str]:
    names, items = rng.sample(NAMES, 4), rng.sample(ITEMS, 4)
    told = " ".join(f"{n} has the {i}." for n, i in zip(names, items, strict=True))
    at = rng.randrange(4)
    return f"{told} Who has the {items[at]}?", f" {names[at]}."


def _arithmetic(op: str) -> Probe:
    def draw(rng: random.Random) -> tuple[str, str]:
        while True:
            if op == "+":
                a, b = rng.randint(1, 100), rng.randint(1, 100)
            elif op == "-":
                a = rng.randint(2, 100)
                b = rng.randint(1, a - 1)
            elif op == "*":
                a, b = rng.randint(2, 25), rng.randint(2, 9)
            else:
                b = rng.randint(2, 9)
                a = b * rng.randint(1, 25)
            if held_out(op, a, b):
                result = {"+": a + b, "-": a - b, "*": a * b, "/": a // b}[op]
                return f"{a} {op} {b} =", f" {result}."

    return draw


def _swap(rng: random.Random) -> tuple[str, str]:
    names, things = rng.sample(NAMES, 3), rng.sample(COLOURS, 3)
    a, b = rng.sample(range(3), 2)
    told = f"{names[0]} has {things[0]}, {names[1]} has {things[1]}, and {names[2]} has {things[2]}."
    told += f" {names[a]} and {names[b]} swap. Before:"
    before = f"{names[a]} {things[a]}, {names[b]} {things[b]}"
    return told, f" {before}. After: {names[a]} {things[b]}, {names[b]} {things[a]}."


def _flip(rng: random.Random) -> tuple[str, str]:
    state, flips = rng.choice(("heads", "tails")), rng.random() < 0.5
    after = state if not flips else "tails" if state == "heads" else "heads"
    deed = "flips" if flips else "does not flip"
    return f"A coin is {state} up. {rng.choice(NAMES)} {deed} the coin. Now it is", f" {after} up."


def _last_letter(rng: random.Random) -> tuple[str, str]:
    name = rng.choice(NAMES)
    return f'The last letter of "{name}" is', f' "{name[-1]}".'


def _join(rng: random.Random) -> tuple[str, str]:
    letters = [rng.choice(NAMES)[-1] for _ in range(4)]
    told = ", ".join(f'"{letter}"' for letter in letters)
    return f"{told}. Together this is", f' "{"".join(letters)}".'


def _choice(kind: str) -> Probe:
    def draw(rng: random.Random) -> tuple[str, str]:
        if kind == "numbers":
            items = [str(n) for n in rng.sample(range(1, 120), 5)]
        elif kind == "dates":
            day = some_date(rng)
            items = [numbers(shift(day, "day", n)) for n in rng.sample(range(-9, 10), 5)]
        else:
            items = rng.sample(rng.choice((COLOURS, ITEMS)), 5)
        at = rng.randrange(5)
        listed = ", ".join(f"({LETTERS[i]}) {item}" for i, item in enumerate(items))
        return f"Answer choices: {listed}. {items[at]} is (", f"{LETTERS[at]})."

    return draw


def _date(unit: str) -> Probe:
    def draw(rng: random.Random) -> tuple[str, str]:
        day = some_date(rng).replace(day=rng.randint(1, 28))
        count = rng.choice((1, -1))
        word = "later" if count > 0 else "earlier"
        return f"{numbers(day)}. one {unit} {word} :", f" {numbers(shift(day, unit, count))}."

    return draw


def _compare(rng: random.Random) -> tuple[str, str]:
    a, b = rng.sample(range(1, 100), 2)
    return f"Compare {a} and {b} : {a} is", f" {'less' if a < b else 'more'} than {b}."


PROBES: dict[str, Probe] = {
    "copy the k-th of six": _kth,
    "copy a list of eight": _copy,
    "number by name": _lookup,
    "name by thing": _lookup_name,
    "addition": _arithmetic("+"),
    "subtraction": _arithmetic("-"),
    "multiplication": _arithmetic("*"),
    "division": _arithmetic("/"),
    "compare two numbers": _compare,
    "one swap": _swap,
    "one flip": _flip,
    "last letter": _last_letter,
    "join four letters": _join,
    "choice letter, words": _choice("words"),
    "choice letter, numbers": _choice("numbers"),
    "choice letter, dates": _choice("dates"),
    "one day": _date("day"),
    "one week": _date("week"),
    "one month": _date("month"),
}
SEEN = frozenset({"compare two numbers", "one flip", "last letter", "one day", "one week", "one month"})
"""Probes with so few possible questions that the pre-training text has some or all of them, word for word. Holding them out
would need new pre-training, since the text is drawn from all names, numbers and dates."""


def questions(name: str, n: int, seed: int = 12345) -> dict[str, str]:
    """Return the first ``n`` different prompts of a probe, or all if there are fewer, each with the text that must follow."""
    rng = random.Random(f"{name}/{seed}")  # noqa: S311 - reproducible, not secret
    drawn: dict[str, str] = {}
    in_vain = 0
    while len(drawn) < n and in_vain < _IN_VAIN:
        prompt, target = PROBES[name](rng)
        in_vain = in_vain + 1 if prompt in drawn else 0
        drawn[prompt] = target
    return drawn


def run_probes(model: Any, tokenizer: Any, *, n: int = 200, seed: int = 12345) -> list[ProbeResult]:
    """Return a model's results on all probes, with up to ``n`` different questions each."""
    import torch

    out: list[ProbeResult] = []
    for name in PROBES:
        drawn = questions(name, n, seed)
        prompts = tokenizer(list(drawn), add_special_tokens=False)["input_ids"]
        targets = tokenizer(list(drawn.values()), add_special_tokens=False)["input_ids"]
        width = max(len(p) + len(t) for p, t in zip(prompts, targets, strict=True))
        ids = torch.full((len(drawn), width), tokenizer.pad_token_id)
        labels = torch.full((len(drawn), width), -100)
        for at, (prompt, target) in enumerate(zip(prompts, targets, strict=True)):
            end = len(prompt) + len(target)
            ids[at, :end] = torch.tensor([*prompt, *target])
            labels[at, len(prompt) : end] = torch.tensor(target)
        with torch.inference_mode():
            # In a causal model, padding on the right changes nothing before it.
            best = model(input_ids=ids, use_cache=False).logits[:, :-1].argmax(-1)
        right = ((best == labels[:, 1:]) | (labels[:, 1:] == -100)).all(-1)
        out.append(ProbeResult(probe=name, correct=int(right.sum()), n=len(drawn), seen=name in SEEN))
    return out


def as_line(results: list[ProbeResult]) -> str:
    """Return results as one line of text."""
    return "  ".join(f"{r.probe} {r.accuracy:.2f}" for r in results)
