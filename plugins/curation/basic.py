"""Curators that check one completion at a time, or count the completions of a question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rtbench.api import (
    BadInputError,
    Candidate,
    CurationContext,
    Curator,
    NotNegative,
    Positive,
    Record,
    convert,
    squeezed,
)

_HINT = re.compile(r"\bhint(?:s|ed)?\b", re.IGNORECASE)


class NoCuratorOptions(Record, frozen=True):
    """Options of curators that have none."""


class Correct(Curator):
    """Keeps completions whose answer is correct by the task's extractor (paper, section 3, step 2)."""

    name = "correct"
    removes_wrong = True

    def keep(self, candidates: Sequence[Candidate], context: CurationContext) -> Sequence[Candidate]:
        return [candidate for candidate in candidates if candidate.correct]


class Distinct(Curator):
    """Drops a rationale that repeats an earlier one of the same question, apart from white space."""

    name = "distinct"

    def keep(self, candidates: Sequence[Candidate], context: CurationContext) -> Sequence[Candidate]:
        seen: set[tuple[int, str]] = set()
        kept: list[Candidate] = []
        for candidate in candidates:
            identity = (candidate.example.sample_index, squeezed(candidate.example.rationale or ""))
            if identity not in seen:
                seen.add(identity)
                kept.append(candidate)
        return kept


class NonEmpty(Curator):
    """Drops completions without a rationale: an answer alone teaches no reasoning."""

    name = "non-empty"

    def keep(self, candidates: Sequence[Candidate], context: CurationContext) -> Sequence[Candidate]:
        return [candidate for candidate in candidates if candidate.example.rationale]


class Complete(Curator):
    """Drops completions whose rationale was cut at the maximum new tokens; with two stages, that of the first stage.

    A completion stays where its source does not report how it ended.
    """

    name = "complete"
    version = 2

    def keep(self, candidates: Sequence[Candidate], context: CurationContext) -> Sequence[Candidate]:
        ends = [c.completion.reasoning_finish or c.completion.finish_reason for c in candidates]
        return [candidate for candidate, end in zip(candidates, ends, strict=True) if end != "length"]


class Unhinted(Curator):
    """Drops rationales that mention a hint where the question has none.

    Explanations of a known answer (STaR) must read as if the answer had not been given.
    """

    name = "unhinted"

    def keep(self, candidates: Sequence[Candidate], context: CurationContext) -> Sequence[Candidate]:
        return [
            candidate
            for candidate in candidates
            if _HINT.search(candidate.example.question) or not _HINT.search(candidate.example.rationale or "")
        ]


class LengthOptions(Record, frozen=True):
    """Options of ``length``, in words separated by white space."""

    least: NotNegative = 1
    most: NotNegative | None = None


class Length(Curator):
    """Keeps rationales whose number of words is in a range."""

    name = "length"

    def __init__(self, options: LengthOptions) -> None:
        self._options = options

    def keep(self, candidates: Sequence[Candidate], context: CurationContext) -> Sequence[Candidate]:
        least, most = self._options.least, self._options.most

        def fits(candidate: Candidate) -> bool:
            words = len((candidate.example.rationale or "").split())
            return words >= least and (most is None or words <= most)

        return [candidate for candidate in candidates if fits(candidate)]


class MostOptions(Record, frozen=True):
    """Options of ``cap`` and ``diverse``."""

    most: Positive
    """Completions to keep per question."""


class Cap(Curator):
    """Keeps the first ``most`` completions of each question."""

    name = "cap"

    def __init__(self, most: int) -> None:
        self._most = most

    def keep(self, candidates: Sequence[Candidate], context: CurationContext) -> Sequence[Candidate]:
        counts: dict[int, int] = {}
        kept: list[Candidate] = []
        for candidate in candidates:
            index = candidate.example.sample_index
            counts[index] = counts.get(index, 0) + 1
            if counts[index] <= self._most:
                kept.append(candidate)
        return kept


def correct(options: dict[str, Any]) -> Curator:
    """Create the curator ``correct``."""
    convert(options, NoCuratorOptions, where="curator correct")
    return Correct()


def distinct(options: dict[str, Any]) -> Curator:
    """Create the curator ``distinct``."""
    convert(options, NoCuratorOptions, where="curator distinct")
    return Distinct()


def non_empty(options: dict[str, Any]) -> Curator:
    """Create the curator ``non-empty``."""
    convert(options, NoCuratorOptions, where="curator non-empty")
    return NonEmpty()


def complete(options: dict[str, Any]) -> Curator:
    """Create the curator ``complete``."""
    convert(options, NoCuratorOptions, where="curator complete")
    return Complete()


def unhinted(options: dict[str, Any]) -> Curator:
    """Create the curator ``unhinted``."""
    convert(options, NoCuratorOptions, where="curator unhinted")
    return Unhinted()


def length(options: dict[str, Any]) -> Curator:
    """Create the curator ``length``.

    Raises:
        BadInputError: ``most`` is below ``least``.
    """
    limits = convert(options, LengthOptions, where="curator length")
    if limits.most is not None and limits.most < limits.least:
        raise BadInputError(f"`most` ({limits.most}) is below `least` ({limits.least})", where="curator length")
    return Length(limits)


def cap(options: dict[str, Any]) -> Curator:
    """Create the curator ``cap``."""
    return Cap(convert(options, MostOptions, where="curator cap").most)
