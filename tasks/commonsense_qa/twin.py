"""CommonsenseQA's twin: questions about one fact of the small world (two out of distribution) in a scene, five choices.

No question contains the facts: the pocket base models know them from their pre-training text.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated

import msgspec
from msgspec import Meta
from rtbench_tasks.common.arithmetic import pick, some
from rtbench_tasks.common.text import capital
from rtbench_tasks.common.words import DAYS, NAMES
from rtbench_tasks.common.world import known, near, subject_of, subject_phrase, subjects, value_of, values, worded

from rtbench.twins import Knobs, Narrator, Problem, Twin, lettered

LETTERS = "ABCDE"


class CommonsenseKnobs(Knobs, frozen=True):
    """Knobs of :class:`CommonsenseTwin`."""

    hops: Annotated[int, Meta(ge=1, le=3)] = 1
    """Number of facts between the term in the question and the answer."""
    longer: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """Fraction of questions with one more fact, where there is a longer kind of question."""


class Hop(msgspec.Struct, frozen=True):
    """One fact on the path to an answer."""

    relation: str
    inverse: bool = False
    """True where it leads from a value to its only subject."""

    def follow(self, term: str) -> str:
        return subject_of(self.relation, term) if self.inverse else value_of(self.relation, term)

    def key(self, term: str, found: str) -> str:
        """Return a name of the fact."""
        return f"{self.relation}/{found if self.inverse else term}"


class Route(msgspec.Struct, frozen=True):
    """A kind of question: its facts and its wordings. In the wordings ``{x}`` is the term that the question names."""

    hops: tuple[Hop, ...]
    scenes: tuple[str, ...]
    asks: tuple[str, ...]


class Path(msgspec.Struct, frozen=True):
    """One question of a route, without wording and choices."""

    route: Route
    term: str
    """Term that the question names."""
    gold: str
    pattern: str
    wrong: tuple[str, ...]
    """Wrong choices, each as often as it is the answer of another question of the route. So the frequency of a choice
    reveals nothing."""


def _route(hops: str, scenes: tuple[str, ...], asks: tuple[str, ...]) -> Route:
    """Create a route; ``hops`` are names of relations, inverted by a preceding ``~``."""
    parsed = tuple(Hop(name.removeprefix("~"), inverse=name.startswith("~")) for name in hops.split())
    return Route(parsed, scenes, asks)


SEEN = (
    "{n} reads about {x} in a book of {m}.",
    "{n} shows {m} a picture of {x}.",
    "{n} dreams of {x} all {day}.",
    "On {day} {n} and {m} talk about {x}.",
)
PLANNED = (
    "{n} wants to {x} on {day}.",
    "{m} told {n} to {x} before {day}.",
    "It is time for {n} and {m} to {x}.",
    "{n} would like to {x} together with {m}.",
)
WANTED = (
    "{n} would like to have some {x}.",
    "{m} sent {n} out to get some {x}.",
    "On {day} {n} and {m} need some {x}.",
)
ROUTES = (
    _route("kind", SEEN, ("What kind of thing is it?", "To which kind of things does it belong?", "What would {m} call it?")),
    _route(
        "place",
        (
            "{n} wants to see {x} on {day}.",
            "{m} asked {n} to look for {x}.",
            "{n} hopes to find {x} before {day}.",
            "{n} and {m} set out to find {x}.",
        ),
        (
            "Where should {n} look first?",
            "Where is it most likely found?",
            "In which place would one expect it?",
        ),
    ),
    _route(
        "use",
        SEEN,
        ("What would somebody most likely do with it?", "What is such a thing used for?", "What does it help people to do?"),
    ),
    _route("~use", PLANNED, ("Which of these does {n} need?", "What would help {n} most?", "What should {n} look for?")),
    _route(
        "eats",
        (
            "{n} wants to feed {x} on {day}.",
            "{n} and {m} watch {x} that is very hungry.",
            "In a story of {m} there is {x} that looks for food.",
        ),
        ("What would it most likely eat?", "What is its usual food?", "Which food does it look for?"),
    ),
    _route("gives", SEEN, ("What can people get from it?", "What does it give people?", "For what do people thank it?")),
    _route(
        "~gives", WANTED, ("From which of these does one get that?", "What gives that to people?", "What should {n} look for?")
    ),
    _route(
        "material",
        (
            "{n} asks {m} how people make {x}.",
            "{n} looks closely at {x} that {m} likes.",
            "On {day} {n} learns how people make {x}.",
        ),
        ("What is it most likely made of?", "Which material do they need most?", "Of what does it mostly consist?"),
    ),
    _route(
        "color",
        (
            "{n} paints a picture of {x} for {m}.",
            "On {day} {n} draws {x} and takes out the paints.",
            "{m} asks {n} to paint {x} as it really is.",
        ),
        ("Which color does {n} need most?", "What color should it have?", "In which color does {n} paint it?"),
    ),
    _route(
        "has",
        ("{m} says that {n} must have seen {x}.", "On {day} {n} learns how one knows {x}.", "{n} is sure that this is {x}."),
        ("What does it have, then?", "What must it have?", "Which mark should one look for?"),
    ),
    _route(
        "for",
        ("{n} has {x} in mind.", "On {day} {n} asks {m} about {x}.", "{m} says that {n} needs {x}."),
        ("What would it be for?", "For what is such a thing made?", "What is its purpose?"),
    ),
    _route(
        "source",
        ("{n} and {m} learn about {x} on {day}.", "{m} asks {n} to bring some {x}.", "{n} has heard a lot about {x}."),
        ("What does it come from?", "What do people get it from?", "What is its source?"),
    ),
    _route(
        "worker",
        (
            "{n} meets somebody who works in {x}.",
            "{m} has found work in {x}, as {n} heard on {day}.",
            "{n} wants to work in {x} one day.",
        ),
        ("Who would that be?", "What is such a person called?", "Which work is it?"),
    ),
    _route(
        "kind has",
        SEEN,
        ("What does every thing of its kind have?", "What do all things of that kind have?", "What must all of its kind have?"),
    ),
    _route(
        "kind for",
        SEEN,
        ("What are all things of its kind for?", "For what does one make things of its kind?", "What is the purpose of its kind?"),
    ),
    _route(
        "material source",
        ("{n} asks {m} about the material of {x}.", "On {day} {n} learns what people need for {x}.", "{n} and {m} look at {x} and its material."),
        ("What does that material come from?", "What do people get that material from?", "What is the source of that material?"),
    ),
    _route(
        "place worker",
        (
            "{n} goes to the place where one finds {x}.",
            "On {day} {m} takes {n} to the usual place of {x}.",
            "{n} looks for {x} in the right place.",
        ),
        ("Who works there?", "Whom could {n} meet there at work?", "Whose place of work is that?"),
    ),
    _route("~use place", PLANNED, ("Where is the thing for that most likely found?", "Where does {n} find the right thing for it?")),
    _route("~use material", PLANNED, ("What is the right thing for that made of?", "Of what material is the thing that {n} needs?")),
    _route("~use kind", PLANNED, ("What kind of thing does one need for that?", "To which kind belongs the thing that {n} needs?")),
    _route("~gives place", WANTED, ("Where does one find what gives that?", "In which place is the thing that gives that?")),
    _route("~use kind for", PLANNED, ("What are all things of the kind that {n} needs for?", "For what are things of the kind one needs for it?")),
    _route("~use material source", PLANNED, ("What does the material of the thing for that come from?", "From what does one get the material of the thing that {n} needs?")),
    _route("~use place worker", PLANNED, ("Who works where one finds the thing for that?", "Who works in the place of the thing that {n} needs?")),
    _route("~gives place worker", WANTED, ("Who works where one finds what gives that?", "Who works in the place of the thing that gives that?")),
    _route("~gives kind has", WANTED, ("What do all things of the kind that gives that have?", "What has every thing of the kind that gives that?")),
)  # fmt: skip

SAY_START = (
    "The question is about {x}.",
    "We think of {x}.",
    "What matters is {x}.",
    "Let us begin with {x}.",
    "It starts with {x}.",
)
SAY_FOUND = ("So we look for {v}.", "The answer must be {v}.", "So it is {v}.", "We look for {v} in the list.")
SAY_LETTER = (
    "{v} is ({c}).",
    "The choice {v} is ({c}).",
    "The option {v} is ({c}).",
    "In the list {v} is ({c}).",
    "Of the choices {v} is ({c}).",
)
SAY_ALL = (
    "{Facts}, and {v} is ({c}).",
    "{Facts}, so it is ({c}).",
    "{Facts}, which gives ({c}).",
    "We know that {facts}, so it is ({c}).",
    "{Facts}, so we take ({c}).",
    "{Facts}: choice ({c}).",
)


class CommonsenseTwin(Twin[CommonsenseKnobs]):
    """Twin of CommonsenseQA. Pattern: the facts that lead to the answer; scenes, names and choices vary within it."""

    knobs = CommonsenseKnobs()
    harder = CommonsenseKnobs(hops=2)

    def draw(self, rng: random.Random, knobs: CommonsenseKnobs) -> Problem:
        hops = knobs.hops + (knobs.hops < 3 and rng.random() < knobs.longer)
        path = pick(rng, paths(hops))
        choices = [path.gold]
        while len(choices) < len(LETTERS):
            other = pick(rng, path.wrong)
            if other not in choices:
                choices.append(other)
        choices = some(rng, choices, len(choices))
        name, friend = some(rng, NAMES, 2)
        wording = f"{pick(rng, path.route.scenes)} {pick(rng, path.route.asks)}"
        told = wording.format(n=name, m=friend, x=_named(path.route.hops[0], path.term), day=pick(rng, DAYS))
        return Problem(
            question=lettered(told, choices),
            answer=LETTERS[choices.index(path.gold)],
            pattern=path.pattern,
            facts=path,
            choices=tuple(choices),
        )

    def explain(self, problem: Problem, narrator: Narrator) -> str:
        path: Path = problem.facts
        hops = path.route.hops
        # Always drawn, so that wordings do not depend on mistakes.
        guess = narrator.pick(*LETTERS)
        narrator.restate(*SAY_START, x=_start(hops[0], path.term))
        term, facts = path.term, []
        for at, hop in enumerate(hops):
            wrong = problem.choices if at + 1 == len(hops) else _passing(hops, at)
            found = narrator.result(hop.follow(term), wrong)
            subject, value = (found, term) if hop.inverse else (term, found)
            facts.append(worded(narrator, hop.relation, subject, value, inverse=hop.inverse))
            if narrator.fine:
                narrator.say("{fact}.", fact=capital(facts[-1]))
            term = found
        right = LETTERS[problem.choices.index(term)] if term in problem.choices else guess
        # A slip here never corrects an earlier slip.
        letter = narrator.result(right, [letter for letter in LETTERS if letter != problem.answer])
        if narrator.fine:
            narrator.restate(*SAY_FOUND, v=term)
            narrator.say(*SAY_LETTER, v=term, c=letter)
        else:
            joined = " and ".join(facts)
            narrator.say(*SAY_ALL, facts=joined, Facts=capital(joined), v=term, c=letter)
        return letter


def _named(hop: Hop, term: str) -> str:
    """Return the term that a question names, in the form that its wording needs."""
    return term if hop.inverse else subject_phrase(hop.relation, term)


def _start(hop: Hop, term: str) -> str:
    """Return the term that a question names, as the explanation begins with it."""
    if hop.inverse:
        return f"what helps to {term}" if hop.relation == "use" else f"what gives {term}"
    return subject_phrase(hop.relation, term)


def _goes_on(hops: tuple[Hop, ...], term: str) -> bool:
    """Return whether all hops can be followed from a term."""
    for hop in hops:
        if not hop.inverse and not known(hop.relation, term):
            return False
        term = hop.follow(term)
    return True


def _terms(hop: Hop) -> tuple[str, ...]:
    """Return the terms from which a hop can be followed."""
    return values(hop.relation) if hop.inverse else subjects(hop.relation)


@cache
def _passing(hops: tuple[Hop, ...], at: int) -> tuple[str, ...]:
    """Return the results of a hop, correct and wrong, from which the remaining hops can be followed."""
    hop = hops[at]
    ends = subjects(hop.relation) if hop.inverse else values(hop.relation)
    return tuple(end for end in ends if _goes_on(hops[at + 1 :], end))


@cache
def paths(hops: int) -> tuple[Path, ...]:
    """Return all questions with ``hops`` facts."""
    return tuple(path for route in ROUTES if len(route.hops) == hops for path in _of_route(route))


def _of_route(route: Route) -> Iterator[Path]:
    ends: Mapping[str, tuple[str, str]] = {
        term: _follow(route, term) for term in _terms(route.hops[0]) if _goes_on(route.hops, term)
    }
    for term, (gold, pattern) in ends.items():
        # At an inverse end the choices are things: those that have no similar use are wrong.
        close = near(term) if route.hops[-1].inverse else near(gold)
        wrong = tuple(
            end for other, (end, _) in ends.items() if (other if route.hops[-1].inverse else end) not in close
        )
        if len(set(wrong)) >= len(LETTERS) - 1:
            yield Path(route, term, gold, pattern, wrong)


def _follow(route: Route, term: str) -> tuple[str, str]:
    """Return the answer of a route from a term, and the facts that lead there."""
    keys: list[str] = []
    for hop in route.hops:
        found = hop.follow(term)
        keys.append(hop.key(term, found))
        term = found
    return term, "+".join(sorted(keys))
