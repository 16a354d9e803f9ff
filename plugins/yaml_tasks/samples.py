"""What loaders share: their result, and the spelling of choices and numbers."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

from rtbench.api import Fold, Sample

LETTERS = string.ascii_uppercase


@dataclass(frozen=True)
class LoadedSamples:
    """Samples of one file, with indices from 0, and the fold of each where a field of the file states it."""

    samples: list[Sample]
    folds: dict[int, Fold]
    places: Sequence[str] = ()
    """Place of each sample in its file, for messages, where records are not numbered throughout."""


def number_text(value: str | float) -> str:
    """Return a numeric gold as text, ``39.0`` as ``39``."""
    return str(value).removesuffix(".0")


def choice_text(text: str) -> str:
    """Return the text of a choice, without white space around it and without its full stop."""
    return text.strip().removesuffix(".")
