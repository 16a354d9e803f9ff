"""Decontamination: training examples must not share a long run of words with a question that students are tested on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from rtbench.api import (
    SPAN_WORDS,
    Candidate,
    CurationContext,
    Curator,
    Positive,
    Record,
    convert,
    spans_of,
    words_of,
)


class OverlapOptions(Record, frozen=True):
    """Options of ``decontaminated``."""

    words: Positive = SPAN_WORDS
    """Length of a shared run in words (13 as in Brown et al. 2020, appendix C). A shorter test question counts as a
    whole."""
    look_at: Literal["question", "rationale", "both"] = "both"


class Decontaminated(Curator):
    """Drops examples whose question or rationale shares a run of words with a question of any other fold."""

    name = "decontaminated"
    version = 2
    of_questions = True

    def __init__(self, options: OverlapOptions) -> None:
        self._options = options

    def keep(self, candidates: Sequence[Candidate], context: CurationContext) -> Sequence[Candidate]:
        length = self._options.words
        runs: dict[int, set[tuple[str, ...]]] = {}
        """Runs by length: a short question is one run of its own length."""
        for sample in context.test_samples:
            words = words_of(sample.question)
            size = min(length, len(words))
            runs.setdefault(size, set()).update(spans_of(words, size))
        runs.pop(0, None)
        seen: dict[str, bool] = {}

        def tainted(text: str) -> bool:
            if text not in seen:
                words = words_of(text)
                seen[text] = any(not known.isdisjoint(spans_of(words, size)) for size, known in runs.items())
            return seen[text]

        return [c for c in candidates if not any(tainted(text) for text in self._texts(c))]

    def _texts(self, candidate: Candidate) -> list[str]:
        example = candidate.example
        texts = {"question": [example.question], "rationale": [example.rationale or ""]}
        return texts.get(self._options.look_at) or [*texts["question"], *texts["rationale"]]


def decontaminated(options: dict[str, Any]) -> Curator:
    """Create the curator ``decontaminated``.

    Raises:
        BadInputError: ``words`` is below 1.
    """
    return Decontaminated(convert(options, OverlapOptions, where="curator decontaminated"))
