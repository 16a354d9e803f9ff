"""What a twin draws, and how hard it is."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase
from typing import Any

import msgspec

from rtbench.schema.base import Record


class Knobs(Record, frozen=True):
    """How hard a twin's problems are; each twin has fields of its own."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One drawn question with all that its explanation needs."""

    question: str
    """Text as a model sees it, choices included."""
    answer: str
    """Gold answer in the task's own format."""
    pattern: str
    """What no other fold may hold: the question without its names and wording."""
    facts: Any
    """Whatever :meth:`Twin.explain` needs; the twin's own type."""
    choices: tuple[str, ...] = ()
    """Texts of the choices in letter order."""


def lettered(stem: str, choices: Sequence[str]) -> str:
    """Question and choices in the wording of itsnamgyu/reasoning-teacher: ``stem Answer choices: (A) x, (B) y.``"""
    listed = ", ".join(f"({ascii_uppercase[i]}) {choice}" for i, choice in enumerate(choices))
    return f"{stem} Answer choices: {listed}."
