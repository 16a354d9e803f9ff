"""The contract of answer rules: find an answer in a completion, and compare it with the gold."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from rtbench.schema.base import Record

AnswerType = Literal["number", "choice", "yes_no", "string"]

_CAPITALS = re.compile(r"[A-Z]+")


class RuleOptions(Record, frozen=True, omit_defaults=True):
    """A task's settings that a rule needs."""

    answer_type: AnswerType
    letters: str = "ABCDE"
    """Choice letters."""
    tolerance: float | None = None
    """For ``paper`` only: numbers within this distance are equal; None compares them as strings."""
    lower_gold: bool = True
    """For ``paper`` and ``kojima``: whether to lower-case golds of yes/no tasks before the comparison."""

    def __post_init__(self) -> None:
        if not _CAPITALS.fullmatch(self.letters):
            raise ValueError(f"`letters` must be capital letters such as ABCDE, not {self.letters!r}")


class Found(msgspec.Struct, frozen=True, gc=False):
    """A rule's findings in one completion."""

    extracted: str | None
    """The answer; None where there is no candidate."""
    collected: Sequence[str] | Callable[[], Sequence[str]]
    """The candidates, or a function that searches for them: most answers are right, so that they are not needed."""
    correct_format: bool
    """True where the answer prefix is present or none is expected."""
    searched: str | None = None
    """Text in which ``collected`` searches."""

    @property
    def candidates(self) -> Sequence[str]:
        """Return possible answers in order of appearance, but with our own rules choices' texts come last."""
        return self.collected() if callable(self.collected) else self.collected


class AnswerRule(ABC):
    """Finds answers of one type and compares them with golds, by the task's settings in ``options``."""

    name: str
    version: int
    cites: str

    def __init__(self, options: RuleOptions) -> None:
        self.options = options

    @abstractmethod
    def find(self, text: str, prefix: str | None, choices: Sequence[str]) -> Found:
        """Find the answer in a text.

        Args:
            text: a completion.
            prefix: text before the answer in the prompt's format; None where it has none.
            choices: texts of the choices in letter order; empty where the task has none.
        """

    def runs_on(self, text: str, prefix: str | None, choices: Sequence[str]) -> bool:
        """Return whether the rule ignores text that a model wrote after its answer; arguments as in :meth:`find`."""
        return False

    def last(self, text: str, choices: Sequence[str]) -> str | None:
        """Return the answer that a text without an answer prefix ends with, such as a rationale's own conclusion."""
        candidates = self.find(text, None, choices).candidates
        return candidates[-1] if candidates else None

    @abstractmethod
    def matcher(self, gold: str) -> Callable[[str], bool]:
        """Return a function that says whether a candidate is the gold answer, which is parsed once.

        Raises:
            BadInputError: the gold is not an answer of the task's type.
        """

    def contained(self, gold: str) -> Callable[[Found], bool]:
        """Return a function that says whether any candidate is the gold answer; raises as :meth:`matcher` does."""
        matches = self.matcher(gold)
        return lambda found: any(map(matches, found.candidates))

    def equal(self, extracted: str, gold: str) -> bool:
        """Return whether a candidate is the gold answer; raises as :meth:`matcher` does."""
        return self.matcher(gold)(extracted)

    @abstractmethod
    def canonical(self, extracted: str) -> str:
        """Return one spelling for candidates that are the same answer by :meth:`equal`, and only for these.

        Numbers that differ only by rounding share a spelling unless a rounding edge is between them.
        """
