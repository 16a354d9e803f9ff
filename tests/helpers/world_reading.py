"""Reads questions of the commonsense twins and answers them from their text alone, for the tests of those twins: words of a
question are looked up in the world's facts; wordings and steps of the twins are not used."""

from __future__ import annotations

import re

from rtbench_tasks.common.world import FACTS, THINGS

TABLE = {(fact.relation, fact.subject): fact.value for fact in FACTS.values()}
USERS = {value: subject for (relation, subject), value in TABLE.items() if relation == "use"}
GIVERS = {value: subject for (relation, subject), value in TABLE.items() if relation == "gives"}

ENDS = (
    ("its kind have|that kind have|of its kind have", "kind has"),
    ("its kind for|things of its kind|purpose of its kind", "kind for"),
    ("kind that gives that", "~gives kind has"),
    ("kind that .* needs for|kind one needs", "~use kind for"),
    ("material of the thing", "~use material source"),
    ("that material", "material source"),
    ("works? (where|in the place).*gives that", "~gives place worker"),
    ("works? (where|in the place)", "~use place worker"),
    ("works there|meet there|place of work", "place worker"),
    ("(find what|place is the thing that) gives that", "~gives place"),
    ("Where is the thing|find the right thing", "~use place"),
    ("right thing for that made|Of what material", "~use material"),
    ("kind of thing does one need|kind belongs", "~use kind"),
    ("kind of thing is it|kind of things|would .* call it", "kind"),
    ("look first|most likely found|expect it", "place"),
    ("do with it|thing used for|help people to do", "use"),
    ("of these does one get that|gives that to people", "~gives"),
    ("of these does .* need|would help", "~use"),
    ("likely eat|usual food|food does it look", "eats"),
    ("people get from it|it give people|people thank", "gives"),
    ("made of|material do they need|mostly consist", "material"),
    ("color", "color"),
    ("it have, then|must it have|mark", "has"),
    ("would it be for|thing made|its purpose", "for"),
    ("it come from|get it from|its source", "source"),
    ("Who would that be|person called|work is it", "worker"),
)
"""What the last sentence of a question asks for, in the order in which they are tried."""


def walk(term: str, chain: str) -> str:
    for step in chain.split():
        if step == "~use":
            term = USERS[term]
        elif step == "~gives":
            term = GIVERS[term]
        else:
            term = TABLE[step, term]
    return term


def listed_choices(question: str) -> dict[str, str]:
    tail = question.rpartition("Answer choices: ")[2].removesuffix(".")
    return dict(re.findall(r"\(([A-E])\) ([a-z ]+)(?:, |$)", tail))


def read_commonsense(question: str) -> tuple[str, str]:
    """What a question names, and what it asks of it."""
    stem = question.partition(" Answer choices: ")[0]
    scene, _, ask = stem.partition(". ")
    tasks = [use for use in USERS if f" to {use}" in scene]
    goods = [good for good in GIVERS if f" some {good}" in scene]
    if re.search(r"should [A-Z]\w+ look for\?", ask):
        chain = "~use" if tasks else "~gives"
    else:
        chain = next(chain for pattern, chain in ENDS if re.search(pattern, ask))
    if chain.startswith("~"):
        (term,) = tasks if chain.startswith("~use") else goods
        return term, chain
    words = re.sub(r"a piece of (\w+)", r"a \1", scene)
    first = chain.split()[0]
    named = {word for word in re.findall(r"[a-z]+", words) if (first, word) in TABLE}
    if first in ("kind", "place", "use", "eats", "gives", "material", "color"):
        named = {word for word in named if re.search(rf"\ban? {word}\b", words)}
    (term,) = named
    return term, chain


def solve_commonsense(question: str) -> tuple[str, int]:
    """The letter, and the number of facts. Fails unless exactly one choice is true in the world."""
    term, chain = read_commonsense(question)
    answer = walk(term, chain)
    (letter,) = [letter for letter, choice in listed_choices(question).items() if choice == answer]
    return letter, len(chain.split())


MORE = ("heavier", "more than", "carry", "bigger", "larger", "faster", "beat")
LESS = ("lighter", "less than", "smaller", "less room", "fit inside", "put", "hide", "slower", "lose")
MEASURES = {
    "weight": ("heavier", "weigh", "lighter", "carry"),
    "size": ("bigger", "larger", "smaller", "room", "fit inside", "put", "hide"),
    "speed": ("faster", "race", "slower"),
}
SHARED = {"same kind": "kind", "same place": "place", "same color": "color", "same material": "material"}
MATTER = (
    ("float|top of the water", "water", "floats"),
    ("sink|deep water", "water", "sinks"),
    ("burn|flames", "fire", "burns"),
    ("survive a fire|after a fire", "fire", "lasts"),
    ("break|bad to drop", "fall", "breaks"),
    ("survive a fall|without harm", "fall", "lasts"),
)

CHAINS = (("material", "source"), ("kind", "group"), ("kind", "has"), ("kind", "for"), ("place", "worker"))


def read_strategy(question: str) -> tuple[list[str], int, str]:
    """Things in order, facts needed to know which they are, and the question with the things taken out."""
    text = question[0].lower() + question[1:]
    described = [use for use in USERS if f"to {use}" in text]
    assert len(described) <= 1
    for use in described:
        text = re.sub(rf"(the thing (that helps|one uses)|what one needs) to {use}", f"a {USERS[use]}", text)
    things = [word for word in re.findall(r"\ban? (\w+)", text) if word in THINGS]
    return things, len(described), re.sub(r"\ban? (\w+)", lambda m: "_" if m[1] in THINGS else m[0], text)


def solve_strategy(question: str) -> tuple[str, int]:
    """The answer, and the number of facts."""
    things, hidden, rest = read_strategy(question)
    found = shared(things, rest) or measured(things, rest) or property_of(things, rest)
    assert found, f"not understood: {question}"
    return found[0], found[1] + hidden


def shared(things: list[str], rest: str) -> tuple[str, int] | None:
    for words, relation in SHARED.items():
        if words in rest:
            one, two = (TABLE[relation, thing] for thing in things)
            return ("Yes" if one == two else "No"), 2
    return None


def measured(things: list[str], rest: str) -> tuple[str, int] | None:
    for relation, words in MEASURES.items():
        if len(things) > 1 and any(word in rest for word in words):
            own, *others = (int(TABLE[relation, thing]) for thing in (things[::-1] if "to hide" in rest else things))
            assert own not in others, "equal numbers decide nothing"
            larger = any(word in rest for word in MORE)
            assert larger != any(word in rest for word in LESS), rest
            return ("Yes" if all((own > other) == larger for other in others) else "No"), len(things)
    return None


def property_of(things: list[str], rest: str) -> tuple[str, int] | None:
    (thing,) = things
    for pattern, relation, wanted in MATTER:
        if re.search(pattern, rest):
            return ("Yes" if TABLE[relation, TABLE["material", thing]] == wanted else "No"), 2
    for middle, relation in CHAINS:
        ends = {value for (name, _), value in TABLE.items() if name == relation}
        asked = [word for word in re.findall(r"[a-z]+", rest) if word in ends]
        if asked and (relation == "for") == bool(re.search("made for|purpose", rest)):
            return ("Yes" if TABLE[relation, TABLE[middle, thing]] == asked[0] else "No"), 2
    return None
