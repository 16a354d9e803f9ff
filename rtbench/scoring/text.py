"""Small helpers for texts: white space, the format's prefix, choices in a question, numbers."""

from __future__ import annotations

import math
import re

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MARKS = re.compile(r"[\"'\n.\s]")
"""Characters that are never part of a string answer of the published rules."""
_PLAIN_MARKS = {ord(mark): None for mark in map(chr, range(128)) if MARKS.match(mark)}


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


def squeezed(text: str) -> str:
    """Return the text with all white space replaced by single spaces."""
    return " ".join(text.split())


def folded(text: str) -> str:
    """Return the text in lower case with single spaces."""
    return squeezed(text.casefold())


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
