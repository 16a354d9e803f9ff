"""Curators that compare the rationales of one question with each other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import msgspec
from rtbench_plugins.curation.basic import MostOptions

from rtbench.api import Candidate, CurationContext, Curator, Record, convert

_WORD = re.compile(r"\w+|[^\w\s]")
SHINGLE = 3
"""Length in words of the runs that are compared."""


def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """Return the runs of three words and punctuation marks, in lower case; a shorter text is one run."""
    words = _WORD.findall(text.casefold())
    return frozenset(tuple(words[i : i + SHINGLE]) for i in range(max(1, len(words) - SHINGLE + 1)))


def likeness(one: frozenset[Any], other: frozenset[Any]) -> float:
    """Return the Jaccard index of two sets: the fraction of their union that both contain (Broder 1997)."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


def by_question(candidates: Iterable[Candidate]) -> dict[int, list[Candidate]]:
    """Return the candidates of each question, in order of appearance."""
    groups: dict[int, list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(candidate.example.sample_index, []).append(candidate)
    return groups


class Unalike(Curator):
    """Drops a rationale that is a near-duplicate of an earlier one of the same question.

    Args:
        threshold: minimum likeness (Jaccard index of runs of three words) of near-duplicates, from 0 to 1.
    """

    name = "unalike"

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold

    def keep(self, candidates: Sequence[Candidate], context: CurationContext) -> Sequence[Candidate]:
        kept: list[Candidate] = []
        for group in by_question(candidates).values():
            seen: list[frozenset[Any]] = []
            for candidate in group:
                mine = shingles(candidate.example.rationale or "")
                if not any(self._near(mine, other) for other in seen):
                    seen.append(mine)
                    kept.append(candidate)
        return kept

    def _near(self, one: frozenset[Any], other: frozenset[Any]) -> bool:
        small, large = sorted((len(one), len(other)))
        return small >= self._threshold * large and likeness(one, other) >= self._threshold


class Diverse(Curator):
    """Keeps the ``most`` rationales of each question that differ most, in their original order.

    It keeps the first, then repeatedly the one that is farthest from its nearest kept neighbour (Gonzalez 1985).
    """

    name = "diverse"

    def __init__(self, most: int) -> None:
        self._most = most

    def keep(self, candidates: Sequence[Candidate], context: CurationContext) -> Sequence[Candidate]:
        return [kept for group in by_question(candidates).values() for kept in self._chosen(group)]

    def _chosen(self, group: Sequence[Candidate]) -> list[Candidate]:
        if len(group) <= self._most:
            return list(group)
        sets = [shingles(candidate.example.rationale or "") for candidate in group]
        chosen = [0]
        nearest = [likeness(sets[0], other) for other in sets]
        while len(chosen) < self._most:
            left = [i for i in range(len(group)) if i not in chosen]
            new = min(left, key=lambda i: (nearest[i], i))
            chosen.append(new)
            nearest = [max(near, likeness(sets[new], other)) for near, other in zip(nearest, sets, strict=True)]
        return [group[i] for i in sorted(chosen)]


class UnalikeOptions(Record, frozen=True):
    """Options of ``unalike``."""

    threshold: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.8


def unalike(options: dict[str, Any]) -> Curator:
    """Create the curator ``unalike``."""
    return Unalike(convert(options, UnalikeOptions, where="curator unalike").threshold)


def diverse(options: dict[str, Any]) -> Curator:
    """Create the curator ``diverse``."""
    return Diverse(convert(options, MostOptions, where="curator diverse").most)
