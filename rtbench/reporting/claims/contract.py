"""The contract of claims: what a claim says, and which cells it compares."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtbench.plugin.registry import make
from rtbench.reporting.claims.evidence import CellPair, View
from rtbench.schema.claims import ClaimResult, PartialComparison, Reported
from rtbench.schema.runs import CellRecord
from rtbench.stats.intervals import CONFIDENCE

if TYPE_CHECKING:
    from rtbench.plugin.services import Services

MARGIN = 0.05
"""Least lead that counts, where a claim of no lead states none: a fraction."""


class UntestedError(Exception):
    """Raised where the run lacks what a claim needs; the message says what."""


@dataclass(frozen=True)
class CellComparison:
    """Pairs of cells that a claim compares."""

    pairs: Sequence[CellPair]
    also: Sequence[PartialComparison] = ()
    """Further comparisons that the verdict does not use."""
    notes: Sequence[str] = ()
    confidence: float = CONFIDENCE
    """Confidence of the interval: higher where the comparison was chosen among several by its outcome (Bonferroni)."""
    by_student: Sequence[PartialComparison] | None = None
    """None: compute them from the pairs of each student."""

    @property
    def cells(self) -> list[CellRecord]:
        """Return the compared cells, each once, left side first."""
        sides = [pair.left for pair in self.pairs] + [pair.right for pair in self.pairs]
        return list({cell.name: cell for cell in sides}.values())


class Claim(ABC):
    """A claim about two sides: that the left one is more accurate, or that it has no lead of some points."""

    name: str
    """Short name, such as ``C1``."""
    sentence: str
    """The claim in words that a list of tasks can follow, such as "rationales beat answers"."""
    no_lead: bool = False
    """True where the claim is that the left side has no lead of ``margin``."""
    margin: float = MARGIN
    """With ``no_lead``: the least lead that counts, as a fraction."""

    @abstractmethod
    def compare(self, view: View) -> CellComparison:
        """Return the cells to compare. They must be chosen without looking at their answers.

        Raises:
            UntestedError: the run lacks what the claim needs.
        """

    def on(self, task: str) -> Claim:
        """Return the claim that is tested on a task: this one, or another where the source found something else."""
        del task
        return self

    def expected(self, task: str) -> str:
        """Return, in words, what the source's figures lead one to expect on a task."""
        reported = self.reported(task)
        return "ahead" if reported is None or reported.effect > 0 else "not ahead"

    def reported(self, task: str) -> Reported | None:
        """Return the same difference in the source's figures; None where it has none."""
        del task
        return None


class ClaimSet:
    """The claims of one source. Multiple testing is corrected within a set.

    Args:
        name: registered name.
        title: of tables, such as "The paper's claims".
        claims: in the order of tables.
        source: citation of what makes the claims.
    """

    def __init__(self, name: str, title: str, claims: Sequence[Claim], *, source: str = "") -> None:
        self.name = name
        self.title = title
        self.claims = tuple(claims)
        self.source = source

    def legend(self, results: Sequence[ClaimResult]) -> list[str]:
        """Return sentences below a table that explain its claims."""
        del results
        return []


def claim_set(services: Services, name: str, *, where: str | None = None) -> ClaimSet:
    """Return the set of claims registered under a name.

    Raises:
        UnknownNameError: there is no such set.
        PluginError: its plugin fails to create it.
    """
    registry = services.registry("claims")
    claims: ClaimSet = make(registry.get(name, where=where), registry.kind, ClaimSet)
    return claims
