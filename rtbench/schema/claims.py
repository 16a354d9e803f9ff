"""Results of testing claims."""

from __future__ import annotations

from typing import Literal

from rtbench.schema.base import Fold, Record, Source
from rtbench.schema.scores import Interval

Verdict = Literal["supported", "inconclusive", "contradicted", "not tested"]


class PartialComparison(Record, frozen=True):
    """A comparison of some of a claim's cells, or of other cells for context."""

    axis: str
    """``student``, ``seed``, ``teacher``, ``degree``, ``fraction``, ``size`` or ``series``."""
    name: str
    effect: float
    """Difference of accuracies, as a fraction."""
    interval: Interval
    n: int
    """Questions × seeds."""


class Reported(Record, frozen=True):
    """The same difference in the figures of a claim's source."""

    effect: float
    """As a fraction."""
    said: str
    """Both sides in percent, and the table or figure they are from."""


TOLERANCE = 0.01
"""Two efforts are equal if they differ by at most this fraction of the larger one."""


class Effort(Record, frozen=True):
    """What the students of both sides were trained with, as means over the compared cells."""

    name: str
    """``questions`` with a rationale or answer, ``rows``, ``tokens`` (supervised, over all epochs), ``steps`` of the
    optimiser, or ``money`` of teacher plus student; ``teacher money`` and ``student money`` apart where the sum of a side is
    not known."""
    left: float | None
    """None: not known."""
    right: float | None
    currency: str = ""
    """Of money; empty where nothing was bought."""

    @property
    def known(self) -> bool:
        """Return whether both sides are known."""
        return self.left is not None and self.right is not None

    @property
    def equal(self) -> bool:
        """Return whether both sides are known and have the same, up to :data:`TOLERANCE`."""
        if self.left is None or self.right is None:
            return False
        return abs(self.left - self.right) <= TOLERANCE * max(self.left, self.right)


class ClaimResult(Record, frozen=True):
    """The result of testing one claim on one task."""

    claim: str
    """Name of the claim, as it is tested on this task."""
    statement: str
    """The claim as a sentence."""
    task: str
    source: Source
    wording: str
    """Wording of upstream data; ``twin`` for a twin's."""
    split: str
    fold: Fold
    extractor: str
    selection: str | None
    """How the students' epoch was chosen; None where nothing was trained."""
    sampling: str | None
    """How the students' answers were drawn; None: greedily."""
    no_lead: bool
    """True where the claim is that the left side has no lead of ``margin``."""
    expected: str
    """What the source's figures lead one to expect."""
    verdict: Verdict
    reason: str | None = None
    """Why the claim was not tested."""
    effect: float | None = None
    """Difference of accuracies, as a fraction."""
    interval: Interval | None = None
    confidence: float | None = None
    """Level of the interval: above 0.95 where the best of several students is compared (Bonferroni)."""
    left: float | None = None
    """Accuracy of the left side, as a fraction."""
    right: float | None = None
    """Accuracy of the right side, as a fraction."""
    n: int = 0
    """Questions × seeds."""
    patterns: int = 0
    """Patterns × seeds, over which the interval is computed; equals ``n`` where each question has its own pattern."""
    seeds: int = 0
    p: float | None = None
    """P value of the difference, two-sided; allows for a choice among several students, as the interval does."""
    adjusted: float | None = None
    """``p``, Holm-adjusted over all tested claims and tasks of the set."""
    margin: float | None = None
    """The least lead that counts, as a fraction, where the claim is that there is none."""
    p_margin: float | None = None
    """P value of a lead of ``margin``, two-sided, Holm-adjusted over all such claims and tasks of the set."""
    paper: Reported | None = None
    """None where the claim's source has no such figures."""
    efforts: tuple[Effort, ...] = ()
    """What is held equal in training, and what is not; empty where a side is not trained."""
    by_student: tuple[PartialComparison, ...] = ()
    by_seed: tuple[PartialComparison, ...] = ()
    also: tuple[PartialComparison, ...] = ()
    """Further comparisons that the verdict does not use, with the same students, degrees and seeds: sizes, degrees and
    fractions in between, other teachers, other series."""
    notes: tuple[str, ...] = ()
    random_weights: tuple[str, ...] = ()
    """Students whose weights were random before training, with which this is no test of the claim."""
    cells: tuple[str, ...] = ()
    """Names of the cells that were compared."""
    compared: str = ""
    """The same cells in short: left side − right side."""
