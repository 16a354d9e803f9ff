"""Split sentences into numbers, operators and words, and compute the terms that these form.

All functions expect plain text (:func:`rtbench.scoring.markup.plain`). Values are exact fractions, so that large whole
numbers are compared digit by digit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal, NamedTuple

from rtbench.scoring.numbers import NUMBER, without_separators
from rtbench.scoring.words import FUNCTIONS, JOINTS, MEASURES

Kind = Literal["number", "operator", "open", "close", "root", "percent", "word", "joint", "equals", "other"]

_ATTACHED = re.compile(r"(?:kg|km|cm|mm|mg|ml|mph|lbs|lb|oz|ft|hrs|hr|min|sec|cents)(?![^\W\d])")
"""Units that may be written directly after a number; another letter there is a variable."""
_SCALES = {
    "hundred": 100,
    "thousand": 1000,
    "lakh": 10**5,
    "million": 10**6,
    "crore": 10**7,
    "billion": 10**9,
    "trillion": 10**12,
}
_SCALE = re.compile(rf"\s?({'|'.join(_SCALES)})s?\b", re.IGNORECASE)
_OPERATORS = {"×": "*", "÷": "/", "of": "*", "times": "*", "plus": "+", "minus": "-", "over": "/"}
_TOKEN = re.compile(
    r"(?P<other>\d{1,2}:\d{2}(?::\d{2})?|(?<![\d/])(?:\d{1,2}/\d{1,2}/\d{2,4}|\d{4}/\d{1,2}/\d{1,2})(?![\d/])"
    r"|\d{4}-\d{2}-\d{2}|[<>!=]=|=>|->|…)"
    rf"|(?P<number>(?:(?<![\w./])\d{{1,3}} )?(?<![\w./])\d{{1,6}}/\d{{1,6}}(?![\w/^]|\.\d)|{NUMBER})"
    r"(?P<more>…)?"
    rf"|(?P<divided>\bdivided by\b)|(?P<operator>[-+*/×÷^]|\b(?:of|times|plus|minus|over)\b(?=\s*[-($€£¥₹√]?\s*[\d.(]))|(?P<equals>[=≈])"
    r"|(?P<open>[(\[])|(?P<close>[)\]])|(?P<root>√|\b(?:the )?square root of\b)|(?P<percent>%|\bpercent\b)"
    r"|(?P<word>°?[^\W\d_]+(?:[-/'’][^\W\d_]+|\^\d)*|°)|(?P<currency>[$€£¥₹])|(?P<mark>\S)",
    re.IGNORECASE,
)
_ARGUMENT = re.compile(r"\s*[\d(]")
_MARKS: tuple[Kind, ...] = ("equals", "open", "close", "root", "percent")
_DIGITS = 40
"""Maximum digits of a number."""
_MOST_TOKENS = 100
"""Maximum tokens of a term."""
_DEEPEST = 12
"""Maximum depth of brackets."""
_LARGEST_POWER = 40


class Token(NamedTuple):
    """A number, sign or word of a sentence."""

    kind: Kind
    text: str
    start: int
    end: int
    value: Fraction = Fraction(0)
    """Value of a number; 0 for other tokens."""
    digit: Fraction = Fraction(0)
    """Value of one unit in a number's last decimal place; 0 for a whole number."""
    fraction: bool = False
    """True for a number that is written as a fraction, such as 3/4 or 2 1/2."""
    endless: bool = False
    """True for a number whose decimals go on: 0.666…"""


class Term(NamedTuple):
    """A computed term, and what decides how its value is compared."""

    value: Fraction
    end: int
    """Place of the first token after it."""
    calculated: bool
    """True where it has an operator or a fraction, and False for a number alone."""
    operators: int
    digit: Fraction
    """Of a number alone, one unit of its last decimal place; otherwise 0."""
    endless: bool
    whole: bool
    """True where only whole numbers were used."""
    percent: bool
    measures: frozenset[str]
    """Units of measurement, without the one at the end."""
    last_measure: frozenset[str]
    """The unit of measurement at the end."""
    spaced: bool
    """True where a number has spaces as separators."""
    fraction: bool
    """True where a number is written as a fraction."""
    others: tuple[Fraction, ...]
    """Values by other readings of percent signs: in ``100 - 20%`` 20 % of the 100, or 20 alone."""


def tokens_of(sentence: str) -> list[Token]:
    """Return the tokens of a sentence; currencies are left out."""
    found: list[Token] = []
    place = 0
    while (match := _TOKEN.search(sentence, place)) is not None:
        token, place = _token(match, sentence)
        if match["currency"] is None:
            if token.kind == "operator" and token.end > token.start + 1 and not _connects(token, found):
                token = token._replace(kind="joint")
            found.append(token)
        elif found and found[-1].kind == "number":
            found[-1] = found[-1]._replace(end=place)  # 5€
    return found


def _connects(word: Token, found: Sequence[Token]) -> bool:
    """Return whether a word such as "times" is an operator: "of" in "a total of 5" is none."""
    before = found[-1].kind if found else "joint"
    return before in ("number", "close", "percent") or (before == "word" and word.text != "*")


def _token(match: re.Match[str], sentence: str) -> tuple[Token, int]:
    if match["number"] is not None:
        return _number(match, sentence)
    start, end = match.span()
    kind, text = _kind(match, sentence)
    return Token(kind, text, start, end), end


def _kind(match: re.Match[str], sentence: str) -> tuple[Kind, str]:
    """Return the kind of a token that is no number, and its text."""
    text = match[0]
    if match["operator"] is not None or match["divided"] is not None:
        return "operator", _OPERATORS.get(text.lower(), "/" if match["divided"] else text)
    if match["word"] is not None:
        function = text.lower() in FUNCTIONS and _ARGUMENT.match(sentence, match.end())
        if function or (len(text) == 1 and text != "°" and text.lower() not in JOINTS):
            return "other", text  # with a single letter, a variable
        return ("joint" if text.lower() in JOINTS else "word"), text
    found: Kind = next((kind for kind in _MARKS if match[kind] is not None), "other")
    return found, text


def _number(match: re.Match[str], sentence: str) -> tuple[Token, int]:
    start, end = match.span()
    digits = match["number"]
    if sum(map(str.isdigit, digits)) > _DIGITS:
        return Token("other", digits, start, end), end
    fraction = "/" in digits
    value, digit = _fraction(digits) if fraction else _decimal(digits)
    if value is None:
        return Token("other", digits, start, end), end
    if scale := _SCALE.match(sentence, end):
        factor, end = _SCALES[scale[1].lower()], scale.end()
        value, digit = value * factor, digit * factor
    follows = sentence[end : end + 1]
    if (follows.isalpha() or follows == "_") and _ATTACHED.match(sentence, end) is None:
        return Token("other", digits, start, end), end
    return Token("number", sentence[start:end], start, end, value, digit, fraction, match["more"] is not None), end


def _decimal(digits: str) -> tuple[Fraction, Fraction]:
    plain = without_separators(digits)
    decimals = len(plain.partition(".")[2])
    return Fraction(plain), Fraction(1, 10**decimals) if decimals else Fraction(0)


def _fraction(digits: str) -> tuple[Fraction | None, Fraction]:
    whole, _, rest = digits.rpartition(" ")
    above, below = map(int, rest.split("/"))
    if not below or (whole and above >= below):
        return None, Fraction(0)
    return int(whole or 0) + Fraction(above, below), Fraction(0)


# --------------------------------------------------------------------------------------------------------- terms


class _NoTermError(Exception):
    """The tokens are not a term that can be computed."""


class _Parser:
    """Reads a term of tokens from ``at`` on, as far as it goes."""

    def __init__(
        self, tokens: Sequence[Token], at: int, *, right: bool, hundredth: Fraction = Fraction(1, 100)
    ) -> None:
        self.tokens, self.at, self.first, self.right, self.hundredth = tokens, at, at, right, hundredth
        self.depth = 0
        self.operators = 0
        self.numbers: list[Token] = []
        self.roots = self.percent = False
        self.measures: list[tuple[int, str]] = []
        """Units, each with the place after it."""
        self.discount: Fraction | None = None

    def peek(self) -> Token | None:
        return self.tokens[self.at] if self.at < min(len(self.tokens), self.first + _MOST_TOKENS) else None

    def take(self, kind: Kind, texts: str = "") -> Token | None:
        token = self.peek()
        if token is None or token.kind != kind or (texts and token.text not in texts):
            return None
        if kind == "operator" and token.end > token.start + 1 and self.after_unit(token):
            return None
        self.at += 1
        return token

    def after_unit(self, word: Token) -> bool:
        """Return whether a word such as "minus" or "of" goes on with the sentence, and not with the term.

        "= 480 dollars minus a discount" and "3 boxes of 6 eggs" do, "480 minus 4" does not.
        """
        return self.at > self.first and self.tokens[self.at - 1].kind == "word" and (self.right or word.text == "*")

    def sum(self) -> Fraction:
        value = self.product()
        while (sign := self.take("operator", "+-")) is not None:
            self.operators += 1
            first, before = self.at, value
            other = self.product()
            value = value + other if sign.text == "+" else value - other
            if self.at == first + 2 and self.tokens[self.at - 1].kind == "percent":
                self.discount = before * (1 + other) if sign.text == "+" else before * (1 - other)
        return value

    def product(self) -> Fraction:
        value = self.signed()
        while True:
            sign = self.take("operator", "*/")
            token = self.peek()
            if sign is None and not (token and token.kind == "open" and token.start == self.tokens[self.at - 1].end):
                return value
            self.operators += 1
            other = self.signed()
            if sign is None or sign.text == "*":
                value *= other
            elif other:
                value /= other
            else:
                raise _NoTermError

    def signed(self) -> Fraction:
        if self.take("operator", "-"):
            return -self.signed()
        value = self.atom()
        if self.take("operator", "^"):
            self.operators += 1
            negative = self.take("operator", "-") is not None
            power = self.atom()
            if power.denominator != 1 or power > _LARGEST_POWER or (negative and not value):
                raise _NoTermError
            value = value ** (-int(power) if negative else int(power))
            if max(value.numerator.bit_length(), value.denominator.bit_length()) > 2000:
                raise _NoTermError
        return value

    def atom(self) -> Fraction:
        if self.take("root"):
            self.operators += 1
            return self.root()
        if number := self.take("number"):
            self.numbers.append(number)
            value = number.value
        elif self.take("open"):
            self.depth += 1
            if self.depth > _DEEPEST:
                raise _NoTermError
            value = self.sum()
            if not self.take("close"):
                raise _NoTermError
            self.depth -= 1
        else:
            raise _NoTermError
        if self.take("percent"):
            self.percent = True
            value *= self.hundredth
        self.units()
        return value

    def root(self) -> Fraction:
        value = self.atom()
        if value < 0:
            raise _NoTermError
        above, below = math.isqrt(value.numerator), math.isqrt(value.denominator)
        exact = Fraction(above, below)
        if exact * exact == value:
            return exact
        self.roots = True
        return Fraction(math.sqrt(value))

    def units(self) -> None:
        """Take up to two words, the unit of a number, and a rate such as "per day"; "(1/3)x" has a variable instead."""
        words = 0
        while words < 2 and (word := self.peek()) is not None and word.kind == "word":
            before = self.tokens[self.at - 1]
            if before.kind == "close" and before.end == word.start:
                return
            self.at += 1
            if word.text.lower() == "per":
                self.take("word")
            else:
                self.measures.append((self.at, _singular(word.text)))
            words += 1


def _singular(word: str) -> str:
    word = word.casefold()
    return word if len(word) < 3 else word.removesuffix("s")


def term_at(tokens: Sequence[Token], at: int, sentence: str, *, right: bool = False) -> Term | None:
    """Return the longest term that begins at a token; None where there is none that can be computed.

    Args:
        tokens: the tokens of the sentence.
        at: place of the term's first token.
        sentence: the sentence.
        right: True for the right side of an equation.
    """
    parser = _Parser(tokens, at, right=right)
    try:
        value = parser.sum()
    except (_NoTermError, OverflowError, RecursionError):
        return None
    numbers = parser.numbers
    calculated = bool(parser.operators) or any(number.fraction for number in numbers)
    alone = len(numbers) == 1 and not calculated
    measures = {word for end, word in parser.measures if word in MEASURES and end != parser.at}
    last_measure = {word for end, word in parser.measures if word in MEASURES and end == parser.at}
    first, last = tokens[at], tokens[parser.at - 1]
    if "$" in sentence[max(0, first.start - 1) : last.end]:
        measures.add("dollar")
    return Term(
        value=value,
        end=parser.at,
        calculated=calculated,
        operators=parser.operators,
        digit=numbers[0].digit / (100 if parser.percent else 1) if alone else Fraction(0),
        endless=alone and numbers[0].endless,
        whole=not parser.roots and not any(number.digit or number.fraction for number in numbers),
        percent=parser.percent,
        measures=frozenset(measures),
        last_measure=frozenset(last_measure),
        spaced=any(" " in number.text.strip() and not number.fraction for number in numbers),
        fraction=any(number.fraction for number in numbers),
        others=_other_readings(parser),
    )


def _other_readings(parser: _Parser) -> tuple[Fraction, ...]:
    if not parser.percent or not parser.operators:
        return ()
    discounted = () if parser.discount is None else (parser.discount,)
    try:
        unmarked = _Parser(parser.tokens, parser.first, right=parser.right, hundredth=Fraction(1)).sum()
    except (_NoTermError, OverflowError, RecursionError):
        return discounted
    return (unmarked, *discounted)


def start_of_term(tokens: Sequence[Token], end: int) -> int:
    """Return where the term begins that ends before the token ``end``; ``end`` where there is none.

    Words belong to it as units only where they follow a number, a bracket or a percent sign, at most two of them.
    """
    at, depth = end, 0
    lowest = max(0, end - _MOST_TOKENS)
    while at > lowest:
        token = tokens[at - 1]
        if token.kind == "word":
            first = at - 1
            while first > lowest and at - first < 2 and tokens[first - 1].kind == "word":
                first -= 1
            unit_of = tokens[first - 1] if first else None
            if unit_of is None or unit_of.kind not in ("number", "close", "percent"):
                break
            if unit_of.kind == "close" and unit_of.end == tokens[first].start:
                break
            at = first
            continue
        if token.kind in ("other", "joint", "equals") or (token.kind == "open" and not depth):
            break
        depth += (token.kind == "close") - (token.kind == "open")
        at -= 1
    return at
