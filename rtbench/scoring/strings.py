"""Read short texts as answers: names, words, letters that are spelled one by one.

All functions expect plain text (:func:`rtbench.scoring.markup.plain`).
"""

from __future__ import annotations

import re
import unicodedata

from rtbench.scoring.markup import plain

_QUOTED = re.compile(r"\"([^\"\n]+)\"|(?<!\w)'([^'\n]+)'(?!\w)")
_SPELLED = re.compile(r"^\W*[^\W\d_](?:[\s\-.,'\"*/]+[^\W\d_])+\W*$")
_JOINTS = re.compile(r"[\s\-.,'\"*/]+")
_NOUN = (
    r"(?:words?|strings?|letters?|names?|abbreviation|acronym|concatenation|text|phrase|combination|sequence|results?)"
)
_VERB = r"(?:is|are|was|make|makes|spell|spells|give|gives|form|forms|becomes?|would be)\s+|[:=]\s*"
_DESCRIPTION = re.compile(
    rf"^(?:(?:that|then|simply|just)\s+)?(?:(?:the|your)\s+(?:\w+\s+){{0,3}}?{_NOUN}(?:\s+{_NOUN})*\s+(?!of\b)(?:{_VERB})?"
    rf"|(?:\w+\s+){{0,3}}?{_NOUN}\s+(?:{_VERB}))",
    re.IGNORECASE,
)
_BOLD = re.compile(r"\*\*([^*\n]{1,100})\*\*")
_LONGEST_LINE = 1000
_NAME_WORDS = 5
"""Maximum words of a line that is an answer as a whole."""
_SENTENCE = re.compile(
    r"[=→:\"]|\b(?:is|are|was|were|be|it|its|so|then|thus|hence|therefore|gives?|makes?|get|have|has|the word|answer|letters?)\b",
    re.IGNORECASE,
)
"""Matches in a line that is a sentence."""
_ARROW = re.compile(r"(?:→|⇒|(?<![-=])[-=]+>)\s*")
"""Between letters and the word that they make: ``k, e, n → ken``. A run of dashes is tried once, from its beginning."""
_UP_TO_WORD = re.compile(r".*\w", re.DOTALL)
_ARTICLE = re.compile(r"^(?:the|an?)\s+(?=\w\w)", re.IGNORECASE)
_END = re.compile(
    r",\s+(?:not|which|because|since|as|so|and|where|but|it|this|that|i|you|or|from|by|using|with|after|taken|formed|made|i\.e)\b|(?<!\s)\s+(?:\(|(?:because|since|which|but)\b)|[.!?]\s+(?=[A-Z\"'(¿¡])(?<!\b[A-Z]\.\s)(?<!St\.\s)(?<!Mr\.\s)(?<!Dr\.\s)(?<!Mt\.\s)|;\s",
)
_INITIAL = re.compile(r"(?:^|[\s.])\w$")
"""The end of an abbreviation such as "U.S", whose full stop belongs to it."""
_EDGES = " \t\r\n:;,!?\"'`*_()[]<>"
_END_MARKS = ".。…"


def stated_string(statement: str) -> str | None:
    """Return the text that a statement gives: what follows "The answer is", without quotes and explanations.

    A quoted text at its beginning counts, then letters that are spelled one by one, then the first clause without a
    description such as "the word".
    """
    for line in statement.splitlines():
        clause = line.strip(" \t:=>")
        if not clause.strip(_EDGES + _END_MARKS):
            continue
        clause = _after_arrow(_DESCRIPTION.sub("", clause))
        if quoted := _QUOTED.match(clause):
            inner = quoted[1] or quoted[2]
            return _joined(inner) or _edged(inner)
        if spelled := _joined(clause):
            return spelled
        end = _END.search(clause)
        return _edged(clause[: end.start()] if end else clause)
    return None


def _after_arrow(text: str) -> str:
    """Return what follows the last arrow that has a word after it; the whole text where there is none."""
    words = _UP_TO_WORD.match(text)
    last = 0
    for arrow in _ARROW.finditer(text, 0, words.end() - 1 if words else 0):
        last = arrow.end()
    return text[last:]


def strings_in(text: str) -> list[str]:
    """Return the texts that may be answers: per line, what is quoted, what is spelled, and the last word."""
    found: list[str | None] = []
    for line in text.splitlines():
        part = line.rpartition("=")[2] if "= " in line else line
        if quoted := _QUOTED.findall(part):
            found += [_joined(double or single) or _edged(double or single) for double, single in quoted]
        else:
            found.append(_joined(part) or _edged((part.split() or [""])[-1]))
    return [text for text in found if text]


def last_marked(text: str) -> str | None:
    """Return the last bold text of a text's last line, with its markup; None where it has none."""
    lines = text.rstrip().rsplit("\n", 1)
    bold = _BOLD.findall(lines[-1][-_LONGEST_LINE:])
    return _edged(plain(bold[-1])) if bold else None


def last_string(text: str) -> str | None:
    """Return what a text without a statement ends with: a line that is only a name, or else its last quoted text or word."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    words = lines[-1].split()
    if len(words) <= _NAME_WORDS and not _SENTENCE.search(lines[-1]):
        return stated_string(lines[-1])
    found = strings_in(lines[-1])
    return found[-1] if found else None


def _joined(text: str) -> str | None:
    """Return letters that are spelled one by one as a word; None for another text."""
    return _JOINTS.sub("", text).strip(_EDGES) if _SPELLED.match(text) else None


def _edged(text: str) -> str | None:
    text = text.strip(_EDGES)
    bare = text.rstrip(_EDGES + _END_MARKS)
    if text[len(bare) :].startswith(".") and _INITIAL.search(bare):
        return f"{bare}."
    return bare or None


def string_key(text: str) -> str:
    """Return one spelling for texts that are the same answer.

    Case, composition of accents, quotes around and a leading article do not count. In a text without digits, neither do
    spaces, hyphens, full stops and apostrophes; between digits they do, as 3-4 is not 34.
    """
    text = unicodedata.normalize("NFC", text).casefold().strip(_EDGES + _END_MARKS)
    text = _ARTICLE.sub("", text)
    if any(mark.isdigit() for mark in text):
        return " ".join(text.split())
    return _JOINTS.sub("", text) or text


def same_string(gold: str, extracted: str) -> bool:
    """Return whether a text is the gold answer, by :func:`string_key`."""
    return string_key(extracted) == string_key(plain(gold))
