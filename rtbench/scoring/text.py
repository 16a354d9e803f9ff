"""Find answers in text: numbers, calculations, spelled strings, choices that are stated by their text."""

from __future__ import annotations

import ast
import functools
import math
import operator
import re
from collections.abc import Callable, Sequence

from rtbench.errors import BadInputError

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MARKS = re.compile(r"[\"'\n.\s]")
"""Characters that are never part of a string answer."""
_PLAIN_MARKS = {ord(mark): None for mark in map(chr, range(128)) if MARKS.match(mark)}
JOINTS = re.compile(r"[\s\-.,'\"*]+")
"""Characters that may be between the letters of a string that is spelled letter by letter."""
# Digits inside a word ("Q1") are not a number. The pattern begins with a plain set of characters, so that the engine
# skips all others quickly. Lookbehinds after the first character check the text before; the sign is checked separately.
_START = r"[\d.](?<![A-Za-z_\d].)(?<!\d\..)"
_DIGITS = re.compile(rf"{_START}(?:(?<=\.)\d+|(?<=\d)(?:\d{{0,2}}(?:,\d{{3}})+(?!\d)(?:\.\d+)?|\d*(?:\.\d+)?))")
_PLAIN = re.compile(rf"{_START}(?:(?<=\d)\d*(?:\.\d+)?|(?<=\.)\d+)", re.ASCII)
"""A faster pattern for ASCII texts without thousands separators in numbers."""
# A sign counts only where it cannot be a minus between two terms or a hyphen.
_NO_SIGN = re.compile(r"[\w)\]]")
_CURRENCIES = "$€£"
_BEFORE = frozenset(_CURRENCIES + "-")
_MARKED = re.compile(rf"[-,{_CURRENCIES}][\d.]")
"""Matches where a number may have a sign or a thousands separator."""
_QUOTED = re.compile(r"[\"“]([^\"”\n]+)[\"”]")
_LEADING_ZERO = re.compile(r"\b0+(?=\d)")
_TERM = re.compile(r"[\d\s.()]*\d\s*[-+*/][-+*/\d\s.()]*")
_LONGEST_TERM = 200
"""Maximum characters. Small students that cannot stop write runs such as ``1+1+1+…``; parsing those nests deeply."""
_OPERATIONS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_SPELLED = re.compile(r"^\W*\w(?:\W+\w)+\W*$")


def behind(text: str, prefix: str | None) -> str | None:
    """Return the text after the last prefix, ignoring case.

    Returns:
        All of the text where ``prefix`` is None; None where the prefix is missing.
    """
    if prefix is None:
        return text
    folded = text.casefold()
    # casefold may change lengths outside ASCII; then the exact prefix is searched.
    at = folded.rfind(prefix.casefold()) if len(folded) == len(text) else text.rfind(prefix)
    return None if at < 0 else text[at + len(prefix) :]


def texts_to_letters(text: str, choices: Sequence[str]) -> list[str]:
    """Return the letters of the choices whose text occurs in ``text``, in order of appearance.

    Where choices overlap, the longer counts; where choices have the same text, the first counts.
    """
    if not choices:
        return []
    hay = _normal(text)
    matches: list[tuple[int, int, str]] = []
    for needle, letter in _needles(tuple(choices)).items():
        at = hay.find(needle)
        while at >= 0:
            end = at + len(needle)
            if not _inside_word(hay, at, end):
                matches.append((at, end, letter))
            at = hay.find(needle, at + 1)
    kept = [
        (start, letter)
        for start, end, letter in matches
        if not any(s <= start and end <= e and e - s > end - start for s, e, _ in matches)
    ]
    return [letter for _, letter in sorted(kept)]


@functools.lru_cache(maxsize=1024)
def _needles(choices: tuple[str, ...]) -> dict[str, str]:
    """Return the choices' letters by the texts to search for; of choices with the same text, the first's."""
    needles: dict[str, str] = {}
    for letter, choice in zip(LETTERS, choices, strict=False):
        if needle := _normal(choice):
            needles.setdefault(needle, letter)
    return needles


def _inside_word(hay: str, start: int, end: int) -> bool:
    """Return whether a span begins or ends inside a longer word or number."""
    head = start > 0 and hay[start - 1].isalnum() and hay[start].isalnum()
    tail = end < len(hay) and hay[end].isalnum() and hay[end - 1].isalnum()
    if not tail and end < len(hay) - 1 and hay[end] in ".,/" and hay[end - 1].isdigit():
        tail = hay[end + 1].isdigit()
    return head or tail


def squeezed(text: str) -> str:
    """Return the text with all white space replaced by single spaces."""
    return " ".join(text.split())


def folded(text: str) -> str:
    """Return the text in lower case with single spaces."""
    return squeezed(text.casefold())


def _normal(text: str) -> str:
    """Return the folded text without leading zeros of numbers: 05/01/2021 becomes 5/1/2021."""
    return _LEADING_ZERO.sub("", folded(text))


def choices_in(question: str, letters: str = LETTERS) -> tuple[str, ...]:
    """Return the texts of the choices that a question states as ``(A) … (B) …``; empty where it states none.

    This is for completions whose task data are missing.
    """
    marker = question.casefold().rfind("answer choices:")
    text = question[marker + len("answer choices:") :] if marker >= 0 else question
    cuts: list[int] = []
    at = 0
    for letter in letters:
        at = text.find(f"({letter})", at)
        if at < 0:
            break
        cuts.append(at)
        at += 3
    ends = [*cuts[1:], len(text)]
    return tuple(
        squeezed(text[start + 3 : end]).removesuffix(",").removesuffix(".").strip()
        for start, end in zip(cuts, ends, strict=True)
    )


def without_marks(text: str) -> str:
    """Return the text without :data:`MARKS`."""
    return text.translate(_PLAIN_MARKS) if text.isascii() else MARKS.sub("", text)


def string_in(line: str) -> str | None:
    """Return a line's string answer: the last quoted string, letters spelled one by one joined, else the last word."""
    if quoted := _QUOTED.findall(line):
        return JOINTS.sub("", quoted[-1]) or None
    if _SPELLED.match(line):
        return JOINTS.sub("", line) or None
    words = [word for word in map(without_marks, line.split()) if word.strip(":*()[]")]
    return words[-1].strip(":*()[]") if words else None


@functools.lru_cache(maxsize=4096)  # several extractors read the same text, each all of it and its end
def numbers_in(text: str) -> tuple[str, ...]:
    """Return all numbers of a text, without thousands separators and currency signs."""
    text = text.replace("−", "-")
    if text.isascii() and _MARKED.search(text) is None:
        return tuple(_PLAIN.findall(text))
    numbers: list[str] = []
    for match in _DIGITS.finditer(text):
        digits, at = match[0], match.start()
        if "," in digits:
            digits = digits.replace(",", "")
        if text[at - 1] in _BEFORE and _signed(text, at):
            digits = f"-{digits}"
        numbers.append(digits)
    return tuple(numbers)


def _signed(text: str, at: int) -> bool:
    """Return whether the number at ``at`` has a minus sign, directly or before a currency sign."""
    if at and text[at - 1] in _CURRENCIES:
        at -= 1
    return at > 0 and text[at - 1] == "-" and not (at > 1 and _NO_SIGN.match(text, at - 2))


def computed(line: str) -> str | None:
    """Return the result of an answer that is a calculation: the right side of an equation, or the value of a term.

    Returns:
        None where the line is neither.
    """
    left, equals, right = line.rpartition("=")
    if equals and _DIGITS.search(left):
        numbers = numbers_in(right)
        return numbers[0] if numbers else None
    term = line.strip().rstrip(".").replace("$", "").replace(",", "")
    value = term_value(term) if _TERM.fullmatch(term) else None
    return None if value is None else f"{value:.12g}"


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


def finite(extracted: str) -> float | None:
    """Return a text as a finite number, or None where it is not one."""
    try:
        value = float(extracted)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def written(value: float) -> str:
    """Return the one spelling of a number: 2, 2.0 and 2.00 are "2"."""
    return repr(value + 0.0).removesuffix(".0")  # adding zero makes -0.0 the same as 0.0


def as_number(gold: str) -> float:
    """Return a gold answer as a number.

    Raises:
        BadInputError: it is not a number.
    """
    try:
        return float(gold.replace(",", "").strip().removeprefix("$"))
    except ValueError:
        raise BadInputError(
            f"the gold answer {gold!r} is not a number",
            next_step="Fix the data, or set another `answer_type` for the task.",
        ) from None
