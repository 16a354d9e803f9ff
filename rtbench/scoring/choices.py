"""Read which choice a text states: by its letter, or by its text.

All functions expect plain text (:func:`rtbench.scoring.markup.plain`).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import NamedTuple

from rtbench.scoring.markup import plain
from rtbench.scoring.text import LETTERS, squeezed

_LEADING_ZERO = re.compile(r"(?<![\d.,])0+(?=\d)")
_SEPARATOR = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_GROUPED = re.compile(r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?!\d)")
_TRAILING_ZEROS = re.compile(r"(?<=\d)(\.\d*?)0+(?!\d)")
_LEAD = re.compile(
    r"[\s:=\"'*_>.,–—-]*(?:(?:the|most|likely|probably|definitely|clearly|therefore|thus|so|be|is|option|choice|letter|answer|"
    r"number|correct|best|right|one|either|just|simply)\b[\s:=\"'*_]*)*",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"(?:\bnot|n't|\bneither|\bnor|\bexcept|\bthan)\s+(?:the\s+)?(?:option\s+|choice\s+)?[\"'(\[]*$", re.IGNORECASE
)
_REFUSAL = re.compile(
    r"\b(?:none|neither|no (?:option|choice)s?) (?:of|is|are|fits?|match)\b|\bunknown\b|\bcannot\b", re.IGNORECASE
)
_PRONOUN_VERBS = r"(?!is\b|was\b|because\b|since\b|as\b|and\b|or\b|for\b)"


class Mention(NamedTuple):
    """A choice that a text mentions."""

    letter: str
    start: int
    end: int
    strong: bool
    """True for a letter in brackets, or at the beginning of a statement, and for a choice's text."""


def letters_for(letters: str, choices: Sequence[str]) -> str:
    """Return the letters of a question's choices: the task's, or more where the question has more choices."""
    if len(choices) > len(letters):
        letters = LETTERS
    return letters[: len(choices)] if choices else letters


@functools.lru_cache(maxsize=64)
def _tokens(letters: str) -> re.Pattern[str]:
    both = letters + letters.lower()
    # "A" and "I" before a lower-case word are words, unless the word continues a sentence about the letter.
    word = rf"(?!(?<=[AI])\s+{_PRONOUN_VERBS}[a-z])(?!(?<=I)['’])"
    return re.compile(
        rf"(?P<in>[(\[](?P<a>[{both}])[)\]])|(?<![A-Za-z0-9'’\-&.])(?P<half>[{letters}])(?=[)\]])"
        rf"|\b(?:option|choice|letter)\s+(?P<named>[{both}])(?![A-Za-z0-9'’\-&])"
        rf"|(?<![A-Za-z0-9\-&])(?<![A-Za-z]')(?P<bare>[{letters}])(?![A-Za-z0-9\-&]|'[A-Za-z]|\.[A-Z]){word}",
    )


def mentions(text: str, letters: str) -> list[Mention]:
    """Return the letters that a text mentions, in order of appearance."""
    found: list[Mention] = []
    for match in _tokens(letters).finditer(text):
        letter = match["a"] or match["half"] or match["named"] or match["bare"]
        found.append(Mention(letter.upper(), match.start(), match.end(), strong=match["bare"] is None))
    return found


def stated_choice(statement: str, choices: Sequence[str], letters: str, *, texts: bool) -> str | None:
    """Return the letter of the choice that a statement gives: a text such as what follows "The answer is".

    The first choice counts that is not denied: a letter in brackets, at the beginning or after "option", or the text of
    a choice. A letter elsewhere counts where there is none of these. A letter inside a choice's text is a part of it.

    Args:
        statement: a plain text.
        choices: texts of the choices in letter order; empty where there are none.
        letters: letters of the choices.
        texts: whether a choice's text counts.
    """
    for line in statement.splitlines():
        hay = comparable(line)
        if not hay.strip(" :=\"'*_>.,-"):
            continue
        found = _in_line(hay, choices, letters, texts=texts)
        if found is not None:
            return found
        if _REFUSAL.search(hay) or re.match(r"[\s:\"'(\[]*[A-Z][\s.)\]\"']*(?:$|[.)\]])", hay):
            return None
    return None


def _in_line(hay: str, choices: Sequence[str], letters: str, *, texts: bool) -> str | None:
    spans = _results(hay, text_mentions(hay, choices, letters)) if texts else []
    found = _outside(mentions(hay, letters), spans)
    lead = _LEAD.match(hay)
    opening = lead.end() if lead else 0
    if not found and (closing := re.fullmatch(rf"[\s:\"'(\[]*([{letters.lower()}])[\s.)\]\"']*", hay[opening:])):
        return closing[1].upper()
    ranked = [mention._replace(strong=True) if mention.start == opening else mention for mention in found] + spans
    ranked = [mention for mention in ranked if not _DENIED.search(hay, max(0, mention.start - 24), mention.start)]
    strong = [mention for mention in ranked if mention.strong]
    best = min(strong or ranked, key=lambda mention: mention.start, default=None)
    return best.letter if best else None


def _results(hay: str, spans: Sequence[Mention]) -> list[Mention]:
    """Return the spans without those on the left of an equation, whose right side is a choice: 19 in 40 - 19 = 21."""
    equals = hay.find("=")
    if equals < 0 or not any(span.start > equals for span in spans):
        return list(spans)
    return [span for span in spans if span.start > equals or not hay[span.start : span.end].strip("$€£%").isdigit()]


def _outside(found: Sequence[Mention], spans: Sequence[Mention]) -> list[Mention]:
    """Return the mentions that are not inside a span; both are in order, and spans do not overlap."""
    kept: list[Mention] = []
    place = 0
    for mention in found:
        while place < len(spans) and spans[place].end < mention.end:
            place += 1
        if place == len(spans) or spans[place].start > mention.start:
            kept.append(mention)
    return kept


def last_choice(text: str, choices: Sequence[str], letters: str) -> str | None:
    """Return the choice that a text without a statement ends with: a letter in brackets, a text, or else any letter."""
    hay = comparable(text)
    if alone := re.fullmatch(rf"[\W_]*([{letters.lower()}])[\W_]*", hay):
        return alone[1].upper()
    hay = hay[_end_of_list(mentions(hay, letters), letters) :] or hay
    spans = text_mentions(hay, choices, letters)
    found = _outside(mentions(hay, letters), spans)
    for group in ([mention for mention in found if mention.strong], spans, found):
        if group:
            return group[-1].letter
    return None


def _end_of_list(found: Sequence[Mention], letters: str) -> int:
    """Return where a repeated list of all choices ends, ``(A) … (B) … (C) …``; 0 where there is none."""
    end, place = 0, 0
    for mention in found:
        place = place + 1 if mention.strong and mention.letter == letters[place] else int(mention.letter == letters[0])
        if place == len(letters):
            end, place = (mention.end if place > 2 else end), 0
    return end


def comparable(text: str) -> str:
    """Return a text with single spaces, and with one spelling for equal numbers: 05/01 and 5/1, 1,200.50 and 1200.5."""
    text = squeezed(text)
    if "," in text:
        text = _GROUPED.sub(lambda match: match[0].replace(",", ""), text)
    if "0" in text:
        text = _LEADING_ZERO.sub("", text)
    return text


def text_mentions(hay: str, choices: Sequence[str], letters: str) -> list[Mention]:
    """Return the choices whose text occurs in a comparable text, in order of appearance.

    Where choices overlap, the first counts, and of those that begin together the longer; where choices have the same
    text, the first counts.
    """
    if not choices:
        return []
    folded = _folded(hay)
    found: list[Mention] = []
    for needle, letter in _needles(tuple(choices), letters).items():
        at = folded.find(needle)
        while at >= 0:
            end = at + len(needle)
            if _inside(folded, at, end):
                at = folded.find(needle, at + 1)
            else:
                found.append(Mention(letter, at, end, strong=True))
                at = folded.find(needle, end)
    found.sort(key=lambda mention: (mention.start, -mention.end))
    kept: list[Mention] = []
    for mention in found:
        if not kept or mention.start >= kept[-1].end:
            kept.append(mention)
    return kept


@functools.lru_cache(maxsize=1024)
def _needles(choices: tuple[str, ...], letters: str) -> dict[str, str]:
    """Return the choices' letters by the text to search for; of choices with the same text, the first's."""
    by_text: dict[str, str] = {}
    for letter, choice in zip(letters, choices, strict=False):
        if needle := _folded(comparable(plain(choice))).strip(" .,;"):
            by_text.setdefault(needle, letter)
    return by_text


def _folded(text: str) -> str:
    folded = text.casefold()
    return folded if len(folded) == len(text) else text.lower() if len(text.lower()) == len(text) else text


def _inside(hay: str, start: int, end: int) -> bool:
    """Return whether a span begins or ends inside a longer word or number."""
    first, last = hay[start], hay[end - 1]
    before, after = hay[start - 1 : start], hay[end : end + 1]
    if before.isalnum() and first.isalnum() and (before.isascii() or not first.isalpha()):
        return True
    if after.isalnum() and last.isalnum() and (after.isascii() or not last.isalpha()):
        return True
    if first.isdigit() and before and before in ".,/-^:" and (before == "-" or hay[start - 2 : start - 1].isdigit()):
        return not (before == "-" and hay[start - 2 : start - 1].isalnum())
    return last.isdigit() and bool(after) and after in ".,/^:" and hay[end + 1 : end + 2].isdigit()
