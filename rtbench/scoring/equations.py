"""Find equations in text and check whether they hold: ``16 - 8 = 9`` does not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from rtbench.scoring.markup import plain
from rtbench.scoring.terms import Term, Token, start_of_term, term_at, tokens_of

_PIECES = re.compile(r"\.\s+|\n")
_CLAUSES = re.compile(r"[,;:]\s+|\s(?:so|and|then|which)\s", re.IGNORECASE)
_EQUALS = re.compile(r"(?<!\s)\s+(?:equals|is equal to)\s+(?=[-($€£]?\s*[\d.])", re.IGNORECASE)
_DOLLARS = re.compile(r"\$(?=\S)([^$\n]*=[^$\n]*?)(?<=[\s\d)}])\$(?!\d)")
"""``$4 \\times 5 = 20$``: LaTeX between dollar signs, not an amount of dollars."""
_TIMES = re.compile(r"(?<=[\d)%])\s?[x×·⋅∙*]\s?(?=[\d($€£.])", re.IGNORECASE)
_REMAINDER_MARK = re.compile(r"(?<=\d)\s?[rR]\s?(?=\d)")
_BROKEN_LINE = re.compile(r"(?<!\s)[^\S\n]*+\n\s*+(?:&\s*+)?(?==\s)")
_LIST_MARK = re.compile(r"\s*\(?(?:\d{1,2}|[a-zA-Z])[.)]\s+")
_OF_CALENDARS = frozenset(["day", "week", "month", "year"])
_SIGN = re.compile(r"[=≈]|equal|\\(?:approx|sim)\b")
_ATTEMPTS = 4
"""Number of places at which a left side is tried to begin."""
_LONGEST_SENTENCE = 500
"""Maximum characters of a sentence. Longer ones come from students that cannot stop."""
_REMAINDER = re.compile(
    r"(?:[\s,(]|with|and|an?)*\b(?:R|r|rem|rem\.|remainder)\b(?:\s+(?:of|is)|\s*[=:])?\s*(\d+)"
    r"|[\s,(]*(?:with|and|leaving|leaves)\s+(\d+)\s+(?:\w+\s+)?(?:left|remaining|over|leftover)\b"
)


@dataclass(frozen=True)
class Equation:
    """Two sides that a text claims to be equal."""

    text: str
    left: Fraction
    right: Fraction
    holds: bool
    """True where the sides are equal: up to the rounding of a decimal that is a side alone and, where a side is a
    percentage, up to a factor of 100 (many write ``1 / 4 * 100 = 25%``)."""


def equations_in(text: str) -> Iterator[Equation]:
    """Yield the equations of a text that can be computed.

    They have numbers with units, separators, percent and currency signs, fractions, roots and whole powers, and the
    four operations as signs or words. Chains such as ``2 + 3 = 5 * 2 = 10`` are yielded pair by pair. An equation is
    skipped if it begins with a bare number, contains a variable, a time, a date or two units of measurement, or
    continues before or after what can be computed.
    """
    if _SIGN.search(text) is None:
        return
    for sentence in _sentences(text):
        if len(sentence) > _LONGEST_SENTENCE or ("=" not in sentence and "≈" not in sentence):
            continue
        tokens = tokens_of(sentence)
        signs = [place for place, token in enumerate(tokens) if token.kind == "equals"]
        for number, sign in enumerate(signs):
            begin = signs[number - 1] + 1 if number else 0
            equation = _equation(tokens, sign, begin, sentence)
            if equation is not None:
                yield equation


def _sentences(text: str) -> Iterator[str]:
    """Yield sentences and lines, without markup and list numbers; a long sentence clause by clause."""
    text = _DOLLARS.sub(r"\1", text)
    text = _BROKEN_LINE.sub(" ", plain(text)).replace("...", "…").replace("&", " ")
    for sentence in _PIECES.split(text):
        yield from map(_calculation, [sentence] if len(sentence) <= _LONGEST_SENTENCE else _CLAUSES.split(sentence))


def _calculation(clause: str) -> str:
    """Return a clause without a list number, with one spelling of equals signs and of signs between numbers."""
    mark = _LIST_MARK.match(clause)
    clause = _EQUALS.sub(" = ", clause[mark.end() :] if mark else clause)
    return _REMAINDER_MARK.sub(" remainder ", _TIMES.sub(" × ", clause)) if _SIGN.search(clause) else clause


def _equation(tokens: Sequence[Token], sign: int, begin: int, sentence: str) -> Equation | None:
    """Return the equation around an equals sign; its left side begins at the token ``begin`` or later."""
    found = _left_side(tokens, sign, begin, sentence)
    right = term_at(tokens, sign + 1, sentence, right=True) if sign + 1 < len(tokens) else None
    if found is None or right is None or _goes_on(tokens, right.end):
        return None
    left, start = found
    bare = not left.calculated and (begin == 0 or start != begin)
    if bare or not (left.calculated or right.calculated) or _converts(left, right):
        return None
    end = tokens[right.end - 1].end
    holds = _equal(left, right, roughly=tokens[sign].text == "≈") or _divides(
        left, right, tokens[sign - 1], sentence[end : end + 60]
    )
    if not holds and left.spaced != right.spaced:
        return None  # "= 105 105": a number that is repeated
    return Equation(sentence[tokens[start].start : end].strip(), left.value, right.value, holds)


def _converts(left: Term, right: Term) -> bool:
    """Return whether two units of measurement, or a date and a time, make the sides incomparable."""
    measures = left.measures | left.last_measure | right.measures
    if not left.operators:  # with operators, the unit of the result may differ: 45 dollars / 5 dollars = 9 weeks
        measures |= right.last_measure
    dated = (left.fraction or right.fraction) and not measures.isdisjoint(_OF_CALENDARS)  # "3/10 + 5 days = 3/15"
    return len(measures) > 1 or "dozen" in measures or dated


def _left_side(tokens: Sequence[Token], sign: int, begin: int, sentence: str) -> tuple[Term, int] | None:
    """Return the term that ends before an equals sign, and its first token."""
    start = max(begin, start_of_term(tokens, sign))
    for _ in range(_ATTEMPTS):
        if start == sign or not _may_begin(tokens, start, begin):
            return None
        term = term_at(tokens, start, sentence)
        if term is None or term.end == sign:
            return None if term is None else (term, start)
        if tokens[term.end - 1].kind != "word":
            return None
        start = term.end  # "She has 5 left and 3 + 4 = 7": the words were no unit
    return None


def _may_begin(tokens: Sequence[Token], start: int, begin: int) -> bool:
    """Return whether a left side can begin at a token: after a sign or a variable it cannot."""
    before = tokens[start - 1] if start > begin else None
    first = tokens[start]
    if first.kind in ("operator", "percent", "close"):
        signed = first.text == "-" and start + 1 < len(tokens) and tokens[start + 1].start == first.end
        return first.text == "-" and (
            before is None
            or before.kind == "open"
            or (before.kind == "other" and before.text in ":,;-–")
            or (before.kind == "joint" and signed)
        )
    if before is None or before.kind not in ("other", "word"):
        return True
    if before.kind == "word":
        return first.kind != "open" or before.end < first.start  # "f(2)" is a function
    if before.text in ",.'" and before.end == first.start:
        return False  # digits of a longer number
    return not before.text[-1].isalnum()  # "2x 3 = 6" has a variable, "8:45 + 1" a time


def _goes_on(tokens: Sequence[Token], end: int) -> bool:
    """Return whether a right side continues with something that cannot be computed."""
    if end == len(tokens):
        return False
    after, before = tokens[end], tokens[end - 1]
    if after.kind == "operator" or (after.kind == "open" and before.kind in ("number", "close")):
        return True
    if before.kind != "word" and (after.kind in ("number", "root") or after.text[0].isdigit()):
        return True
    return after.kind == "word" and after.start == before.end and before.kind != "percent"


def _equal(left: Term, right: Term, *, roughly: bool) -> bool:
    pairs = [(left.value, right.value)]
    if left.percent or right.percent:
        pairs += [(left.value, 100 * right.value), (left.value, right.value / 100)]
    pairs += [(value, right.value * (100 if right.percent else 1)) for value in left.others]
    pairs += [(value, right.value) for value in left.others]
    pairs += [(left.value, value) for value in right.others]
    exact = left.whole and right.whole and not left.percent and not right.percent
    for one, other in pairs:
        if roughly:
            tolerance = max(_rounding(left), _rounding(right), Fraction(1, 2), abs(other) / 20)
        elif exact and one.denominator == other.denominator == 1:
            tolerance = Fraction(0)
        else:
            scale = max(abs(other / right.value), Fraction(1)) if right.value else Fraction(1)
            tolerance = max(_rounding(left), _rounding(right)) * scale + max(abs(one), abs(other)) / 10**9
        if abs(one - other) <= tolerance:
            return True
    return False


def _rounding(term: Term) -> Fraction:
    return term.digit if term.endless else term.digit / 2


def _divides(left: Term, right: Term, divisor: Token, follows: str) -> bool:
    """Return whether a side is a whole quotient whose remainder is stated after it: ``17 / 5 = 3 remainder 2``."""
    stated = _REMAINDER.match(follows)
    if stated is None or right.calculated or divisor.kind != "number" or not divisor.value:
        return False
    remainder = int(stated[1] or stated[2])
    below = Fraction(divisor.value.denominator) if divisor.fraction else divisor.value
    return remainder < below and right.value + remainder / below == left.value
