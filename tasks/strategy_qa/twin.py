"""StrategyQA's twin: yes/no questions that two facts of the small world decide (three out of distribution).

No question contains the facts: the pocket base models know them from their pre-training text.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from rtbench_tasks.common.arithmetic import pick
from rtbench_tasks.common.text import capital, yes_no
from rtbench_tasks.common.world import (
    NUMERIC,
    THINGS,
    known,
    near,
    subjects,
    value_of,
    value_phrase,
    values,
    with_article,
    worded,
)

from rtbench.twins import Knobs, Narrator, Problem, Twin

WIDEST = 4
"""Largest difference between compared numbers: an elephant compared with an ant would need only one fact."""
Shape = Literal["than", "same", "chain"]


class StrategyKnobs(Knobs, frozen=True):
    """Knobs of :class:`StrategyTwin`."""

    facts: Annotated[int, Meta(ge=2, le=3)] = 2
    """Number of facts that an answer needs."""


class Form(msgspec.Struct, frozen=True):
    """A kind of question. In its wordings ``{a}`` and ``{b}`` are things, and ``{v}`` is the value in question."""

    shape: Shape
    """``than``: one thing's number is larger than another's; ``same``: two things share a value; ``chain``: the value
    of one thing's value is the value in question."""
    relations: tuple[str, ...]
    """One relation, or the two relations of a chain."""
    asks: tuple[str, ...]
    both: tuple[str, ...] = ()
    """Wordings with a second thing ``{c}`` to compare with."""
    why: tuple[str, ...] = ()
    """Wordings of the deciding criterion, for explanations."""
    less: bool = False
    """For ``than``: True where the smaller number means yes."""
    first: tuple[str, ...] = ()
    """Things that ``{a}`` may be."""
    second: tuple[str, ...] = ()
    """Things that ``{b}`` may be."""
    asked: str = ""
    """For ``chain``: the only value that the wordings ask about; empty where they ask about any value."""
    ends: tuple[str, ...] = ()
    """For ``chain``: the end of the chain from each of ``first``; wrong values are asked about as often as correct
    ones."""


class Puzzle(msgspec.Struct, frozen=True):
    """Input of the explanation."""

    form: Form
    things: tuple[str, ...]
    asked: str
    """The value in question, for a chain."""
    described: str
    """The thing that the question describes only by its use; empty where it names all things."""
    truth: bool


# ------------------------------------------------------------------------------------------------------------- wordings


def _of(relation: str, *wanted: str) -> tuple[str, ...]:
    return tuple(thing for thing in subjects(relation) if value_of(relation, thing) in wanted)


def _without(things: Sequence[str], *others: Sequence[str]) -> tuple[str, ...]:
    return tuple(thing for thing in things if not any(thing in other for other in others))


ANIMALS = _of("kind", "bird", "fish", "insect", "mammal", "reptile")
BIG = _of("kind", "building", "vehicle", "tree")
LOADS = _without(THINGS, BIG)
CARRIERS = _without(
    (*ANIMALS, *_of("kind", "vehicle")), ("shark", "salmon", "goldfish", "snake", "whale", "moth", "bee")
)
ROOMS = ("cup", "bucket", "basket", "barrel", "barn", "house", "church", "school", "castle")
LOOSE = _without(THINGS, BIG, ("piano",))
"""Things whose material determines what they do in water or fire."""
STIFF = _without(LOADS, _of("kind", "garment", "flower"), ("snake", "kite"))
"""Things that do not become smaller by folding."""
SMALL = tuple(thing for thing in LOOSE if int(value_of("size", thing)) <= 4)


def _than(
    relation: str,
    asks: tuple[str, ...],
    both: tuple[str, ...],
    why: tuple[str, ...],
    *,
    less: bool = False,
    first: Sequence[str] = (),
    second: Sequence[str] = (),
) -> Form:
    pool = subjects(relation)
    return Form(
        "than", (relation,), asks, both, why, less=less, first=tuple(first) or pool, second=tuple(second) or pool
    )


def _same(relation: str, asks: tuple[str, ...], why: tuple[str, ...]) -> Form:
    return Form("same", (relation,), asks, why=why, first=subjects(relation), second=subjects(relation))


def _chain(
    relations: str, asks: tuple[str, ...], why: tuple[str, ...], *, asked: str = "", things: Sequence[str] = THINGS
) -> Form:
    one, two = relations.split()
    first = tuple(thing for thing in things if known(one, thing) and known(two, value_of(one, thing)))
    ends = tuple(value_of(two, value_of(one, thing)) for thing in first)
    return Form("chain", (one, two), asks, why=why, first=first, asked=asked, ends=ends)


WEIGH = ("We need two weights.", "The weights decide.", "It is about weight.", "Weight decides that.")
CARRY = (
    "What carries must weigh more.",
    "A load must weigh less.",
    "The weights decide that.",
    "It takes more weight.",
)
MEASURE = ("We need the sizes.", "The sizes decide.", "It is about size.", "Size decides that.")
FIT = (
    "What fits inside must be smaller.",
    "The sizes decide that.",
    "It takes a smaller size.",
    "Only less size fits.",
)
RUN = ("We need the speeds.", "The speeds decide.", "It is about speed.", "Speed decides that.")
MADE = ("It depends on the material.", "The material decides.", "We need the material.", "Look at the material.")
SORT = ("It depends on the kind.", "The kind decides.", "We need the kind.", "Look at the kind.")
SPOT = ("It depends on the place.", "The place decides.", "We need the place.", "Look at the place.")
PAINT = ("It depends on the color.", "The color decides.", "We need the colors.", "Look at the colors.")
FORMS = (
    _than("weight", ("Is {a} heavier than {b}?", "Does {a} weigh more than {b}?"), ("Is {a} heavier than both {b} and {c}?",), WEIGH),
    _than("weight", ("Is {a} lighter than {b}?", "Does {a} weigh less than {b}?"), ("Is {a} lighter than both {b} and {c}?",), WEIGH, less=True),
    _than("weight", ("Could {a} carry {b}?", "Would {a} be able to carry {b}?"), ("Could {a} carry {b} and also {c}, one by one?",), CARRY, first=CARRIERS, second=LOADS),
    _than("size", ("Is {a} bigger than {b}?", "Is {a} larger than {b}?"), ("Is {a} bigger than both {b} and {c}?",), MEASURE),
    _than("size", ("Is {a} smaller than {b}?", "Does {a} take less room than {b}?"), ("Is {a} smaller than both {b} and {c}?",), MEASURE, less=True),
    _than("size", ("Would {a} fit inside {b}?", "Could one put {a} into {b}?"), ("Would {a} fit inside {b} and also inside {c}?",), FIT, less=True, first=STIFF, second=ROOMS),
    _than("size", ("Could {a} hide behind {b}?", "Is {b} enough to hide {a}?"), ("Could {a} hide behind {b} and also behind {c}?",), MEASURE, less=True, first=ANIMALS),
    _than("speed", ("Is {a} faster than {b}?", "Would {a} beat {b} in a race?"), ("Is {a} faster than both {b} and {c}?",), RUN),
    _than("speed", ("Is {a} slower than {b}?", "Would {a} lose a race against {b}?"), ("Is {a} slower than both {b} and {c}?",), RUN, less=True),
    _same("kind", ("Are {a} and {b} the same kind of thing?", "Do {a} and {b} belong to the same kind?"), SORT),
    _same("place", ("Are {a} and {b} found in the same place?", "Would one look for {a} and {b} in the same place?"), SPOT),
    _same("color", ("Do {a} and {b} have the same color?", "Would one paint {a} and {b} in the same color?"), PAINT),
    _same("material", ("Are {a} and {b} made of the same material?", "Would one need the same material for {a} and {b}?"), MADE),
    _chain("material water", ("Would {a} float in a pond?", "Would {a} stay on top of the water?"), MADE, asked="floats", things=LOOSE),
    _chain("material water", ("Would {a} sink in a pond?", "Would {a} go down in deep water?"), MADE, asked="sinks", things=LOOSE),
    _chain("material fire", ("Would {a} burn in a fire?", "Could {a} go up in flames?"), MADE, asked="burns", things=LOOSE),
    _chain("material fire", ("Would {a} survive a fire?", "Would {a} still be there after a fire?"), MADE, asked="lasts", things=LOOSE),
    _chain("material fall", ("Would {a} break in a fall?", "Is it bad to drop {a} on a hard floor?"), MADE, asked="breaks", things=SMALL),
    _chain("material fall", ("Would {a} survive a fall?", "Could one drop {a} without harm?"), MADE, asked="lasts", things=SMALL),
    _chain("material source", ("Does one need {v} to make {a}?", "Does the material of {a} come from {v}?"), MADE),
    _chain("kind group", ("Does {a} count as {v}?", "Is {a} {v}?"), SORT),
    _chain("kind has", ("Does {a} have {v}?", "Would one find {v} on {a}?"), SORT),
    _chain("kind for", ("Is {a} made for {v}?", "Is {v} the purpose of {a}?"), SORT),
    _chain("place worker", ("Would {v} see {a} at work?", "Does {v} work where one finds {a}?"), SPOT),
)  # fmt: skip
DESCRIBED = ("the thing that helps to {u}", "the thing one uses to {u}", "what one needs to {u}")

SAY_COMPARED = (
    "{Compared}, so {w}.",
    "{Compared}: {w}.",
    "{Compared}, and that means {w}.",
    "We see that {compared}, so {w}.",
    "Since {compared}, it must be {w}.",
)
SAY_ALL = (
    "{Facts}, so {w}.",
    "{Facts}: {w}.",
    "{Facts}, and that means {w}.",
    "We know that {facts}, so {w}.",
    "{Facts}, hence {w}.",
)
SAME = ("{v} and {w} are the same", "{v} is the same as {w}", "{v} is no other than {w}", "it is {v} and {w} alike")
OTHER = ("{v} and {w} are not the same", "{v} is not the same as {w}", "{v} is other than {w}", "it is {v} and not {w}")


# ----------------------------------------------------------------------------------------------------------------- twin


class StrategyTwin(Twin[StrategyKnobs]):
    """Twin of StrategyQA. Pattern: the facts that decide.

    The direction of a comparison, the value in question and the wording vary within a pattern.
    """

    knobs = StrategyKnobs()
    harder = StrategyKnobs(facts=3)

    def draw(self, rng: random.Random, knobs: StrategyKnobs) -> Problem:
        form, wanted = pick(rng, FORMS), rng.random() < 0.5
        while True:
            puzzle = _puzzle(rng, form, wanted, more=knobs.facts > 2)
            if puzzle is not None and puzzle.truth == wanted:
                break
        return Problem(
            question=_question(rng, puzzle),
            answer=yes_no(puzzle.truth).capitalize(),
            pattern=_pattern(puzzle),
            facts=puzzle,
        )

    def explain(self, problem: Problem, narrator: Narrator) -> str:
        puzzle: Puzzle = problem.facts
        narrator.restate(*puzzle.form.why)
        facts, found = _recall(puzzle, narrator)
        yes, compared = _conclude(puzzle, narrator, found)
        if narrator.fine:
            for fact in facts:
                narrator.say("{fact}.", fact=capital(fact))
            narrator.say(*SAY_COMPARED, compared=compared, Compared=capital(compared), w=yes_no(yes))
        else:
            joined = " and ".join(facts)
            narrator.say(*SAY_ALL, facts=joined, Facts=capital(joined), w=yes_no(yes))
        return yes_no(yes).capitalize()


# ------------------------------------------------------------------------------------------------------------- drawing


def _puzzle(rng: random.Random, form: Form, wanted: bool, *, more: bool) -> Puzzle | None:
    """Draw a question of a form; None where the draw gives no question. Its answer may differ from ``wanted``."""
    both = more and bool(form.both) and rng.random() < 0.5
    things = (pick(rng, form.first), *(pick(rng, form.second) for _ in range(both + bool(form.second))))
    described = ""
    if more and not both:
        described = pick(rng, things)
        if not known("use", described):
            return None
    if form.shape == "chain":
        asked = form.asked or _asked(rng, form, things[0], wanted)
        truth = _end(form, things[0]) == asked
        return Puzzle(form, things, asked, described, truth) if asked else None
    if len(set(things)) < len(things):
        return None
    own, *others = (value_of(form.relations[0], thing) for thing in things)
    if form.shape == "same":
        # Values that are not the same must differ beyond doubt.
        return Puzzle(form, things, "", described, others[0] == own) if others[0] not in near(own) - {own} else None
    if any(not 0 < abs(int(own) - int(other)) <= WIDEST for other in others):
        return None
    truth = all((own < other) == form.less for other in others)
    return Puzzle(form, things, "", described, truth)


def _end(form: Form, thing: str) -> str:
    """Return the end of a chain from a thing."""
    one, two = form.relations
    return value_of(two, value_of(one, thing))


def _asked(rng: random.Random, form: Form, thing: str, wanted: bool) -> str:
    """Draw the value to ask about for a thing; empty where there is none."""
    right = _end(form, thing)
    asked = right if wanted else pick(rng, form.ends)
    if asked == "object" or (not wanted and asked in near(right)):
        return ""
    return asked


def _question(rng: random.Random, puzzle: Puzzle) -> str:
    names = [with_article(thing) for thing in puzzle.things]
    if puzzle.described:
        use = value_of("use", puzzle.described)
        names[puzzle.things.index(puzzle.described)] = pick(rng, DESCRIBED).format(u=use)
    form = puzzle.form
    value = value_phrase(form.relations[-1], puzzle.asked) if puzzle.asked else ""
    wording = pick(rng, form.both if len(names) > 2 else form.asks)
    return capital(wording.format(**dict(zip("abc", names, strict=False)), v=value))


def _pattern(puzzle: Puzzle) -> str:
    one, *two = puzzle.form.relations
    keys = [f"{one}/{thing}" for thing in puzzle.things]
    keys += [f"{relation}/{value_of(one, puzzle.things[0])}" for relation in two]
    keys += [f"use/{puzzle.described}"] if puzzle.described else []
    return "+".join(sorted(keys))


# ---------------------------------------------------------------------------------------------------------- explaining


def _recall(puzzle: Puzzle, narrator: Narrator) -> tuple[list[str], list[str]]:
    """Return the facts in words, and the values of the things (for a chain, of its end)."""
    things, facts = list(puzzle.things), []
    form = puzzle.form
    if puzzle.described:
        thing = narrator.result(puzzle.described, _able(form.relations))
        things[things.index(puzzle.described)] = thing
        facts.append(worded(narrator, "use", thing, value_of("use", puzzle.described), inverse=True))
    if form.shape == "chain":
        one, two = form.relations
        middle = narrator.result(value_of(one, things[0]), subjects(two))
        end = narrator.result(value_of(two, middle), values(two))
        facts += [worded(narrator, one, things[0], middle), worded(narrator, two, middle, end)]
        return facts, [end]
    relation = form.relations[0]
    told = [""] * len(things)
    for at in narrator.order(range(len(things))):
        right = value_of(relation, things[at])
        told[at] = narrator.result(right, _close(right) if relation in NUMERIC else values(relation))
        facts.append(worded(narrator, relation, things[at], told[at]))
    return facts, told


def _close(right: str) -> Callable[[random.Random], str]:
    """Return a function that draws wrong numbers, up to three away."""
    return lambda rng: str(min(9, max(1, int(right) + rng.choice((-3, -2, -1, 1, 2, 3)))))


@cache
def _able(relations: tuple[str, ...]) -> tuple[str, ...]:
    """Return the things with a use that have facts of these relations."""
    one, *two = relations
    return tuple(
        thing
        for thing in subjects("use")
        if known(one, thing) and all(known(relation, value_of(one, thing)) for relation in two)
    )


def _conclude(puzzle: Puzzle, narrator: Narrator, found: Sequence[str]) -> tuple[bool, str]:
    """Return the answer, and the comparison that gives it, in words. A slip here never corrects an earlier slip."""
    form = puzzle.form
    own, *others = found if form.shape != "chain" else (*found, puzzle.asked)
    if form.shape == "than":
        met = [own != other and (own < other) == form.less for other in others]
    else:
        met = [own == others[0]]
    yes = narrator.result(all(met), [not puzzle.truth])
    if yes != all(met):
        met = [yes, *met[1:]] if len(met) == 1 else [True] * len(met) if yes else [*met[:-1], False]
    if form.shape != "than":
        return yes, narrator.pick(*(SAME if yes else OTHER)).format(v=own, w=others[0])
    sides = [f"{_side(own, other, right, form)} {other}" for other, right in zip(others, met, strict=True)]
    return yes, f"{own} is {' and '.join(sides)}"


def _side(own: str, other: str, met: bool, form: Form) -> str:
    """Return the relation of two numbers in words, correct or after a slip."""
    if not met and own == other:
        return "the same as"
    return "less than" if met == form.less else "more than"
