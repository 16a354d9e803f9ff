"""Last Letter Concatenation's twin: the last letters of three or four names (five or six out of distribution)."""

from __future__ import annotations

import random
from typing import Annotated

from msgspec import Meta
from rtbench_tasks.common.words import NAMES

from rtbench.twins import Knobs, Narrator, Problem, Twin


class LastLetterKnobs(Knobs, frozen=True):
    """Knobs of :class:`LastLetterTwin`."""

    words: Annotated[int, Meta(ge=1, le=len(NAMES))] = 4
    """Largest number of names in a question."""
    fewest: Annotated[int, Meta(ge=1)] = 3
    """Smallest number of names; ``words`` where that is smaller."""


ASK = (
    'Join the last letter of each word in "{w}".',
    'What do the last letters of the words in "{w}" make when joined?',
    'Which letters end the words in "{w}"? Write them together.',
    'Put the last letters of the names "{w}" together.',
    'Write the last letters of "{w}" as one word.',
)
SAY_WORDS = (
    "The words are {w}.",
    "We look at {w}.",
    "There are {n} words: {w}.",
    "The {n} names are {w}.",
)
SAY_LETTER = (
    'The last letter of "{w}" is "{c}".',
    '"{w}" ends in "{c}".',
    'From "{w}" we take "{c}".',
    'At the end of "{w}" stands "{c}".',
)
SAY_LETTERS = (
    "The last letters are {c}.",
    "The words end in {c}.",
    "We take {c}.",
    "Their ends are {c}.",
    "The letters at the ends are {c}.",
)
SAY_JOIN = (
    'Together that is "{j}".',
    'Joined they are "{j}".',
    'That makes "{j}".',
    'Put together: "{j}".',
    'As one word it is "{j}".',
)
SAY_COUNT = (
    "That is {n} letters.",
    "We have {n} letters.",
    "These are all {n} letters.",
    "All {n} words are done.",
)


class LastLetterTwin(Twin[LastLetterKnobs]):
    """Twin of Last Letter Concatenation. Pattern: the set of names, sorted."""

    knobs = LastLetterKnobs()
    harder = LastLetterKnobs(words=6, fewest=5)

    def draw(self, rng: random.Random, knobs: LastLetterKnobs) -> Problem:
        words = rng.sample(NAMES, rng.randint(min(knobs.fewest, knobs.words), knobs.words))
        return Problem(
            question=rng.choice(ASK).format(w=" ".join(words)),
            answer="".join(word[-1] for word in words).lower(),
            pattern=" ".join(sorted(words)),
            facts=tuple(words),
        )

    def explain(self, problem: Problem, narrator: Narrator) -> str:
        words: tuple[str, ...] = problem.facts
        narrator.restate(*SAY_WORDS, w=", ".join(words), n=len(words))
        # Any order would do; with the question's order, the letters can be joined as listed.
        letters: list[str] = []
        for word in words:
            spelled = word.lower()
            letter = narrator.result(spelled[-1], spelled)
            if narrator.fine:
                narrator.say(*SAY_LETTER, w=word, c=letter)
            letters.append(letter)
        if not narrator.fine:
            narrator.say(*SAY_LETTERS, c=", ".join(letters))
        narrator.restate(*SAY_COUNT, n=len(letters))
        joined = narrator.result("".join(letters), lambda rng: _misjoined(rng, letters))
        narrator.say(*SAY_JOIN, j=joined)
        return joined


def _misjoined(rng: random.Random, letters: list[str]) -> str:
    """Return the letters with one left out, or with two neighbours swapped."""
    at = rng.randrange(len(letters))
    if at == 0 or rng.random() < 0.5:
        return "".join(letters[:at] + letters[at + 1 :]) or letters[0] * 2
    return "".join([*letters[: at - 1], letters[at], letters[at - 1], *letters[at + 1 :]])
