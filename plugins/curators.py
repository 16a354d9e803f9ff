"""Curators: which completions become training examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rtbench.files import convert
from rtbench.hookspecs import hookimpl
from rtbench.interfaces import Candidate, CurationContext, Curator
from rtbench.records import Record

if TYPE_CHECKING:
    from rtbench.registry import Register


class NoOptions(Record, frozen=True):
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


def correct(options: dict[str, Any]) -> Curator:
    convert(options, NoOptions, where="curator correct")
    return Correct()


def distinct(options: dict[str, Any]) -> Curator:
    convert(options, NoOptions, where="curator distinct")
    return Distinct()


def non_empty(options: dict[str, Any]) -> Curator:
    convert(options, NoOptions, where="curator non-empty")
    return NonEmpty()


@hookimpl
def rtbench_register_curators(register: Register) -> None:
    here = "rtbench_plugins.curators"
    register("correct", f"{here}:correct", summary="the answer is right")
    register("distinct", f"{here}:distinct", summary="no rationale twice for a question")
    register("non-empty", f"{here}:non_empty", summary="there is a rationale")
