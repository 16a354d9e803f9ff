"""Curators that look at one completion, or count those of a question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rtbench.api import BadInputError, Candidate, CurationContext, Curator, Record, convert

_HINT = re.compile(r"\bhint(?:s|ed)?\b", re.IGNORECASE)


class NoCuratorOptions(Record, frozen=True):
    """A curator without options."""


class Correct(Curator):
    """Keeps completions whose answer is right by the task's extractor (paper, section 3, step 2)."""

    name = "correct"

    def keep(self, candidates: Sequence[Candidate], context: CurationContext) -> Sequence[Candidate]:
        return [candidate for candidate in candidates if candidate.correct]


class Distinct(Curator):
    """Drops a rationale that the same question already has, word for word up to white space."""

    name = "distinct"

    def keep(self, candidates: Sequence[Candidate], context: CurationContext) -> Sequence[Candidate]:
        seen: set[tuple[int, str]] = set()
        kept: list[Candidate] = []
        for candidate in candidates:
            identity = (candidate.example.sample_index, " ".join((candidate.example.rationale or "").split()))
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
    """Drops completions whose rationale was cut at the most new tokens: in two stages, the first one's. Where the source
    does not say how one ended it stays."""

    name = "complete"
    version = 2

    def keep(self, candidates: Sequence[Candidate], context: CurationContext) -> Sequence[Candidate]:
        ends = [c.completion.reasoning_finish or c.completion.finish_reason for c in candidates]
        return [candidate for candidate, end in zip(candidates, ends, strict=True) if end != "length"]


class Unhinted(Curator):
    """Drops rationales that speak of a hint where the question does not: explanations given the answer (STaR) are to read
    as if nobody had told it."""

    name = "unhinted"

    def keep(self, candidates: Sequence[Candidate], context: CurationContext) -> Sequence[Candidate]:
        return [
            candidate
            for candidate in candidates
            if _HINT.search(candidate.example.question) or not _HINT.search(candidate.example.rationale or "")
        ]


class LengthOptions(Record, frozen=True):
    """Options of ``length``: words between white space."""

    least: int = 1
    most: int | None = None


class Length(Curator):
    """Keeps rationales of at least, and at most, so many words."""

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

    most: int | None = None
    """Required; None is told with an example."""


class Cap(Curator):
    """Keeps the first so many of each question."""

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
    convert(options, NoCuratorOptions, where="curator correct")
    return Correct()


def distinct(options: dict[str, Any]) -> Curator:
    convert(options, NoCuratorOptions, where="curator distinct")
    return Distinct()


def non_empty(options: dict[str, Any]) -> Curator:
    convert(options, NoCuratorOptions, where="curator non-empty")
    return NonEmpty()


def complete(options: dict[str, Any]) -> Curator:
    convert(options, NoCuratorOptions, where="curator complete")
    return Complete()


def unhinted(options: dict[str, Any]) -> Curator:
    convert(options, NoCuratorOptions, where="curator unhinted")
    return Unhinted()


def length(options: dict[str, Any]) -> Curator:
    found = convert(options, LengthOptions, where="curator length")
    if found.most is not None and found.most < found.least:
        raise BadInputError(f"`most` ({found.most}) is below `least` ({found.least})", where="curator length")
    return Length(found)


def cap(options: dict[str, Any]) -> Curator:
    return Cap(positive(convert(options, MostOptions, where="curator cap").most, where="curator cap"))


def positive(most: int | None, *, where: str) -> int:
    """The number, checked.

    Raises:
        BadInputError: it is not given, or below 1.
    """
    if most is None:
        name = where.removeprefix("curator ")
        raise BadInputError("`most` is not given", where=where, next_step=f"Such as {{use: {name}, most: 4}}.")
    if most < 1:
        raise BadInputError(f"`most` is {most} and must be at least 1", where=where)
    return most
