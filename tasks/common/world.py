"""The small world of the commonsense twins: about 80 things and common knowledge about them.

The pocket base models read the world one fact at a time in their pre-training text. The twins then ask for facts, and
for conclusions from two or three of them. That text comes from :func:`one_fact`: random facts in random wordings, each
fact equally often.

A :class:`FactText` is the concatenation of ``text_before + value + text_after`` (the space before the value is part of
the value): ``"A robin is found in the"``, ``" garden"``, ``"."``. The text before the value determines it. A sentence
states one fact, or asks for one fact and answers; no sentence joins two facts. Every fact that a twin uses is in
:data:`FACTS`, so that the pre-training text covers it.

The facts are in ``world_tables.py``, their wordings in this file. Change nothing in either without training those
models again.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from functools import cache

import msgspec
from rtbench_tasks.common.text import capital
from rtbench_tasks.common.world_tables import ANIMALS, KINDS, MATERIALS, OBJECTS, OVERLAPS, PLANTS, WORKERS

from rtbench.twins import Narrator

Key = tuple[str, str]
"""Relation and subject of a fact."""
_MARK = "\0"


class FactText(msgspec.Struct, frozen=True):
    """One sentence of one fact, in three parts with nothing between them."""

    text_before: str
    value: str
    """Value that the world and ``text_before`` determine; it begins with a space."""
    text_after: str


class Fact(msgspec.Struct, frozen=True):
    """One fact of the world."""

    relation: str
    subject: str
    value: str

    @property
    def key(self) -> Key:
        """Return relation and subject."""
        return self.relation, self.subject


class Relation(msgspec.Struct, frozen=True):
    """Wordings of the facts of one relation.

    They are patterns of ``str.format``: ``{s}`` is the subject and ``{v}`` the value, both with their articles. The
    sentence states the one that comes last.
    """

    name: str
    clauses: tuple[str, ...]
    """Statements without a capital letter and period."""
    asks: tuple[str, ...]
    """Questions that the value answers."""
    inverse: tuple[str, ...] = ()
    """Statements that give the subject of a value; only where no two subjects share a value."""
    inverse_asks: tuple[str, ...] = ()


# ----------------------------------------------------------------------------------------------------------- wordings

_A_CLASS = (
    "{{s}} has {x} {{v}}", "the {x} of {{s}} is {{v}}", "{{s}} is of {x} {{v}}", "by {x} {{s}} is {{v}}",
    "for {{s}} the {x} is {{v}}",
)  # fmt: skip
_IS_A = ("{s} is {v}", "{s} counts as {v}", "by its kind {s} is {v}", "one knows {s} as {v}", "everyone calls {s} {v}")


def _a_class(name: str, question: str) -> Relation:
    clauses = tuple(clause.format(x=name) for clause in _A_CLASS)
    return Relation(name, clauses, (question, f"What {name} has {{s}}?", f"Which is the {name} of {{s}}?"))


RELATIONS: Mapping[str, Relation] = {
    relation.name: relation
    for relation in (
        Relation("kind", _IS_A, ("What is {s}?", "What kind of thing is {s}?", "What does one call {s}?")),
        Relation(
            "place",
            (
                "{s} is found in the {v}", "the place of {s} is the {v}", "{s} belongs in the {v}",
                "one finds {s} in the {v}", "you see {s} in the {v}",
            ),
            ("Where is {s} found?", "Where do you find {s}?", "Where does {s} belong?"),
        ),
        Relation(
            "use",
            ("{s} is used to {v}", "people use {s} to {v}", "with {s} one can {v}", "{s} helps to {v}", "{s} serves to {v}"),
            ("What is {s} used for?", "What does one do with {s}?", "What does {s} help to do?"),
            inverse=(
                "to {v} one takes {s}", "to {v} people use {s}", "to {v} you need {s}", "who wants to {v} uses {s}",
                "what helps to {v} is {s}",
            ),
            inverse_asks=("What do you need to {v}?", "What helps to {v}?"),
        ),
        Relation(
            "eats",
            ("{s} eats {v}", "{s} feeds on {v}", "the food of {s} is {v}", "{s} lives on {v}", "{s} likes to eat {v}"),
            ("What does {s} eat?", "What is the food of {s}?"),
        ),
        Relation(
            "gives",
            ("{s} gives {v}", "{s} gives us {v}", "from {s} one gets {v}", "{s} is a source of {v}", "{s} makes {v}"),
            ("What does {s} give?", "What does one get from {s}?"),
            inverse=("one gets {v} from {s}", "we have {v} from {s}", "people take {v} from {s}", "what gives {v} is {s}"),
            inverse_asks=("What gives {v}?", "What does one get {v} from?"),
        ),
        Relation(
            "material",
            (
                "{s} is made of {v}", "{s} is mostly {v}", "the material of {s} is {v}", "{s} consists of {v}",
                "for {s} one takes {v}",
            ),
            ("What is {s} made of?", "What is the material of {s}?"),
        ),
        Relation(
            "color",
            (
                "the color of {s} is {v}", "{s} has the color {v}", "{s} looks {v}", "in color {s} is {v}",
                "one paints {s} {v}",
            ),
            ("What color is {s}?", "Which color has {s}?"),
        ),
        _a_class("size", "How big is {s}?"),
        _a_class("weight", "How heavy is {s}?"),
        _a_class("speed", "How fast is {s}?"),
        Relation("group", _IS_A, ("What is {s}?", "What does {s} count as?")),
        Relation(
            "has",
            ("{s} has {v}", "{s} always has {v}", "what marks {s} is {v}", "{s} comes with {v}", "{s} must have {v}"),
            ("What does {s} have?", "What marks {s}?"),
        ),
        Relation(
            "for",
            ("{s} is for {v}", "{s} is made for {v}", "the purpose of {s} is {v}", "{s} is good for {v}", "{s} is there for {v}"),
            ("What is {s} for?", "What is the purpose of {s}?"),
        ),
        Relation(
            "water",
            ("in water {s} {v}", "in a pond {s} {v}", "put into water {s} {v}", "on a lake {s} {v}"),
            ("What does {s} do in water?",),
        ),
        Relation(
            "fire",
            ("in a fire {s} {v}", "in flames {s} {v}", "put into a fire {s} {v}", "over a fire {s} {v}"),
            ("What does {s} do in a fire?",),
        ),
        Relation(
            "fall",
            ("in a fall {s} {v}", "when dropped {s} {v}", "on a hard floor {s} {v}", "after a fall {s} {v}"),
            ("What does {s} do in a fall?",),
        ),
        Relation(
            "source",
            ("{s} comes from {v}", "the source of {s} is {v}", "{s} is won from {v}", "the origin of {s} is {v}"),
            ("What does {s} come from?", "What is the source of {s}?"),
        ),
        Relation(
            "worker",
            (
                "in {s} works {v}", "who works in {s} is {v}", "{s} is the place of {v}", "in {s} you meet {v}",
                "the work in {s} is done by {v}",
            ),
            ("Who works in {s}?", "Whom do you meet in {s}?"),
        ),
    )
}  # fmt: skip


# --------------------------------------------------------------------------------------------------------------- facts


def _rows(table: str, relations: str) -> Iterator[Fact]:
    """Yield the facts of a table whose columns after the subject are these relations."""
    for line in table.strip().splitlines():
        *words, last = (cell.strip() for cell in line.split("|"))
        subject, *cells = (*words, *last.split()) if last[0].isdigit() else (*words, last)
        for relation, value in zip(relations.split(), cells, strict=True):
            if value != "-":
                yield Fact(relation, subject, value)


FACTS: Mapping[Key, Fact] = {
    fact.key: fact
    for rows in (
        _rows(ANIMALS, "kind place eats gives color size weight speed"),
        _rows(PLANTS, "kind place use gives color size weight"),
        _rows(OBJECTS, "kind place use material color size weight speed"),
        _rows(KINDS, "group has for"),
        _rows(MATERIALS, "water fire fall source"),
        _rows(WORKERS, "worker"),
    )
    for fact in rows
}
"""All facts, by relation and subject."""
_ALL = tuple(FACTS.values())
THINGS = tuple(fact.subject for fact in _ALL if fact.relation == "kind")
NUMERIC = ("size", "weight", "speed")
"""Relations whose values are classes from 1 to 9."""
_BARE = frozenset({"water", "fire", "fall", "source"})
"""Relations whose subjects are materials, which have no article."""
_CLASSES = frozenset({"kind", "group", "worker"})
"""Relations whose values have an article."""


def with_article(noun: str) -> str:
    """Return a noun with its article: ``a robin``, ``an owl``."""
    if noun == "furniture":
        return "a piece of furniture"
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def subject_phrase(relation: str, subject: str) -> str:
    """Return a subject as written in sentences about a relation: ``a robin``, ``steel``, ``the garden``."""
    if relation in _BARE:
        return subject
    return f"the {subject}" if relation == "worker" else with_article(subject)


def value_phrase(relation: str, value: str) -> str:
    """Return a value as written in sentences about a relation: ``a bird``, ``hit nails``, ``3``."""
    return with_article(value) if relation in _CLASSES else value


def fill(pattern: str, relation: str, subject: str, value: str) -> str:
    """Return a wording of a relation, filled in with a subject and a correct or wrong value."""
    return pattern.format(s=subject_phrase(relation, subject), v=value_phrase(relation, value))


def value_of(relation: str, subject: str) -> str:
    """Return the value of a fact.

    Raises:
        KeyError: there is no such fact.
    """
    return FACTS[relation, subject].value


def known(relation: str, subject: str) -> bool:
    """Return whether there is a fact of a relation about a subject."""
    return (relation, subject) in FACTS


@cache
def subjects(relation: str) -> tuple[str, ...]:
    """Return all subjects that have a fact of a relation."""
    return tuple(fact.subject for fact in _ALL if fact.relation == relation)


@cache
def values(relation: str) -> tuple[str, ...]:
    """Return all different values of a relation."""
    return tuple(dict.fromkeys(fact.value for fact in _ALL if fact.relation == relation))


@cache
def subject_of(relation: str, value: str) -> str:
    """Return the only subject with a value, for relations that have :attr:`Relation.inverse`."""
    (subject,) = (fact.subject for fact in _ALL if fact.relation == relation and fact.value == value)
    return subject


@cache
def near(value: str) -> frozenset[str]:
    """Return a value and the values that may also be true in the real world."""
    lines = (line.split(", ") if "," in line else line.split() for line in OVERLAPS)
    return frozenset(word for line in lines if value in line for word in line) | {value}


def worded(narrator: Narrator, relation: str, subject: str, value: str, *, inverse: bool = False) -> str:
    """Return a correct or wrong fact as a clause in a wording that the narrator picks."""
    wordings = RELATIONS[relation]
    return fill(narrator.pick(*(wordings.inverse if inverse else wordings.clauses)), relation, subject, value)


# ---------------------------------------------------------------------------------------------------- pre-training text


@cache
def texts_of(fact: Fact) -> tuple[FactText, ...]:
    """Return all sentences that state a fact, or ask for it and answer."""
    relation = RELATIONS[fact.relation]
    subject, value = subject_phrase(fact.relation, fact.subject), value_phrase(fact.relation, fact.value)
    wordings = [(clause, subject, value, True) for clause in relation.clauses]
    wordings += [(f"{ask} {{v}}", subject, value, True) for ask in relation.asks]
    wordings += [(clause, subject, value, False) for clause in relation.inverse]
    wordings += [(f"{ask} {{s}}", subject, value, False) for ask in relation.inverse_asks]
    return tuple(_text(*wording) for wording in wordings)


def _text(pattern: str, subject: str, value: str, forward: bool) -> FactText:
    text = pattern.format(s=subject if forward else _MARK, v=_MARK if forward else value)
    before, _, after = text.partition(_MARK)
    return FactText(capital(before.removesuffix(" ")), f" {value if forward else subject}", f"{after}.")


def one_fact(rng: random.Random) -> FactText:
    """Return a random sentence of a random fact."""
    return rng.choice(texts_of(rng.choice(_ALL)))
