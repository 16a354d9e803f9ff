"""Word problems of the arithmetic twins: shapes, tails, and the drawing of questions from them.

A :class:`StoryShape` is a small situation with wordings and the steps that solve it; a :class:`Tail` is one more event
after it. All numbers and results are whole and at least 2, so that every noun is in the plural.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import msgspec
from rtbench_tasks.common.arithmetic import Line, Numbers, Solution, compute, pick, some, whole
from rtbench_tasks.common.words import COLOURS, DAYS, NAMES, PLACES, THINGS

from rtbench.api import BadInputError

ITEMS = tuple(thing for thing in THINGS if thing not in {"boxes", "grapes", "nuts"})
"""Things that can be bought one by one and put into boxes."""
CONTAINERS = ("bags", "baskets", "boxes", "crates", "drawers", "packs")
"""Containers that things are *in*."""
Draw = Callable[[random.Random, int], Numbers]
"""Draws the numbers of a shape; the second argument is the largest number allowed. Numbers that do not fit are drawn
again."""
_TRIES = 2000


class StoryShape(msgspec.Struct, frozen=True, kw_only=True):
    """A situation; all texts are patterns of ``str.format``."""

    numbers: Draw
    lines: tuple[Line, ...]
    bodies: tuple[str, ...]
    asks: tuple[str, ...]
    kind: str = ""
    """Kind of the result, from which tails can continue; empty where no tail can follow."""


class Tail(msgspec.Struct, frozen=True, kw_only=True):
    """One more event and step. In its texts ``{z}`` is its number."""

    kind: str
    """Kind of the result that it continues from."""
    op: str
    """Operation, as in :func:`further`."""
    tells: tuple[str, ...]
    asks: tuple[str, ...]
    lead: str
    unit: str
    given: str
    fixed: int = 0
    """The number, where the wording determines it (2 for ``half``)."""
    then: str = ""
    """Kind of the new result; empty where nothing may follow."""


class Told(msgspec.Struct, frozen=True):
    """A problem in words, with its solution."""

    body: str
    ask: str
    solution: Solution
    value: int


# ------------------------------------------------------------------------------------------------------------ numbers


def fits(op: str, a: int, b: int, largest: int) -> bool:
    """Return whether a step is simple mental arithmetic with a whole result from 2 to ``largest``."""
    if op == "*" and not 2 <= min(a, b) <= 9:
        return False
    if op == "/" and (not 2 <= b <= 9 or a % b):
        return False
    return 2 <= compute(op, a, b) <= largest


def first(rng: random.Random, op: str, largest: int) -> tuple[int, int]:
    """Draw the operands of an operation such that it fits."""
    if op == "+":
        total = whole(rng, 4, largest)
        left = whole(rng, 2, total - 2)
        return left, total - left
    if op == "-":
        total = whole(rng, 4, largest)
        return total, whole(rng, 2, total - 2)
    small = whole(rng, 2, min(9, largest // 2))
    other = whole(rng, 2, largest // small)
    if op == "/":
        return small * other, small
    return (small, other) if rng.random() < 0.5 else (other, small)


def further(rng: random.Random, op: str, value: int, largest: int) -> int:
    """Draw a number for ``value op number``; ``~-`` stands for ``number - value``. Return 0 where no number fits."""
    if value < 2:
        return 0
    if op in {"+", "~-"}:
        return whole(rng, 2, largest - value) + (value if op == "~-" else 0) if largest - value >= 2 else 0
    if op == "-":
        return whole(rng, 2, value - 2) if value >= 4 else 0
    if op == "*":
        return whole(rng, 2, min(9, largest // value)) if 2 * value <= largest else 0
    divisors = [d for d in range(2, 10) if value % d == 0 and value >= 2 * d]
    return pick(rng, divisors) if divisors else 0


def chain(*ops: str) -> Draw:
    """Return a draw of numbers x, y, z … for steps that each continue from the previous result.

    An impossible number is 0, which never fits.
    """

    def draw(rng: random.Random, largest: int) -> Numbers:
        x, y = first(rng, ops[0], largest)
        numbers, value = {"x": x, "y": y}, compute(ops[0], x, y)
        for letter, op in zip("zw", ops[1:], strict=False):
            number = further(rng, op, value, largest)
            numbers[letter] = number
            value = number - value if op == "~-" else compute(op, value, number)
        return numbers

    return draw


def between(**bounds: tuple[int, int]) -> Draw:
    """Return a draw of independent numbers, each with its smallest and largest value."""
    items = tuple(bounds.items())

    def draw(rng: random.Random, largest: int) -> Numbers:
        return {letter: whole(rng, low, min(high, largest)) for letter, (low, high) in items}

    return draw


# ------------------------------------------------------------------------------------------------------------- shapes

OPS = "++---**//"
"""Operations with their relative frequencies; multiplication and division have fewer different operands."""


def one_step(
    op: str, bodies: tuple[str, ...], ask: str, lead: str, unit: str = "{thing}", given: str = "", kind: str = ""
) -> StoryShape:
    """Return a shape with one operation on x and y."""
    line = Line(f"u = x {op} y", lead, unit, given)
    return StoryShape(numbers=chain(op), lines=(line,), bodies=bodies, asks=(ask,), kind=kind)


def by_steps(shapes: Sequence[StoryShape], fewest: int, most: int) -> Mapping[int, tuple[StoryShape, ...]]:
    """Return the shapes for each number of steps: those that have it, and those that reach it with tails."""
    return {
        steps: tuple(s for s in shapes if len(s.lines) == steps or (s.kind and len(s.lines) < steps))
        for steps in range(fewest, most + 1)
    }


# ------------------------------------------------------------------------------------------------------------ telling


def draw_words(rng: random.Random) -> dict[str, str]:
    """Draw names, things and places of one story, without repetition."""
    name, other, third, friend = some(rng, NAMES, 4)
    thing, extra = some(rng, ITEMS, 2)
    red, blue, green = some(rng, COLOURS, 3)
    day = whole(rng, 0, 6)
    return {
        "name": name, "other": other, "third": third, "friend": friend, "thing": thing, "extra": extra,
        "red": red, "blue": blue, "green": green, "place": pick(rng, PLACES), "container": pick(rng, CONTAINERS),
        "day": DAYS[day], "day2": DAYS[(day + 1) % 7], "day3": DAYS[(day + 2) % 7],
    }  # fmt: skip


def tell(
    rng: random.Random,
    shape: StoryShape,
    words: Mapping[str, str],
    largest: int,
    tails: Sequence[Tail] = (),
    count: int = 0,
) -> Told:
    """Write a problem of ``shape`` with ``count`` tails.

    Raises:
        BadInputError: no numbers fit, because ``largest`` is too small.
    """
    for _ in range(_TRIES):
        problem = _try_to_tell(rng, shape, words, largest, tails, count)
        if problem is not None:
            return problem
    raise BadInputError(f"no numbers up to {largest} fit a question", where="knob largest", next_step="raise it")


def _try_to_tell(
    rng: random.Random, shape: StoryShape, words: Mapping[str, str], largest: int, tails: Sequence[Tail], count: int
) -> Told | None:
    numbers = dict(shape.numbers(rng, largest))
    values = dict(numbers)
    if min(numbers.values()) < 2 or max(numbers.values()) > largest:
        return None
    last = "x"
    for line in shape.lines:
        last, _, left, op, right = line.equation.split()
        if not fits(op, values[left], values[right], largest):
            return None
        values[last] = compute(op, values[left], values[right])
    chosen: list[tuple[Tail, int]] = []
    value, kind = values[last], shape.kind
    for at in range(count):
        open_end = at + 1 < count
        able = [tail for tail in tails if tail.kind == kind and (tail.then or not open_end)]
        if not able:
            return None
        tail = pick(rng, able)
        number = tail.fixed or further(rng, tail.op, value, largest)
        a, b = (number, value) if tail.op == "~-" else (value, number)
        if not number or not fits(tail.op[-1], a, b, largest):
            return None
        value, kind = compute(tail.op[-1], a, b), tail.then
        chosen.append((tail, number))
    return _write(rng, shape, words, numbers, chosen, value)


def _write(
    rng: random.Random,
    shape: StoryShape,
    words: Mapping[str, str],
    numbers: dict[str, int],
    chosen: Sequence[tuple[Tail, int]],
    value: int,
) -> Told:
    filling: dict[str, object] = {**words, **numbers}
    sentences, asks = [pick(rng, shape.bodies).format(**filling)], shape.asks
    lines = list(shape.lines)
    last = lines[-1].equation.split()[0] if lines else "x"
    for at, (tail, number) in enumerate(chosen):
        letter, result = f"z{at}", f"r{at}"
        numbers[letter] = filling["z"] = number
        sentences.append(pick(rng, tail.tells).format(**filling))
        sides = f"{letter} - {last}" if tail.op == "~-" else f"{last} {tail.op} {letter}"
        lines.append(Line(f"{result} = {sides}", tail.lead, tail.unit, tail.given, number))
        last, asks = result, tail.asks
    ask = pick(rng, asks).format(**filling)
    return Told(body=" ".join(sentences), ask=ask, solution=Solution(numbers, tuple(lines), words), value=value)


def tell_by_operation(
    rng: random.Random, shapes: Mapping[str, Sequence[StoryShape]], words: Mapping[str, str], largest: int, steps: int
) -> Told:
    """Write a problem with one of :data:`OPS`; in any further steps, things are received or given away.

    Args:
        rng: random generator for all choices.
        shapes: shapes of one step, by operation.
        words: result of :func:`draw_words`.
        largest: largest number allowed.
        steps: number of steps, at least 1.

    Raises:
        BadInputError: no numbers fit, because ``largest`` is too small.
    """
    able = shapes[pick(rng, OPS)]
    tails = steps - 1
    shape = pick(rng, [shape for shape in able if shape.kind] if tails else able)
    return tell(rng, shape, words, largest, (GOT, GONE), tails)


HAVE_NOW = ("How many {thing} does {name} have now?", "What is the number of {thing} that {name} has now?")
GOT = Tail(
    kind="thing",
    op="+",
    tells=(
        "Then {name} got {z} more {thing} from {friend}.",
        "After that {name} found {z} more {thing}.",
        "Then {name} bought {z} more {thing}.",
    ),
    asks=HAVE_NOW,
    lead="{name} has",
    unit="{thing}",
    given="{name} got {z} more {thing}",
    then="thing",
)
GONE = Tail(
    kind="thing",
    op="-",
    tells=(
        "Then {name} gave {z} of the {thing} to {friend}.",
        "After that {name} lost {z} of the {thing}.",
        "Then {name} sold {z} of the {thing}.",
    ),
    asks=HAVE_NOW,
    lead="{name} has",
    unit="{thing}",
    given="{z} of the {thing} are gone",
    then="thing",
)
