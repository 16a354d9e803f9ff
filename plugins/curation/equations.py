"""The equation checker: a rationale with ``16 - 8 = 9`` teaches wrong arithmetic, even where its answer is correct."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rtbench_plugins.curation.basic import NoCuratorOptions

from rtbench.api import Candidate, CurationContext, Curator, convert, equations_in


class Equations(Curator):
    """Drops rationales with an equation that does not hold. Equations that cannot be computed are ignored."""

    name = "equations"
    version = 2

    def keep(self, candidates: Sequence[Candidate], context: CurationContext) -> Sequence[Candidate]:
        return [c for c in candidates if all(equation.holds for equation in equations_in(c.example.rationale or ""))]


def equations(options: dict[str, Any]) -> Curator:
    """Create the curator ``equations``."""
    convert(options, NoCuratorOptions, where="curator equations")
    return Equations()
