"""Check gold answers: with a gold of another type, every answer would count as wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from rtbench.errors import BadInputError
from rtbench.scoring.answer_rule import AnswerType
from rtbench.scoring.choices import letters_for
from rtbench.scoring.markup import plain
from rtbench.scoring.numbers import numbers_in

_NUMBER = re.compile(
    r"\$? ?[-+]?\$? ?(?:\d{1,3}(?:,\d{3})+|\d{1,2}(?:,\d{2})+,\d{3}|\d+)?(?:(?<=\d)\.?|\.(?=\d))\d*(?:[eE][-+]?\d{1,3})?",
    re.ASCII,
)
"""What extractors compare as a number: digits with thousands separators, a decimal point, a sign and a dollar sign."""
_LETTER = re.compile(r"[\W_]*([A-Za-z])[\W_]*")
_YES_NO = {"yes": "yes", "true": "yes", "y": "yes", "1": "yes", "no": "no", "false": "no", "n": "no", "0": "no"}


def is_number(gold: str) -> bool:
    """Return whether a gold is a number as extractors read it; ``nan``, ``1_000`` and ``1,5`` are none."""
    text = gold.strip()
    return (
        _NUMBER.fullmatch(text) is not None
        and any(map(str.isdigit, text))
        and ("e" not in text.lower() or math.isfinite(float(re.sub(r"[,$ ]", "", text))))
    )


def digits_of(gold: str) -> str:
    """Return a gold answer as digits, without separators and dollar sign.

    Raises:
        BadInputError: it is not a number.
    """
    if not is_number(gold):
        raise BadInputError(
            f"the gold answer {gold!r} is not a number",
            next_step="Fix the data, or set another `answer_type` for the task.",
        )
    return re.sub(r"[,$ ]", "", gold.strip())


def wrong_gold(gold: str, answer_type: AnswerType, letters: str, choices: Sequence[str]) -> str | None:
    """Return what is wrong with a gold answer, for a message; None where it is an answer of the task's type.

    Args:
        gold: the gold answer.
        answer_type: type of the task's answers.
        letters: the task's choice letters.
        choices: texts of the question's choices; empty where they are not known.
    """
    text = gold.strip()
    if not text:
        return "the gold answer is empty"
    among = letters_for(letters, choices)
    if answer_type == "number":
        right = is_number(text)
    elif answer_type == "yes_no":
        right = text.lower() in ("yes", "no")
    else:
        right = answer_type == "string" or (len(text) == 1 and text in among)
    if right:
        return None
    kind = f"choice ({among})" if answer_type == "choice" else answer_type
    return f"the gold answer {gold!r} is not of type {kind}"


def meant(gold: str, answer_type: AnswerType, letters: str, choices: Sequence[str]) -> str | None:
    """Return the spelling that a wrong gold seems to mean, for a hint; None where it is not clear."""
    text = gold.strip().rstrip(".")
    if answer_type == "yes_no":
        return _YES_NO.get(text.strip("\"'*_").lower())
    if answer_type == "choice" and (match := _LETTER.fullmatch(text)):
        letter = match[1].upper()
        return letter if letter in letters_for(letters, choices) else None
    if answer_type == "number":
        numbers = numbers_in(plain(text))
        return numbers[0] if len(numbers) == 1 and not re.search(r"[^\W\d_]{2}", text) else None
    return None
