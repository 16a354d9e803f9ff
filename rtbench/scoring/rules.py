"""Rules that find an answer in a completion and compare it with the gold. They only use text, without heavy imports.

There are four rules. ``paper`` and ``kojima`` reproduce published code, faults included; ``strict`` and ``flexible``
are ours. docs/extraction.md says how they differ.
"""

from __future__ import annotations

import functools
import math
import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import msgspec

from rtbench.errors import UnknownNameError
from rtbench.schema.base import Record
from rtbench.scoring.text import (
    JOINTS,
    as_number,
    behind,
    computed,
    finite,
    numbers_in,
    string_in,
    texts_to_letters,
    without_marks,
    written,
)

AnswerType = Literal["number", "choice", "yes_no", "string"]

_CAPITALS = re.compile(r"[A-Z]+")
_YES_NO_WORD = re.compile(r"(?:yes(?<![^\"'.\s:,]yes)|no(?<![^\"'.\s:,]no))(?![^\"'.\s:,])")
"""The words yes and no, where text is split at these separators."""


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
    candidates: Sequence[str]
    """Possible answers in order of appearance, but with our own rules choice letters in brackets come first."""
    correct_format: bool
    """True where the answer prefix is present or none is expected."""


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

    def among(self, gold: str) -> Callable[[Sequence[str]], bool]:
        """Return a function that says whether any candidate is the gold answer; raises as :meth:`matcher` does."""
        matches = self.matcher(gold)
        return lambda candidates: any(map(matches, candidates))

    def equal(self, extracted: str, gold: str) -> bool:
        """Return whether a candidate is the gold answer; raises as :meth:`matcher` does."""
        return self.matcher(gold)(extracted)

    @abstractmethod
    def canonical(self, extracted: str) -> str:
        """Return one spelling for candidates that are the same answer by :meth:`equal`, and only for these.

        Numbers that differ only by rounding share a spelling unless a rounding edge is between them.
        """


# -------------------------------------------------------------------------------------------------- published rules


def _finder(pattern: str) -> Callable[[str], list[str]]:
    """Return a function that finds all matches in a text.

    ``#`` in the pattern means the digits within a set. ASCII texts are searched for ASCII digits only, which takes two
    thirds of the time.
    """
    plain, any_script = (re.compile(pattern.replace("#", digits)).findall for digits in ("0-9", r"\d"))
    return lambda text: plain(text) if text.isascii() else any_script(text)


_SIGNED = "[-#](?<!-(?![#]))[#]*"
r"""``-?\d+``, written so that it begins with a plain set of characters: the engine then skips all others faster."""


class _PublishedRule(AnswerRule):
    """Base of the two published rules: candidates are all matches of one pattern."""

    number: Callable[[str], list[str]]

    def __init__(self, options: RuleOptions) -> None:
        super().__init__(options)
        numbers = self.number
        of_type: dict[AnswerType, Callable[[str], list[str]]] = {
            "choice": re.compile(f"[{options.letters}]").findall,
            "number": lambda text: numbers(text.replace(",", "")),
            "yes_no": lambda text: _YES_NO_WORD.findall(text.lower()),
            "string": lambda text: [without_marks(text)],
        }
        self.candidates = of_type[options.answer_type]

    @abstractmethod
    def spelled(self, gold: str) -> str:
        """Return the spelling of the gold that equal candidates must have."""

    def matcher(self, gold: str) -> Callable[[str], bool]:
        return partial(operator.eq, self.spelled(gold))

    def among(self, gold: str) -> Callable[[Sequence[str]], bool]:
        spelled = self.spelled(gold)
        return lambda candidates: spelled in candidates


class PaperRule(_PublishedRule):
    """The first candidate after the *first* prefix, or in all of the text where the format has no prefix.

    Where the prefix is missing, it is the last candidate.

    Source: ``Evaluator`` in ``src/evaluation/evaluator.py``, itsnamgyu/reasoning-teacher.
    """

    name = "paper"
    version = 1
    cites = "itsnamgyu/reasoning-teacher, src/evaluation/evaluator.py (Ho et al. 2023)"
    number = staticmethod(_finder(_SIGNED + r"(?:\.[#]+)?"))

    def __init__(self, options: RuleOptions) -> None:
        super().__init__(options)
        self._tolerance = options.tolerance if options.answer_type == "number" else None

    def find(self, text: str, prefix: str | None, choices: Sequence[str]) -> Found:
        found = True
        if prefix is not None:
            at = text.find(prefix)
            found = at >= 0
            text = text[at + len(prefix) :] if found else text
        candidates = self.candidates(text)
        picked = (candidates[0] if found else candidates[-1]) if candidates else None
        return Found(picked, candidates, found)

    def spelled(self, gold: str) -> str:
        kind = self.options.answer_type
        if kind == "yes_no" and self.options.lower_gold:
            return gold.lower()
        return gold.replace(",", "") if kind == "number" else gold

    def matcher(self, gold: str) -> Callable[[str], bool]:
        tolerance = self._tolerance
        if tolerance is None:
            return super().matcher(gold)
        value = as_number(self.spelled(gold))
        return lambda extracted: abs(float(extracted) - value) <= tolerance

    def among(self, gold: str) -> Callable[[Sequence[str]], bool]:
        return super().among(gold) if self._tolerance is None else AnswerRule.among(self, gold)

    def canonical(self, extracted: str) -> str:
        tolerance = self._tolerance
        value = None if tolerance is None else finite(extracted)
        if value is None or tolerance is None:
            return extracted
        digits = max(0, math.ceil(-math.log10(tolerance))) if tolerance > 0 else None
        return written(value if digits is None else round(value, digits))


class KojimaRule(_PublishedRule):
    """The first candidate after the *last* prefix; the last candidate where the prefix is missing.

    One closing period is dropped. Answers are compared as strings, so that a gold with a thousands separator is never
    matched. Without a candidate the answer is the empty string.

    Source: ``answer_cleansing`` in ``utils.py``, kojima-takeshi188/zero_shot_cot.
    """

    name = "kojima"
    version = 1
    cites = "kojima-takeshi188/zero_shot_cot, utils.py and main.py (Kojima et al. 2022)"
    number = staticmethod(_finder(_SIGNED + r"\.?[#]*"))

    def find(self, text: str, prefix: str | None, choices: Sequence[str]) -> Found:
        found = True
        if prefix is not None:
            parts = text.split(prefix)
            text, found = parts[-1], len(parts) > 1
        candidates = [candidate.removesuffix(".") for candidate in self.candidates(text)]
        picked = (candidates[0] if found else candidates[-1]) if candidates else ""
        return Found(picked, candidates, found)

    def spelled(self, gold: str) -> str:
        lower = self.options.answer_type == "yes_no" and self.options.lower_gold
        return gold.strip().lower() if lower else gold.strip()

    def canonical(self, extracted: str) -> str:
        return extracted


# --------------------------------------------------------------------------------------------------------- our rules

_YES_NO = re.compile(r"\byes or no\b|\byes/no\b|(?<![\w-])(yes|no)(?![\w-])", re.IGNORECASE)
_WORD = re.compile(r"\w")


class StrictRule(AnswerRule):
    """The first candidate after the last prefix, ignoring case; no answer where the format's prefix is missing.

    Numbers are compared as numbers. A choice letter must be a word of its own or in brackets.
    """

    name = "strict"
    version = 1
    cites = "rtbench, docs/extraction.md"

    def __init__(self, options: RuleOptions) -> None:
        super().__init__(options)
        both = options.letters + options.letters.lower()
        capitals = options.letters
        # "A" before a lower-case word is the article, unless the word continues a sentence about the letter.
        article = r"(?!(?<=A)\s+(?!is\b|was\b|because\b|since\b|as\b|and\b|or\b)[a-z])"
        self._token = re.compile(
            rf"\((?P<in>[{both}])\)|(?<![A-Za-z0-9'’\-])(?P<half>[{capitals}])\)"
            rf"|(?<![A-Za-z0-9'’\-&])(?P<bare>[{capitals}])(?![A-Za-z0-9'’\-&]){article}"
        )

    def find(self, text: str, prefix: str | None, choices: Sequence[str]) -> Found:
        rest = behind(text, prefix)
        candidates = self._candidates(text, choices)
        picked = None if rest is None else self._first(rest, choices)
        return Found(picked, candidates, rest is not None)

    def _first(self, text: str, choices: Sequence[str]) -> str | None:
        if self.options.answer_type == "choice":
            return _first_of(*self._letters(text))
        candidates = self._candidates(text, choices)
        return candidates[0] if candidates else None

    def _candidates(self, text: str, choices: Sequence[str]) -> Sequence[str]:
        kind = self.options.answer_type
        if kind == "choice":
            bracketed, bare = self._letters(text)
            return bracketed + bare
        if kind == "number":
            return numbers_in(text)
        if kind == "yes_no":
            return [match.group(1).lower() for match in _YES_NO.finditer(text) if match.group(1)]
        lines = [without_marks(line) for line in text.splitlines()]
        return [line for line in lines if line]

    def _letters(self, text: str) -> tuple[list[str], list[str]]:
        """Return the letters in brackets, and the letters that are words of their own."""
        bracketed: list[str] = []
        bare: list[str] = []
        for match in self._token.finditer(text):
            if match["bare"]:
                bare.append(match["bare"])
            else:
                bracketed.append((match["in"] or match["half"]).upper())
        return bracketed, bare

    def matcher(self, gold: str) -> Callable[[str], bool]:
        if self.options.answer_type == "number":
            close = _close_to(as_number(gold))
            return lambda extracted: close(float(extracted))
        folded = gold.strip().casefold()
        return lambda extracted: extracted.strip().casefold() == folded

    def among(self, gold: str) -> Callable[[Sequence[str]], bool]:
        if self.options.answer_type != "number":
            return super().among(gold)
        value = as_number(gold)
        return lambda candidates: _any_close(tuple(candidates), value)

    def canonical(self, extracted: str) -> str:
        value = finite(extracted) if self.options.answer_type == "number" else None
        if value is None:
            return extracted.strip().casefold()
        # Seven digits, or six decimals below 1: never coarser than the tolerances of `equal`.
        return written(round(value, 6) if abs(value) < 1 else float(f"{value:.7g}"))


class FlexibleRule(StrictRule):
    """Like ``strict``, but it uses the last candidate anywhere where no answer is stated after a prefix.

    It also reads a choice by its text, the result of a calculation, and a string that is spelled letter by letter.
    """

    name = "flexible"
    version = 1

    def __init__(self, options: RuleOptions) -> None:
        super().__init__(options)
        self._closing = re.compile(rf"(?:^|:)\s*([{options.letters.lower()}])\s*[.)]?\s*$")

    def find(self, text: str, prefix: str | None, choices: Sequence[str]) -> Found:
        rest = behind(text, prefix)
        candidates = self._candidates(text, choices)
        # Other text counts only where nothing is stated: a stated answer may be invalid (a date that is no choice).
        stated = rest is not None and _WORD.search(rest) is not None
        picked = self._first(rest, choices) if rest is not None and stated else self.last(text, choices)
        return Found(picked, candidates, rest is not None)

    def _first(self, text: str, choices: Sequence[str]) -> str | None:
        kind = self.options.answer_type
        if kind == "choice":
            bracketed, bare = self._letters(text)
            leading = self._token.match(text.lstrip(" \t\n:*"))
            opening = [leading["bare"]] if leading and leading["bare"] else []
            closing = self._closing.search(text)
            alone = [closing[1].upper()] if closing else []
            return _first_of(bracketed, opening, alone, texts_to_letters(text, choices), bare)
        lines = [line for line in text.splitlines() if line.strip()]
        if kind == "string":
            return string_in(lines[0]) if lines else None
        if kind == "number" and lines and (value := computed(lines[0])) is not None:
            return value
        return super()._first(text, choices)

    def last(self, text: str, choices: Sequence[str]) -> str | None:
        kind = self.options.answer_type
        if kind == "choice":
            bracketed, bare = self._letters(text)
            return _first_of(bracketed[::-1], texts_to_letters(text, choices)[::-1], bare[::-1])
        if kind == "string":
            lines = [line for line in text.splitlines() if line.strip()]
            return string_in(lines[-1]) if lines else None
        candidates = self._candidates(text, choices)
        return candidates[-1] if candidates else None

    def _candidates(self, text: str, choices: Sequence[str]) -> Sequence[str]:
        if self.options.answer_type == "string":
            return [string for line in text.splitlines() if (string := string_in(line))]
        candidates = super()._candidates(text, choices)
        if self.options.answer_type == "choice":
            return [*candidates, *texts_to_letters(text, choices)]
        return candidates

    def matcher(self, gold: str) -> Callable[[str], bool]:
        if self.options.answer_type == "string":
            folded = JOINTS.sub("", gold).casefold()
            return lambda extracted: JOINTS.sub("", extracted).casefold() == folded
        return super().matcher(gold)

    def canonical(self, extracted: str) -> str:
        if self.options.answer_type == "string":
            return JOINTS.sub("", extracted).casefold()
        return super().canonical(extracted)


def _close_to(value: float) -> Callable[[float], bool]:
    """Return a function that compares a number with ``value`` up to a millionth of the larger, or 1e-6."""
    return lambda number: math.isclose(number, value, rel_tol=1e-6, abs_tol=1e-6)


@functools.lru_cache(maxsize=4096)  # several extractors read the same text
def _any_close(candidates: tuple[str, ...], value: float) -> bool:
    if not math.isfinite(value):
        return any(map(_close_to(value), map(float, candidates)))
    far = 2e-6 * (abs(value) + 1)  # nothing farther away is close, which excludes most candidates quickly
    low, high = value - far, value + far
    return any(map(_close_to(value), [number for number in map(float, candidates) if low <= number <= high]))


def _first_of(*lists: Sequence[str]) -> str | None:
    return next((items[0] for items in lists if items), None)


RULES: dict[str, type[AnswerRule]] = {rule.name: rule for rule in (PaperRule, KojimaRule, StrictRule, FlexibleRule)}


def make_rule(name: str, options: RuleOptions, where: str | None = None) -> AnswerRule:
    """Create a rule by name. Raises UnknownNameError where there is no such rule."""
    if name not in RULES:
        raise UnknownNameError.of("answer rule", name, RULES, where=where)
    return RULES[name](options)
