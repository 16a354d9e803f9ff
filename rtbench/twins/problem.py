"""Problems that a twin draws, and the knobs that set their difficulty."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase
from typing import Any

import msgspec

from rtbench.schema.base import Record


class Knobs(Record, frozen=True):
    """Settings of the difficulty of a twin's problems; each twin has its own fields."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One drawn question, with everything that its explanation needs."""

    question: str
    """Text that a model sees, choices included."""
    answer: str
    """Gold answer in the task's own format."""
    pattern: str
    """The question without its names and wording; no two folds share a pattern."""
    facts: Any
    """Input of :meth:`Twin.explain`, of the twin's own type."""
    choices: tuple[str, ...] = ()
    """Texts of the choices in letter order."""


def lettered(stem: str, choices: Sequence[str]) -> str:
    """Return question and choices as one text.

    Its form: ``stem Answer choices: (A) x, (B) y.`` Source: the wording of itsnamgyu/reasoning-teacher.
    """
    listed = ", ".join(f"({ascii_uppercase[i]}) {choice}" for i, choice in enumerate(choices))
    return f"{stem} Answer choices: {listed}."
