"""Read numbers as people write them: separators, signs, currencies, fractions, powers of ten, calculations.

All functions expect plain text (:func:`rtbench.scoring.markup.plain`). A number that is found is returned as text
without separators and currency, such as ``-1200.5``; the value of a fraction or a calculation as a decimal number.
"""

from __future__ import annotations

import ast
import functools
import math
import operator
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

_CURRENCIES = "$€£¥₹₩₽₺₪₫₱฿¢"
_CODES = (
    "USD|EUR|GBP|JPY|CNY|RMB|INR|CHF|CAD|AUD|NZD|SGD|HKD|TWD|SEK|NOK|DKK|KRW|BRL|MXN|ZAR|RUB|TRY|PLN|CZK|HUF|THB|IDR|"
    "MYR|PHP|VND|ILS|AED|SAR|PKR|BDT|LKR|NGN|KES|EGP|ARS|CLP|COP|PEN|UAH|RON"
)
_CODE = rf"(?:\b(?:{_CODES}|Rs\.?|US|CA|AU|NZ|HK|SG|C|A|R|S))"
# Digits inside a word ("Q1") are not a number. The pattern begins with a plain set of characters, so that the engine
# skips all others quickly. Lookbehinds after the first character check the text before; the sign is checked separately.
_START = r"[\d.](?<![A-Za-z_\d].)(?<!\d\..)"
NUMBER = (
    _START + r"(?:(?<=\.)\d+|(?<=\d)(?:"
    r"\d{0,2}(?:,\d{3})+(?!\d)(?:\.\d+)?"  # 1,250,000.50
    r"|\d?(?:,\d{2})+,\d{3}(?!\d)(?:\.\d+)?"  # 12,50,000
    r"|\d{0,2}(?:'\d{3})+(?!\d)(?:\.\d+)?"  # 1'250'000
    r"|\d{0,2}(?: \d{3})+(?![\d/]|-\w)(?:\.\d+|,\d{1,2}(?!\d))?"  # 1 250 000
    r"|\d{0,2}(?:\.\d{3}){2,}(?!\d)(?:,\d{1,2}(?!\d))?"  # 1.250.000
    r"|\d{0,2}\.\d{3},\d{2}(?!\d)"  # 1.250,00
    r"|\d*,\d{1,2}(?![\d,])"  # 12,50
    r"|\d*(?:\.\d+)?))"
)
"""Pattern of a number with separators, without sign, currency and what may follow it."""
_NUMBER = re.compile(NUMBER)
_PLAIN = re.compile(rf"{_START}(?:(?<=\d)(?:\d{{0,2}}(?:,\d{{3}})+(?!\d)|\d*)(?:\.\d+)?|(?<=\.)\d+)", re.ASCII)
"""A faster pattern for texts in which :data:`_SPECIAL` finds nothing."""
_SPECIAL = re.compile(
    r"\d(?:,\d(?!\d\d(?!\d))|[':/^eE]\d|-\d\d-\d| \d{3}(?!\d)|[ -]\d+/\d|\s?[×*x]\s?10)|[A-Z]\d|\.\d{3}\."
    rf"|-(?<![\w)\]].)(?:[\d.{_CURRENCIES}]|[A-Z])"
)
"""Matches where a number may have a sign, a separator other than a thousands comma, an exponent or a denominator."""
_SIGN = re.compile(rf"(?<![\w)\]])-(?:{_CODE}?[{_CURRENCIES}]|{_CODE}\s?)?$")
_SIGN_WORD = re.compile(r"(?<!\d )(?<!\d)\b(?:negative|minus)\s$", re.IGNORECASE)
_CODED = re.compile(rf"(?<![A-Za-z])(?:{_CODES})(?=[\d.])")
_CODE_HINT = re.compile(r"[A-Z.][\d.]")
_CONTINUATIONS = frozenset(" ,.':/^eE×*x-")
"""Characters after a number that may continue it."""
_EXPONENT = re.compile(r"[eE]([+-]?\d{1,3})(?!\w|\.\d)")
_POWER = re.compile(r"\s?[×*x]\s?10\s?\^\s?\(?([+-]?\d{1,3})\)?")
_RAISED = re.compile(r"\^\(?(-?\d{1,3})\)?(?!\d|\.\d)")
_BELOW = re.compile(r"/(\d{1,15}(?:\.\d{1,15})?)(?![\d/])")
_MIXED = re.compile(r"[ -](\d{1,15})/(\d{1,15})(?![\d/])")
_MOST_DIGITS = 100
"""Maximum digits of a number with which is calculated."""
_DATE = re.compile(r"(?:\d{1,2}/\d{1,2}/\d{2,4}|\d{4}/\d{1,2}/\d{1,2}|\d{4}-\d{2}-\d{2})(?![\d/])")
_CLOCK = re.compile(r":\d{2}(?!\d)")


class Number(NamedTuple):
    """A number in a text."""

    text: str
    """The number without separators and currency; of a fraction, its decimal value."""
    start: int
    """Place of its first character, without sign and currency."""
    end: int


@functools.lru_cache(maxsize=4096)  # several extractors read the same text, each all of it and its end
def numbers_in(text: str) -> tuple[str, ...]:
    """Return all numbers of a plain text, in order of appearance."""
    if text.isascii() and _SPECIAL.search(text) is None:
        found = _PLAIN.findall(text)
        return tuple([number.replace(",", "") for number in found] if "," in text else found)
    return tuple(number.text for number in find_numbers(text))


def find_numbers(text: str, *, words: bool = False) -> Iterator[Number]:
    """Yield the numbers of a plain text.

    Args:
        text: the text.
        words: read "negative 8" as -8.
    """
    if _CODE_HINT.search(text) and _CODED.search(text):
        text = _CODED.sub(lambda match: " " * (len(match[0]) - 1) + "$", text)
    skip = 0
    for plain in _PLAIN.finditer(text):
        start, end = plain.span()
        if start < skip:
            continue
        if _is_simple(text, end):
            value = plain[0].replace(",", "")
        else:
            if date := _DATE.match(text, start):  # 11/12/2006 is no quotient
                skip = date.end()
                continue
            match = _NUMBER.match(text, start) or plain
            end = match.end()
            if _CLOCK.match(text, end):  # a time of day is a number only at a full hour
                skip = end + 3
                if text.startswith(":00", end):
                    yield Number(match[0], start, skip)
                continue
            value, end = _with_suffix(without_separators(match[0]), text, end)
        before = text[max(0, start - 9) : start]
        if (words or "-" in before) and _negative(before, words=words):
            value = value[1:] if value.startswith("-") else f"-{value}"
        skip = end
        yield Number(value, start, end)


def _is_simple(text: str, end: int) -> bool:
    """Return whether nothing that may belong to a number follows the one that ends at ``end``."""
    after = text[end : end + 1]
    if after not in _CONTINUATIONS:
        return True
    following = text[end + 1 : end + 2]
    if after in "^×*x":
        return False
    return not (following.isdigit() or (after == " " and following in "×*x") or (after in "eE" and following in "+-"))


def without_separators(digits: str) -> str:
    """Return a number that :data:`NUMBER` matches, with a decimal point and no other separators."""
    whole, comma, last = digits.replace("'", "").replace(" ", "").rpartition(",")
    if comma and len(last.partition(".")[0]) < 3:  # a decimal comma
        return f"{whole.replace('.', '')}.{last}"
    if comma:
        return f"{whole.replace(',', '')}{last}"
    return last.replace(".", "") if last.count(".") > 1 else last


def _with_suffix(digits: str, text: str, end: int) -> tuple[str, int]:
    """Return a number with the exponent, denominator or fraction that follows it, and where it ends."""
    mark = text[end : end + 1]
    if len(digits) > _MOST_DIGITS:
        return digits, end
    match: re.Match[str] | None = None
    value = digits
    if (mark and mark in "eE" and (match := _EXPONENT.match(text, end))) or (
        mark and mark in "× *x" and (match := _POWER.match(text, end))
    ):
        value = _scaled(digits, int(match[1]))
    elif mark == "^" and (match := _RAISED.match(text, end)):
        value = _power(digits, int(match[1]))
    elif mark == "/" and (match := _BELOW.match(text, end)) and float(match[1]):
        value = decimal_text(float(digits) / float(match[1]))
    elif mark and mark in " -" and digits.isdecimal() and (match := _MIXED.match(text, end)):
        if int(match[1]) >= int(match[2]):
            return digits, end
        value = decimal_text(int(digits) + int(match[1]) / int(match[2]))
    return value, match.end() if match and value != digits else end


def _scaled(digits: str, power: int) -> str:
    value = float(f"{digits}e{power}")
    return decimal_text(value) if math.isfinite(value) else digits


def _power(digits: str, power: int) -> str:
    try:
        value = float(digits) ** power
    except (OverflowError, ZeroDivisionError):
        return digits
    return decimal_text(value) if math.isfinite(value) else digits


def _negative(before: str, *, words: bool) -> bool:
    """Return whether the number after this text has a minus sign, directly or before its currency."""
    if "-" in before and _SIGN.search(before):
        return True
    return words and before[-1:].isspace() and _SIGN_WORD.search(before) is not None


def decimal_text(value: float) -> str:
    """Return a number as text with at most 12 significant digits; whole numbers without exponent."""
    if abs(value) < 1e15 and value == int(value):
        return str(int(value))
    return f"{value:.12g}"


_WITHOUT_SEPARATORS = {ord(mark): None for mark in ",.' {}\\\u00a0\u202f\u2019"}
_WITH_EXPONENT = re.compile(r"\d[eE][+-]?\d")
_TIMES_TEN = re.compile(r"[×*x]\s?10")
_OTHER_DIGITS = re.compile(r"[\u00b2\u00b3\u00b9\u00bc-\u00be\u0660-\u1fff\u2070-\u218b\u2460-\u24ff\uff10-\uff19]")
"""Superscripts, fractions, and digits of other scripts."""
_QUOTIENT = re.compile(r"(?<![\d,])(\d[\d,]{0,30}(?:\.\d{1,15})?)/(\d{1,15}(?:\.\d{1,15})?)")


def _may_be_hidden(text: str, digits: str) -> bool:
    """Return whether a text may have a number whose digits are not written in a row."""
    return (
        (len(digits) > 3 and digits in text.translate(_WITHOUT_SEPARATORS))
        or "^" in text
        or "frac" in text
        or ("10" in text and _TIMES_TEN.search(text) is not None)
        or _WITH_EXPONENT.search(text) is not None
        or (not text.isascii() and _OTHER_DIGITS.search(text) is not None)
    )


def mentioned(text: str, digits: str) -> bool | None:
    """Return whether a text, with its markup, has a whole number; a short cut that answers most cases.

    Args:
        text: a model's text.
        digits: the number, without sign and separators.

    Returns:
        None where all numbers of the text must be read to know.
    """
    at = text.find(digits)
    if at > 0 and text[at - 1] in " \n(" and not text[at - 2].isdigit() and text[at - 2] != "-":
        end = at + len(digits)
        after, following = text[end : end + 1], text[end + 1 : end + 2]
        if after in "\n)" or (after in " .,;" and not following.isdigit() and following not in "×*x"):
            return True
    if at >= 0 or _may_be_hidden(text, digits):
        return None
    value = int(digits)
    for above, below in _QUOTIENT.findall(text) if "/" in text else ():
        if float(below) and same_value(float(above.replace(",", "")) / float(below), value):
            return None
    return False


# ------------------------------------------------------------------------------------------------------ calculations

_OPERATIONS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_LONGEST_TERM = 200
"""Maximum characters. Small students that cannot stop write runs such as ``1+1+1+…``; parsing those nests deeply."""
_TERM = re.compile(r"[\d\s.()*/+-]{3,200}")
_TERM_OPERATOR = re.compile(r"[\d)]\s*(?:[*/+]|\s-\s|(?<=\))\s*-|-\s*(?=\())\s*[\d(.-]")
_OPERATOR = re.compile(r"[\d)%][^\d=]{0,25}?(?:[+*/×÷]|(?<=\s)x(?=\s)|-)[^\d=]{0,25}?[\d(]")
_LETTERED = re.compile(r"[^\d]*(?:[A-Za-z]\w*[^\d]*)?$")
_CALCULATION_MARKS = str.maketrans({"×": "*", "÷": "/", **dict.fromkeys(_CURRENCIES)})


def calculated(clause: str) -> str | None:
    """Return the result of a clause that is a calculation: the right side of an equation, or the value of a term.

    Returns:
        None where the clause is neither.
    """
    left, equals, right = clause.rpartition("=")
    if equals and left[-1:] not in "<>!":
        first = left.partition("=")[0]
        if _OPERATOR.search(first) or _LETTERED.match(first):
            number = next(find_numbers(right), None)
            return number.text if number else None
        return None
    term = clause.strip().rstrip(".").replace(",", "").translate(_CALCULATION_MARKS).strip()
    if _TERM.fullmatch(term) is None or _TERM_OPERATOR.search(term) is None:
        return None
    value = term_value(term)
    return None if value is None or not math.isfinite(value) else decimal_text(value)


def term_value(term: str) -> float | None:
    """Return the value of a term of numbers, brackets and the four operations; None for other or very long texts."""
    if len(term) > _LONGEST_TERM:
        return None
    try:
        return _value(ast.parse(term.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, OverflowError, RecursionError, MemoryError):
        return None


def _value(node: ast.expr) -> float:
    """Return the value of a term of numbers and the four operations; nothing else is evaluated."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        return _OPERATIONS[type(node.op)](_value(node.left), _value(node.right))
    raise ValueError(ast.dump(node))


# --------------------------------------------------------------------------------------------------------- statements

_REFUSAL = re.compile(
    r"\b(?:unknown|unclear|undetermined|undefined|indeterminate|impossible|insufficient|unanswerable|not sure|"
    r"not (?:enough|possible|known|given|clear|determinable)|cannot|can't|can not|could not|no (?:solution|answer)|n/a)\b",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(
    r"(?<=[\w.%°\])])\s*\((?![\d.\s+*/×÷-]*\)[\s.]*$)|[.!?]\s+(?=[^\d\s]|$)|[.!?]$|[;:](?=\s)|,\s|\s(?=because\b|since\b|as\b|where\b|when\b)"
)
_EQUATION = re.compile(rf"[\d.,%\s{_CURRENCIES}]*(?:[+*/×÷^x√-][\d.,()%\s{_CURRENCIES}]+)+=\s*(?=[-(\d.{_CURRENCIES}])")
_OPERATION = re.compile(r"[\d)%]\s*[+*/×÷^x-]")
_ROOT = re.compile(r"(?<=√)[\d.,]+\s*=\s*(?=[\d.])")
_DENIED = re.compile(r"\bnot\s+(?:[A-Za-z]+\s+)?\S?$")


_BARE = re.compile(r"[ :]*\$?(\d{1,3}(?:,\d{3})+|\d+)((?:\.\d+)?)(?: [a-z]{2,20}){0,3}\.?\s*", re.ASCII)


def bare_number(statement: str) -> str | None:
    """Return the number of a statement that is only a number, perhaps with a unit; a short cut for most answers.

    The result is that of :func:`stated_number`; None means nothing.
    """
    match = _BARE.fullmatch(statement)
    return match[1].replace(",", "") + match[2] if match else None


def stated_number(statement: str) -> str | None:
    """Return the number that a statement gives: a plain text such as what follows "The answer is".

    It is the result of the first clause where that is a calculation, and otherwise the first number that is not denied.

    Returns:
        None where the statement has no number, or says that there is no answer.
    """
    for line in (line.strip().lstrip(":= ") for line in statement.splitlines()):
        refusal = _REFUSAL.search(line)
        clause = line if _TERM.fullmatch(line) else _clause(line)
        if clause and (value := calculated(clause)) is not None and not (refusal and refusal.start() < len(clause)):
            return value
        for number in find_numbers(line, words=True):
            if refusal and refusal.start() < number.start:
                return None
            if _DENIED.search(line, max(0, number.start - 16), number.start):
                continue
            equation = _ROOT.match(line, number.start)
            if equation is None and _OPERATION.search(line, number.start):
                equation = _EQUATION.match(line, number.start)
            result = next(find_numbers(line[equation.end() :]), None) if equation else None
            return result.text if result else number.text
        if refusal:
            return None
    return None


def last_number(text: str) -> str | None:
    """Return the last number of a plain text that is not denied, as in "it is 14, not 15"; None where it has none."""
    numbers = numbers_in(text)
    if not numbers or " not " not in text:
        return numbers[-1] if numbers else None
    kept = [one.text for one in find_numbers(text) if not _DENIED.search(text, max(0, one.start - 16), one.start)]
    return kept[-1] if kept else None


def _clause(line: str) -> str:
    end = _CLAUSE_END.search(line, 1)
    return line[: end.start()] if end else line


def as_value(text: str) -> int | float:
    """Return a number that was found; whole numbers are exact."""
    try:
        return int(text)
    except ValueError:  # decimals, or more digits than are converted
        value = float(text)
        return int(value) if value.is_integer() and abs(value) < 1e15 else value


def same_value(one: float, other: float) -> bool:
    """Return whether two values are equal: whole numbers exactly, others up to a millionth of the larger, or 1e-6."""
    if isinstance(one, int) and isinstance(other, int):
        return one == other
    try:
        return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-6)
    except OverflowError:  # a whole number beyond what a float holds
        return False
