"""The narrator, through which a twin writes an explanation."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

from rtbench.errors import BadInputError

_TRIES = 200
"""Maximum number of wrong results to draw until one differs from the correct result."""

T = TypeVar("T")


class Narrator:
    """Writes an explanation for a twin: chooses wordings and makes mistakes.

    Args:
        words: random generator for wordings.
        errors: random generator for mistakes; separate from ``words``, so that the error rate does not affect wordings.
        fine: explain every step; a twin's coarse explanation merges steps.
        verbosity: how often facts of the question are restated. 0: never; 1: half of the time; 2: always.
        error_rate: probability of a mistake at each step.
        mix: probabilities of a slip, a malformed answer and a truncation, given a mistake; they sum to 1.
        twin: name of the twin, for messages.
    """

    def __init__(
        self,
        words: random.Random,
        errors: random.Random | None = None,
        *,
        fine: bool = True,
        verbosity: int = 1,
        error_rate: float = 0.0,
        mix: tuple[float, float, float] = (1.0, 0.0, 0.0),
        twin: str = "a twin",
    ) -> None:
        self.words = words
        self.fine = fine
        self.verbosity = verbosity
        self.malformed = False
        """True where the answer must be written in a wrong format."""
        self.slips = 0
        self._errors = errors or words
        self._rate = error_rate
        self._mix = mix
        self._twin = twin
        self._sentences: list[str] = []
        self._cutting = False
        """True where the next sentence is the last."""
        self._cut = False
        self._left_out: int | None = None
        """Number of words that a truncated text lacks; drawn when the text is first read, after all mistakes."""

    @property
    def truncated(self) -> bool:
        """Return whether the text ends in the middle of a sentence."""
        return self._cutting

    def say(self, *wordings: str, **values: object) -> None:
        """Add one sentence: one of the wordings, filled in with ``str.format``.

        Raises:
            BadInputError: the wording cannot be filled in with these values.
        """
        if not self._cut:
            wording = wordings[0] if len(wordings) == 1 else self.words.choice(wordings)
            try:
                self._sentences.append(wording.format(**values))
            except (LookupError, ValueError, AttributeError, TypeError) as error:
                raise BadInputError(
                    f"the wording {wording!r} cannot be filled in ({type(error).__name__}: {error})",
                    where=self._twin,
                    next_step=f"Its values are: {', '.join(values) or 'none'}. A literal brace is written twice.",
                ) from error
            self._cut = self._cutting

    def restate(self, *wordings: str, **values: object) -> None:
        """Add a sentence that repeats a fact of the question, or leave it out, depending on the verbosity."""
        if self.verbosity >= 2 or (self.verbosity == 1 and self.words.random() < 0.5):
            self.say(*wordings, **values)

    def result(self, right: T, wrong: Callable[[random.Random], T] | Sequence[T]) -> T:
        """Return the result of one step: the correct one, or, at the narrator's error rate, a wrong one.

        Args:
            right: the correct result.
            wrong: wrong results, or a function that draws one; a draw that equals ``right`` is repeated.
        """
        if self._rate == 0 or self._errors.random() >= self._rate:
            return right
        kind = self._errors.choices(("slip", "malformed", "truncated"), self._mix)[0]
        if kind == "malformed":
            self.malformed = True
            return right
        if kind == "truncated":
            self._cutting = True
            return right
        options = wrong if callable(wrong) else None
        for _ in range(_TRIES):
            slip = options(self._errors) if options else self._errors.choice(wrong)  # type: ignore[arg-type]
            if slip != right:
                self.slips += 1
                return slip
        return right

    def order(self, items: Sequence[T]) -> list[T]:
        """Return the items in random order, for steps that may be in any order."""
        return self.words.sample(items, len(items))

    def pick(self, *options: str) -> str:
        """Return one of several words or phrases with the same meaning."""
        return self.words.choice(options)

    @property
    def text(self) -> str:
        """Return the whole explanation; a truncated text ends somewhere in its last sentence."""
        text = " ".join(self._sentences)
        if not self.truncated or not text:
            return text
        if self._left_out is None:
            self._left_out = self._errors.randint(1, 4)
        words = text.split(" ")
        return " ".join(words[: max(1, len(words) - self._left_out)])


def near(number: int, least: int = 0) -> Callable[[random.Random], int]:
    """Return a function that draws typical wrong results: off by one, two or ten, and at least ``least``."""

    def draw(rng: random.Random) -> int:
        return max(least, number + rng.choice((-10, -2, -1, 1, 2, 10)))

    return draw
