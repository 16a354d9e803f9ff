"""Curators that compare the completions of a question with each other: by length, and by how many are right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta

from rtbench.api import BadInputError, Candidate, CurationContext, Curator, Positive, Record, convert


class ByLengthOptions(Record, frozen=True):
    """Options of ``by-length``."""

    prefer: Literal["shortest", "longest", "median"] = "shortest"
    most: Positive = 1
    """Completions to keep per question."""


class ByLength(Curator):
    """Keeps the shortest, the longest or the middle rationales of each question, by their number of words.

    The kept ones stay in their order. Of equally long ones, the first is kept.
    """

    name = "by-length"

    def __init__(self, options: ByLengthOptions) -> None:
        self._options = options

    def keep(self, candidates: Sequence[Candidate], context: CurationContext) -> Sequence[Candidate]:
        questions: dict[int, list[int]] = {}
        for place, candidate in enumerate(candidates):
            questions.setdefault(candidate.example.sample_index, []).append(place)
        words = [len((candidate.example.rationale or "").split()) for candidate in candidates]
        kept = {place for places in questions.values() for place in self._chosen(places, words)}
        return [candidate for place, candidate in enumerate(candidates) if place in kept]

    def _chosen(self, places: Sequence[int], words: Sequence[int]) -> Sequence[int]:
        prefer, most = self._options.prefer, self._options.most
        if prefer == "longest":
            return sorted(places, key=lambda place: -words[place])[:most]
        ranked = sorted(places, key=lambda place: words[place])
        if prefer == "shortest":
            return ranked[:most]
        first = max(0, (len(ranked) - most) // 2)
        return ranked[first : first + most]


class DifficultyOptions(Record, frozen=True):
    """Options of ``difficulty``: fractions of a question's completions that are right."""

    least: Annotated[float, Meta(ge=0, le=1)] = 0.0
    most: Annotated[float, Meta(ge=0, le=1)] = 1.0


class Difficulty(Curator):
    """Keeps the questions of which a fraction in a range of the completions is right.

    It counts the completions that reach it, so it cannot come after ``correct``.
    """

    name = "difficulty"
    counts_wrong = True

    def __init__(self, options: DifficultyOptions) -> None:
        self._options = options

    def keep(self, candidates: Sequence[Candidate], context: CurationContext) -> Sequence[Candidate]:
        verdicts: dict[int, list[bool]] = {}
        for candidate in candidates:
            verdicts.setdefault(candidate.example.sample_index, []).append(candidate.correct)
        if candidates and all(all(found) for found in verdicts.values()):
            context.notes.append(
                "difficulty: every completion that reaches it is right, so it tells no questions apart"
            )
        rates = {index: sum(found) / len(found) for index, found in verdicts.items()}
        fits = {index for index, rate in rates.items() if self._options.least <= rate <= self._options.most}
        return [candidate for candidate in candidates if candidate.example.sample_index in fits]


def by_length(options: dict[str, Any]) -> Curator:
    """Create the curator ``by-length``."""
    return ByLength(convert(options, ByLengthOptions, where="curator by-length"))


def difficulty(options: dict[str, Any]) -> Curator:
    """Create the curator ``difficulty``.

    Raises:
        BadInputError: ``most`` is below ``least``.
    """
    limits = convert(options, DifficultyOptions, where="curator difficulty")
    if limits.most < limits.least:
        raise BadInputError(f"`most` ({limits.most}) is below `least` ({limits.least})", where="curator difficulty")
    return Difficulty(limits)
