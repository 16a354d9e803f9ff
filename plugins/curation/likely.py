"""A curator that ranks rationales by how likely a student finds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from rtbench.api import BadInputError, Candidate, CurationContext, Curator, Positive, Record, convert


class LikelyOptions(Record, frozen=True):
    """Options of ``likely``."""

    prefer: Literal["likely", "unlikely", "median"] = "likely"
    most: Positive = 1
    """Completions to keep per question."""
    model: dict[str, Any] | None = None
    """The student that reads them, as in a matrix (``use``, and options); None: the one that is trained on them."""


class Likely(Curator):
    """Keeps the rationales of each question that an untrained student finds most or least likely.

    The likelihood is the mean log-probability of the tokens of the training row's label (Li et al. 2023, SCoTD). The kept
    ones stay in their order. Of equally likely ones, the first is kept.
    """

    name = "likely"

    def __init__(self, options: LikelyOptions) -> None:
        self._options = options
        self.likelihood_by = "own" if options.model is None else options.model

    def keep(self, candidates: Sequence[Candidate], context: CurationContext) -> Sequence[Candidate]:
        questions: dict[int, list[int]] = {}
        for place, candidate in enumerate(candidates):
            questions.setdefault(candidate.example.sample_index, []).append(place)
        nats = [context.likelihoods[candidate.completion.key].mean for candidate in candidates]
        kept = {place for places in questions.values() for place in self._chosen(places, nats)}
        return [candidate for place, candidate in enumerate(candidates) if place in kept]

    def _chosen(self, places: Sequence[int], nats: Sequence[float]) -> Sequence[int]:
        prefer, most = self._options.prefer, self._options.most
        if prefer == "unlikely":
            return sorted(places, key=lambda place: -nats[place])[:most]
        ranked = sorted(places, key=lambda place: nats[place])
        first = max(0, (len(ranked) - most) // 2) if prefer == "median" else 0
        return ranked[first : first + most]


def likely(options: dict[str, Any]) -> Curator:
    """Create the curator ``likely``.

    Raises:
        BadInputError: an option is wrong, or ``model`` names no student.
    """
    stated = convert(options, LikelyOptions, where="curator likely")
    if stated.model is not None and not isinstance(stated.model.get("use"), str):
        raise BadInputError(
            "`model` needs `use`, the name of a student", where="curator likely", next_step="Example: {use: pocket-2m}."
        )
    return Likely(stated)
