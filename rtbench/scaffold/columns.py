"""Find the columns of questions and answers in a user's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from rtbench.errors import BadInputError
from rtbench.scoring.golds import is_number
from rtbench.storage.tables import read_rows

_QUESTION = ("question", "problem", "prompt", "input", "query", "text", "q")
_ANSWER = ("answer", "label", "gold", "target", "output", "solution", "correct", "a")
_CHOICES = ("choices", "options")
_RATIONALE = ("rationale", "explanation", "reasoning")
_FOLD = ("fold", "split")


@dataclass(frozen=True)
class Columns:
    """What a task's YAML says of its file."""

    rows: int
    answer_type: str
    options: Mapping[str, Any]
    """Columns that do not have the default names."""


def columns_of(path: Path) -> Columns:
    """Return the columns of a file of questions.

    Raises:
        BadInputError: the file cannot be read, or has no column of questions or answers.
    """
    rows = [row.values for row in read_rows(path)]
    if not rows:
        raise BadInputError("the file has no row", where=str(path))
    names = list(dict.fromkeys(name for row in rows for name in row))
    found = {
        "question": _named(names, _QUESTION, path, "questions"),
        "answer": _named(names, _ANSWER, path, "answers"),
        "choices": _one_of(names, _CHOICES),
        "rationale": _one_of(names, _RATIONALE),
    }
    fold = _one_of(names, _FOLD)
    if fold is not None and {str(row.get(fold)) for row in rows} <= {"train", "test"}:
        found["fold"] = fold
    options = {key: name for key, name in found.items() if name is not None and name != key}
    options |= {key: name for key, name in found.items() if key in {"choices", "fold"} and name is not None}
    answers = [row.get(found["answer"] or "") for row in rows]
    return Columns(len(rows), _answer_type(answers, choices=found["choices"] is not None), options)


def _named(names: Sequence[str], wanted: Sequence[str], path: Path, what: str) -> str:
    name = _one_of(names, wanted)
    if name is None:
        raise BadInputError(
            f"no column of {what} was found among: {', '.join(map(str, names))}",
            where=str(path),
            next_step=f"Rename it to `{wanted[0]}`.",
        )
    return name


def _one_of(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    lower = {str(name).lower(): str(name) for name in names}
    return next((lower[name] for name in wanted if name in lower), None)


def _answer_type(answers: Sequence[Any], *, choices: bool) -> str:
    """Return the type of answers that all golds are of."""
    texts = [str(answer).strip() for answer in answers if answer is not None]
    if choices:
        return "choice"
    if texts and all(text.lower() in {"yes", "no", "true", "false"} for text in texts):
        return "yes_no"
    if texts and all(is_number(text) for text in texts):
        return "number"
    if texts and all(text in ascii_uppercase and len(text) == 1 for text in texts):
        return "choice"
    return "string"
