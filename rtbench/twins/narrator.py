"""What a twin writes an explanation with."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

from rtbench.errors import BadInputError

_TRIES = 200
"""Wrong results that are drawn until one differs from the right one."""

T = TypeVar("T")


class Narrator:
    """What a twin writes an explanation with.

    Args:
        words: chooses wordings.
        errors: makes mistakes; apart from ``words``, so that an error rate changes no wording.
        fine: say every step; a twin's coarse explanation merges steps.
        verbosity: 0 never restates what the question says, 1 does so half of the time, 2 always.
        error_rate: probability of a mistake at each step.
        mix: probabilities of a slip, a malformed answer and a truncation, given a mistake; they sum to 1.
        twin: whose wordings it is given, for messages.
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
        """The answer must not be written as it should be."""
        self.slips = 0
        self._errors = errors or words
        self._rate = error_rate
        self._mix = mix
        self._twin = twin
        self._sentences: list[str] = []
        self._cutting = False
        """The next sentence is the last."""
        self._cut = False
        self._left_out: int | None = None
        """Words that a truncated text lacks; drawn when it is first read, behind all mistakes."""

    @property
    def truncated(self) -> bool:
        """The text ends in the middle of a sentence."""
        return self._cutting

    def say(self, *wordings: str, **values: object) -> None:
        """Adds one sentence: one of the wordings, filled in with ``str.format``.

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
                    next_step=f"It is given {', '.join(values) or 'no values'}; a brace that is meant is written twice.",
                ) from error
            self._cut = self._cutting

    def restate(self, *wordings: str, **values: object) -> None:
        """A sentence that repeats what the question says; said or not by verbosity."""
        if self.verbosity >= 2 or (self.verbosity == 1 and self.words.random() < 0.5):
            self.say(*wordings, **values)

    def result(self, right: T, wrong: Callable[[random.Random], T] | Sequence[T]) -> T:
        """The result of one step: the right one, or at the narrator's error rate a wrong one.

        Args:
            right: what the step comes to.
            wrong: alternatives, or what draws one; a draw that equals ``right`` is repeated.
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
            found = options(self._errors) if options else self._errors.choice(wrong)  # type: ignore[arg-type]
            if found != right:
                self.slips += 1
                return found
        return right

    def order(self, items: Sequence[T]) -> list[T]:
        """The items in an order of the narrator's choice, for steps whose order is free."""
        return self.words.sample(items, len(items))

    def pick(self, *options: str) -> str:
        """One of several words or phrases that mean the same."""
        return self.words.choice(options)

    @property
    def text(self) -> str:
        """All that was said; a truncated text ends somewhere in its last sentence."""
        text = " ".join(self._sentences)
        if not self.truncated or not text:
            return text
        if self._left_out is None:
            self._left_out = self._errors.randint(1, 4)
        words = text.split(" ")
        return " ".join(words[: max(1, len(words) - self._left_out)])


def near(number: int, least: int = 0) -> Callable[[random.Random], int]:
    """Wrong results of a sum, as people make them: off by one or two, or by ten."""

    def draw(rng: random.Random) -> int:
        return max(least, number + rng.choice((-10, -2, -1, 1, 2, 10)))

    return draw
