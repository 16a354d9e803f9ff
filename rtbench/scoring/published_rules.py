"""The rules ``paper`` and ``kojima``, which reproduce published code, faults included."""

from __future__ import annotations

import functools
import math
import operator
import re
import sys
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial

from rtbench.scoring.answer_rule import AnswerRule, AnswerType, Found, RuleOptions
from rtbench.scoring.choices import letters_for
from rtbench.scoring.golds import digits_of
from rtbench.scoring.text import finite, without_marks, written

_YES_NO_WORD = re.compile(r"(?:yes(?<![^\"'.\s:,]yes)|no(?<![^\"'.\s:,]no))(?![^\"'.\s:,])")
"""The words yes and no, where text is split at these separators."""


def _finder(pattern: str) -> Callable[[str], list[str]]:
    """Return a function that finds all matches in a text.

    ``#`` in the pattern means the digits within a set. ASCII texts are searched for ASCII digits only, which takes two
    thirds of the time.
    """
    plain, any_script = (re.compile(pattern.replace("#", digits)).findall for digits in ("0-9", r"\d"))
    return lambda text: plain(text) if text.isascii() else any_script(text)


_SIGNED = "[-#](?<!-(?![#]))[#]*"
r"""``-?\d+``, written so that it begins with a plain set of characters: the engine then skips all others faster."""


@functools.cache
def _letters_finder(letters: str) -> Callable[[str], list[str]]:
    return re.compile(f"[{letters}]").findall


class _PublishedRule(AnswerRule):
    """Base of the two published rules: candidates are all matches of one pattern."""

    number: Callable[[str], list[str]]

    def __init__(self, options: RuleOptions) -> None:
        super().__init__(options)
        numbers = self.number
        of_type: dict[AnswerType, Callable[[str], list[str]]] = {
            "choice": _letters_finder(options.letters),
            "number": lambda text: numbers(text.replace(",", "")),
            "yes_no": lambda text: _YES_NO_WORD.findall(text.lower()),
            "string": lambda text: [without_marks(text)],
        }
        self.candidates = of_type[options.answer_type]
        self._most = len(options.letters) if options.answer_type == "choice" else sys.maxsize
        """Number of choices for which the task has letters."""

    def among_more(self, text: str, choices: Sequence[str]) -> list[str]:
        """Return the candidates for a question with more choices than the task has letters."""
        return _letters_finder(letters_for(self.options.letters, choices))(text)

    @abstractmethod
    def spelled(self, gold: str) -> str:
        """Return the spelling of the gold that equal candidates must have."""

    def matcher(self, gold: str) -> Callable[[str], bool]:
        return partial(operator.eq, self.spelled(gold))

    def contained(self, gold: str) -> Callable[[Found], bool]:
        spelled = self.spelled(gold)
        return lambda found: spelled in found.collected  # type: ignore[operator]  # always a list here


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
        candidates = self.candidates(text) if len(choices) <= self._most else self.among_more(text, choices)
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
        value = float(digits_of(self.spelled(gold)))
        return lambda extracted: abs(float(extracted) - value) <= tolerance

    def contained(self, gold: str) -> Callable[[Found], bool]:
        return super().contained(gold) if self._tolerance is None else AnswerRule.contained(self, gold)

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
        found_all = self.candidates(text) if len(choices) <= self._most else self.among_more(text, choices)
        candidates = [candidate.removesuffix(".") for candidate in found_all]
        picked = (candidates[0] if found else candidates[-1]) if candidates else ""
        return Found(picked, candidates, found)

    def spelled(self, gold: str) -> str:
        lower = self.options.answer_type == "yes_no" and self.options.lower_gold
        return gold.strip().lower() if lower else gold.strip()

    def canonical(self, extracted: str) -> str:
        return extracted
