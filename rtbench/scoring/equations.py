"""Find equations in text and check whether they hold: ``16 - 8 = 9`` does not."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from rtbench.scoring.numbers import term_value

_NUMBER = r"(?:[$€£]?\d(?:[\d,]*\d)?(?:\.\d+)?%?|[$€£]?\.\d+%?)(?![\da-wyz^]|x(?!\s*[\d$(]))"
"""``2x`` and ``2^4`` are not numbers; ``2x3`` begins with a number."""
_UNIT = r"(?:\s+[a-z]+){0,2}?"
"""``5 red apples + 3 apples = 8 apples``: up to two words after a number are its unit."""
_TERM = rf"(?:\(\s*)*-?{_NUMBER}{_UNIT}(?:\s*\))*"
_OPERATOR = r"\s*(?:[-+*/×÷x]|\bof\b|\btimes\b|\bplus\b|\bminus\b|\bdivided by\b)\s*"
_SIDE = rf"{_TERM}(?:{_OPERATOR}{_TERM})*"
_EQUATION = re.compile(rf"(?<![\w.,/^]){_SIDE}(?:\s*=\s*{_SIDE})+", re.IGNORECASE)
_PIECES = re.compile(r"\.\s+|\n")
_CLAUSES = re.compile(r"[,;:]\s+|\s(?:so|and|then|which)\s", re.IGNORECASE)
_LATEX_FRACTION = re.compile(r"\\[dt]?frac\{([^{}\\]*)\}\{([^{}\\]*)\}")
_LATEX_TEXT = re.compile(r"\\(?:text|mathrm|boxed|textbf|mathbf)\{([^{}]*)\}")
_LATEX = {
    "\\times": "×", "\\cdot": "×", "\\div": "÷", "\\%": "%", "\\$": "$", "\\left": "", "\\right": "",
    "\\(": "", "\\)": "", "\\[": "", "\\]": "", "\\,": "", "\\ ": " ",
}  # fmt: skip
_BOLD = re.compile(r"\*\*(?=\S)([^*\n]+?)(?<=\S)\*\*")
_EQUALS = re.compile(r"\s+(?:equals|is equal to)\s+(?=[-($€£]?\s*[\d.])", re.IGNORECASE)
_DOLLARS = re.compile(r"\$(?=\S)([^$\n]*=[^$\n]*?)(?<=[\s\d)])\$(?!\d)")
"""``$4 \\times 5 = 20$``: LaTeX between dollar signs, not an amount of dollars."""
_LONGEST = 500
"""Maximum characters of a sentence. Longer ones come from students that cannot stop, and the patterns are slow on
them."""
_CALCULATION = re.compile(rf"\d\D*?{_OPERATOR}\(?\s*[$€£]?[\d.]", re.IGNORECASE)
_BARE = re.compile(rf"\s*-?{_NUMBER}{_UNIT}\s*", re.IGNORECASE)
_GOES_ON_BEFORE = re.compile(r"(?:[-+*/×÷^)%=]|\d)\s*$")
_GOES_ON_AFTER = re.compile(r"\s*[-+*/×÷^(]|\s+\d|[^\W\d_]")
_BULLET = re.compile(r"\s*[-*+]\s*$")
_SIGNS = {"of": "*", "times": "*", "plus": "+", "minus": "-", "divided by": "/"}
_WORDS = re.compile(r"\b(?:of|times|plus|minus|divided by)\b", re.IGNORECASE)
_TIMES = re.compile(r"(?<=[\d)%])\s*[x×]\s*(?=[\d($€£.])", re.IGNORECASE)
_LETTERS = re.compile(r"[a-z]+", re.IGNORECASE)
_MARKS = re.compile(r"[$€£,]")
_PERCENT = re.compile(r"(\d[\d.]*|\.\d+)%")
_LEADING_ZERO = re.compile(r"(?<![\d.])0+(?=\d)")
_DECIMALS = re.compile(r"\.(\d+)\D*$")
_DATE = re.compile(r"\d+\s*/\s*\d+\s*/\s*\d+")
_MEASURES = frozenset(
    [
        "second",
        "minute",
        "hour",
        "day",
        "week",
        "month",
        "year",
        "inch",
        "inche",
        "feet",
        "foot",
        "yard",
        "mile",
        "meter",
        "metre",
        "kilometer",
        "cm",
        "km",
        "kg",
        "gram",
        "pound",
        "ounce",
        "cent",
        "penny",
        "pennie",
        "nickel",
        "dime",
        "quarter",
        "dollar",
        "dozen",
        "liter",
        "litre",
        "gallon",
        "pint",
        "quart",
        "ml",
        "mph",
        "percent",
    ]
)
"""Units of measurement. Two of them in one equation mean a conversion, which is not checked."""


@dataclass(frozen=True)
class Equation:
    """Two sides that a text claims to be equal."""

    text: str
    left: float
    right: float
    tolerance: float
    """Half of the last digit of a rounded side."""
    percent: bool = False
    """True where a side is a percentage; many write ``1 / 4 * 100 = 25%``."""

    @property
    def holds(self) -> bool:
        """Return whether the sides are equal, up to rounding and, with a percentage, a factor of 100."""
        return self._near(self.right) or (
            self.percent and (self._near(100 * self.right) or self._near(self.right / 100))
        )

    def _near(self, right: float) -> bool:
        scale = max(self.right, right) / self.right if self.right > 0 and right > 0 else 1.0
        return abs(self.left - right) <= self.tolerance * scale + 1e-9 * max(abs(self.left), abs(right))


def equations_in(text: str) -> Iterator[Equation]:
    """Yield the equations of a text that can be computed.

    They have numbers with units, percent and currency signs, and the four operations as signs or words. Chains such as
    ``2 + 3 = 5 * 2 = 10`` are yielded pair by pair. An equation is skipped if it begins with a bare number, contains a
    variable, a power, a date or two units of measurement, or continues before or after the match.
    """
    for line in _pieces(_without_markup(text)):
        if "=" not in line or len(line) > _LONGEST:
            continue
        for match in _EQUATION.finditer(line):
            sides = match.group().split("=")
            before = line[: match.start()]
            if (_GOES_ON_BEFORE.search(before) and not _BULLET.fullmatch(before)) or not _CALCULATION.search(sides[0]):
                sides = sides[1:]
            if _GOES_ON_AFTER.match(line[match.end() :]):
                sides = sides[:-1]
            for left, right in itertools.pairwise(sides):
                equation = _equation(left, right)
                if equation is not None:
                    yield equation


def _pieces(text: str) -> Iterator[str]:
    """Yield sentences and lines (the dash of a list's next line is not a minus); a long sentence clause by clause."""
    for sentence in _PIECES.split(text):
        yield from [sentence] if len(sentence) <= _LONGEST else _CLAUSES.split(sentence)


def _without_markup(text: str) -> str:
    """Return a text with calculations in plain text instead of LaTeX and Markdown, which chat models use."""
    text = text.replace("\u2212", "-")
    if "\\" in text:
        text = _LATEX_FRACTION.sub(r"(\1) / (\2)", text)
        text = _LATEX_TEXT.sub(r" \1 ", text)
        for command, sign in _LATEX.items():
            text = text.replace(command, sign)
    text = _EQUALS.sub(" = ", _BOLD.sub(r"\1", text))
    return _DOLLARS.sub(r"\1", text)


def _equation(left: str, right: str) -> Equation | None:
    if not any(_CALCULATION.search(side) for side in (left, right)):
        return None
    words = {word.casefold().removesuffix("s") for word in _LETTERS.findall(f"{left} {right}")}
    values = (_value_of(left), _value_of(right))
    if "$" in left + right:
        words.add("dollar")
    if len(words & _MEASURES) > 1 or values[0] is None or values[1] is None:
        return None
    tolerance = max(_half_digit(left), _half_digit(right))
    percent = "%" in left + right
    return Equation(f"{left.strip()} = {right.strip()}", values[0], values[1], tolerance, percent)


def _half_digit(side: str) -> float:
    """Return half of a side's last digit if it is a bare number with decimals, which may be rounded; else 0."""
    decimals = _DECIMALS.search(side)
    if decimals is None or not _BARE.fullmatch(side):
        return 0.0
    return 0.5 * 10.0 ** -len(decimals[1]) * (0.01 if "%" in side else 1.0)


def _value_of(side: str) -> float | None:
    if _DATE.search(side):
        return None
    term = _WORDS.sub(lambda match: _SIGNS[match.group().casefold()], side)
    term = _TIMES.sub("*", term).replace("÷", "/").replace("×", "*")
    term = _MARKS.sub("", _LETTERS.sub("", term))
    return term_value(_LEADING_ZERO.sub("", _PERCENT.sub(r"(\1/100)", term)))
