"""The equation checker: a rationale that says ``16 - 8 = 9`` teaches no arithmetic, even where its answer is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rtbench_plugins.curation.basic import NoCuratorOptions

from rtbench.plugin.curators import CurationContext, Curator
from rtbench.schema.training import Candidate
from rtbench.scoring.equations import equations_in
from rtbench.storage.files import convert


class Equations(Curator):
    """Drops rationales with an equation that does not hold; what cannot be computed is left alone."""

    name = "equations"

    def keep(self, candidates: Sequence[Candidate], context: CurationContext) -> Sequence[Candidate]:
        return [c for c in candidates if all(found.holds for found in equations_in(c.example.rationale or ""))]


def equations(options: dict[str, Any]) -> Curator:
    convert(options, NoCuratorOptions, where="curator equations")
    return Equations()
