"""The equation checker: a rationale that says ``16 - 8 = 9`` teaches no arithmetic, even where its answer is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rtbench_plugins.curation.basic import NoCuratorOptions

from rtbench.api import Candidate, CurationContext, Curator, convert, equations_in


class Equations(Curator):
    """Drops rationales with an equation that does not hold; what cannot be computed is left alone."""

    name = "equations"

    def keep(self, candidates: Sequence[Candidate], context: CurationContext) -> Sequence[Candidate]:
        return [c for c in candidates if all(found.holds for found in equations_in(c.example.rationale or ""))]


def equations(options: dict[str, Any]) -> Curator:
    convert(options, NoCuratorOptions, where="curator equations")
    return Equations()
