"""Our own rules: ``strict`` and ``flexible``. docs/extraction.md says what they read, and why."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence

from rtbench.scoring.answer_rule import AnswerRule, Found
from rtbench.scoring.choices import comparable, last_choice, letters_for, mentions, stated_choice, text_mentions
from rtbench.scoring.golds import digits_of
from rtbench.scoring.markup import plain
from rtbench.scoring.numbers import as_value, bare_number, last_number, mentioned, numbers_in, same_value, stated_number
from rtbench.scoring.parting import end_of_turn, follow_ups, part_thinking
from rtbench.scoring.statements import opening, statements
from rtbench.scoring.strings import last_marked, last_string, same_string, stated_string, string_key, strings_in
from rtbench.scoring.text import behind, finite, written

_YES_NO = re.compile(
    r"\byes or no\b|\byes/no\b|\b(?:by no means|in no way|no question about|without question)\b|\bno (?:doubt|one|longer|more|further|matter|less|way|other|reason|problem)\b"
    r"|(?<![\w-])(yes|no)(?![\w-])",
    re.IGNORECASE,
)
_FOLLOW_UPS = 4
"""Number of follow-up questions at which a text may end; a text that restates its question has one before its answer."""
_END = 60
"""Minimum characters at the end of a text in which its last number is searched first."""
_MOST_CHARACTERS = 50_000
"""Maximum characters that are read. Longer texts come from models that cannot stop."""
_WORD = re.compile(r"\w")
_MINUS = re.compile(
    r"^([ \t]*+(?:(?:[*_$]+|\\[(\[])[ \t]*+)?)[-\u2212\ufe63\uff0d][ \t]*(?:[*_$]+|\\[(\[])?[ \t]*(?=[\d.])"
)
"""A minus sign at the beginning of a statement, before the markup or the space that is before its number."""
_CORRECTED = re.compile(
    r"\b(?:no,? (?:sorry|wait)|wait|sorry|w?oops|i mean|i meant|correction|(?:scratch|strike|make) that|or rather)\b"
    r"[\s,:;.-]*(?=.{1,40}$)",
    re.IGNORECASE,
)
_DECLINED = re.compile(
    r"\b(?:isn't|aren't|not|in)\s?(?:enough|sufficient)\s+(?:information|data|detail|context)"
    r"|\b(?:unable|not able|impossible|not possible) to (?:answer|determine|give|say|tell|solve|compute|calculate|provide|"
    r"find|know)\b"
    r"|\b(?:can't|cannot|can not|couldn't|could not) (?:be )?(?:answer|determine|give|say|tell|solve|compute|calculate|"
    r"provide|help)",
    re.IGNORECASE,
)
_MAY_DECLINE = ("enough", "sufficient", "able to", "possible", "cannot", "can't", "can\u2019t", "can not", "could")
_CONCLUDED = re.compile(r"=|\b(?:so|therefore|thus|hence|answer|assum\w+|however|then)\b", re.IGNORECASE)


class StrictRule(AnswerRule):
    """The answer that is stated after the last prefix, ignoring case; none where the format's prefix is missing.

    Numbers are compared as numbers. A choice is stated by its letter.
    """

    name = "strict"
    version = 2
    cites = "rtbench, docs/extraction.md"

    def find(self, text: str, prefix: str | None, choices: Sequence[str]) -> Found:
        text = self._answer_part(text, prefix, choices)
        rest = behind(text, prefix)
        picked = None if rest is None else self._bare(rest) or self._stated(_statement(rest), choices)
        return Found(picked, lambda: self._candidates(plain(text), choices), rest is not None, text)

    def runs_on(self, text: str, prefix: str | None, choices: Sequence[str]) -> bool:
        text = part_thinking(text)[1]
        return len(text) <= _MOST_CHARACTERS and len(self._answer_part(text, prefix, choices).rstrip()) < len(
            text.rstrip()
        )

    def _answer_part(self, text: str, prefix: str | None, choices: Sequence[str]) -> str:
        """Return a text without thinking, and without what a model writes after its answer; at most ``_MOST_CHARACTERS``."""
        text = part_thinking(text)[1]
        text = text[: end_of_turn(text)]
        for at in follow_ups(text[:_MOST_CHARACTERS], _FOLLOW_UPS):
            head = text[:at]
            if (
                self._candidates(plain(head), choices) if prefix is None else behind(head, prefix) is not None
            ) or statements(head):
                return head
        return text if len(text) <= _MOST_CHARACTERS else _shortened(text, prefix)

    def _letters(self, choices: Sequence[str]) -> str:
        """Return the letters of a question's choices."""
        return letters_for(self.options.letters, choices)

    def _bare(self, rest: str) -> str | None:
        """Return the answer of a short cut for the most frequent form of a statement; None where it has another."""
        return bare_number(rest) if self.options.answer_type == "number" else None

    def _stated(self, statement: str, choices: Sequence[str]) -> str | None:
        """Return the answer that a plain text gives, which is all or the rest of a statement."""
        line = next((line for line in statement.splitlines() if _WORD.search(line)), "")
        for correction in _CORRECTED.finditer(line):  # "8 - no, sorry, 9"
            if (corrected := self._first_stated(line[correction.end() :], choices)) is not None:
                return corrected
        return self._first_stated(statement, choices)

    def _first_stated(self, statement: str, choices: Sequence[str]) -> str | None:
        kind = self.options.answer_type
        if kind == "choice":
            return stated_choice(statement, choices, self._letters(choices), texts=False)
        if kind == "number":
            return stated_number(statement)
        if kind == "yes_no":
            return next(iter(_yes_no(statement)), None)
        return stated_string(statement)

    def _candidates(self, text: str, choices: Sequence[str]) -> Sequence[str]:
        """Return all answers of the task's type in a plain text."""
        kind = self.options.answer_type
        if kind == "choice":
            found = mentions(comparable(text), self._letters(choices))
            return [mention.letter for mention in found]
        if kind == "number":
            return numbers_in(text)
        if kind == "yes_no":
            return _yes_no(text)
        return strings_in(text)

    def matcher(self, gold: str) -> Callable[[str], bool]:
        if self.options.answer_type == "number":
            digits = digits_of(gold)
            value = as_value(digits)
            return lambda extracted: extracted == digits or same_value(as_value(extracted), value)
        if self.options.answer_type == "string":
            return functools.partial(same_string, gold)
        folded = gold.strip().casefold()
        return lambda extracted: extracted.strip().casefold() == folded

    def contained(self, gold: str) -> Callable[[Found], bool]:
        contained = super().contained(gold)
        if self.options.answer_type != "number":
            return contained
        digits = digits_of(gold)
        if not digits.isdecimal():
            return contained

        def quick(found: Found) -> bool:
            mention = None if found.searched is None else mentioned(found.searched, digits)
            return contained(found) if mention is None else mention

        return quick

    def canonical(self, extracted: str) -> str:
        if self.options.answer_type == "string":
            return string_key(extracted)
        value = finite(extracted) if self.options.answer_type == "number" else None
        if value is None:
            return extracted.strip().casefold()
        exact = as_value(extracted)
        if isinstance(exact, int):
            return str(exact)
        # Seven digits, or six decimals below 1: never coarser than the tolerances of `equal`.
        return written(round(value, 6) if abs(value) < 1 else float(f"{value:.7g}"))


class FlexibleRule(StrictRule):
    """Like ``strict``, but an answer counts wherever a reader would find it.

    Without the prefix it uses the last statement of another form, or else the last candidate. A choice may be stated by
    its text.
    """

    name = "flexible"
    version = 2

    def find(self, text: str, prefix: str | None, choices: Sequence[str]) -> Found:
        text = self._answer_part(text, prefix, choices)
        rest = behind(text, prefix)
        if rest is not None and _WORD.search(rest) is not None:
            # Other text counts only where nothing is stated: a stated answer may be invalid (a date that is no choice).
            picked = (
                self._bare(rest)
                or self._last_statement(rest, choices, answers_only=True)
                or self._stated(_statement(rest), choices)
            )
        else:
            picked = self._last_statement(text, choices) or self._fallback(text, choices)
        return Found(picked, lambda: self._candidates(plain(text), choices), rest is not None, text)

    def _last_statement(self, text: str, choices: Sequence[str], *, answers_only: bool = False) -> str | None:
        for statement in reversed(statements(text)):
            if statement.of_step and self.options.answer_type == "choice":
                continue  # "The result is 21, which is (E)" names the choice elsewhere
            if statement.of_answer or not (answers_only or self.options.answer_type == "string"):
                said = _statement(statement.text)
                if not statement.brief:
                    said = opening(said)
                if (value := self._stated(said, choices)) is not None:
                    return value
        return None

    def _first_stated(self, statement: str, choices: Sequence[str]) -> str | None:
        if self.options.answer_type == "choice":
            return stated_choice(statement, choices, self._letters(choices), texts=True)
        return super()._first_stated(statement, choices)

    def _fallback(self, text: str, choices: Sequence[str]) -> str | None:
        """Return the last candidate of a text without a statement; None where it says that there is no answer."""
        if self.options.answer_type in ("number", "string") and any(word in text for word in _MAY_DECLINE):
            declined = None
            for declined in _DECLINED.finditer(text.replace("\u2019", "'")):  # noqa: B007 - the last match
                pass
            if declined is not None and _CONCLUDED.search(text, declined.end()) is None:
                return None
        return self.last(text, choices)

    def last(self, text: str, choices: Sequence[str]) -> str | None:
        if self.options.answer_type == "number":
            # The end of a text nearly always has a number.
            cut = max(text.rfind(mark, 0, max(0, len(text) - _END)) for mark in ("\n", ". "))
            return last_number(plain(text[cut + 1 :])) or last_number(plain(text))
        if self.options.answer_type == "string" and (marked := last_marked(text)) is not None:
            return marked
        text = plain(text)
        if self.options.answer_type == "choice":
            return last_choice(text, choices, self._letters(choices))
        if self.options.answer_type == "string":
            return last_string(text)
        candidates = self._candidates(text, choices)
        return candidates[-1] if candidates else None

    def _candidates(self, text: str, choices: Sequence[str]) -> Sequence[str]:
        candidates = super()._candidates(text, choices)
        if self.options.answer_type == "choice":
            return [
                *candidates,
                *(mention.letter for mention in text_mentions(comparable(text), choices, self._letters(choices))),
            ]
        return candidates


def _yes_no(text: str) -> list[str]:
    return [match[1].lower() for match in _YES_NO.finditer(text) if match[1]]


def _statement(text: str) -> str:
    """Return a statement as plain text, in which a minus sign at its beginning is no list dash."""
    return plain(_MINUS.sub(r"\1-", text))


def _shortened(text: str, prefix: str | None) -> str:
    """Return the part of a long text from its last prefix on; its beginning and end where it has none."""
    rest = None if prefix is None else behind(text, prefix)
    if prefix is None or rest is None:
        return f"{text[: _MOST_CHARACTERS // 2]}\n\n{text[-_MOST_CHARACTERS // 2 :]}"
    return prefix + rest[:_MOST_CHARACTERS]
