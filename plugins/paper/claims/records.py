"""Results of testing the paper's claims, and the rule that decides a verdict."""

from __future__ import annotations

from typing import Literal

from rtbench.api import Fold, Interval, Record, Source

Verdict = Literal["supported", "inconclusive", "contradicted", "not tested"]

CLAIMS = {
    "C1": "rationales beat answers",
    "C1 opposite": "rationales have no significant lead over answers",
    "C2": "several rationales per question beat one",
    "C3": "larger students are more accurate",
    "C4": "better teachers make more accurate students",
    "C5": "more training questions make more accurate students",
    "C6": "some student beats its imperfect teacher",
}
"""Each claim as a sentence that a list of tasks can follow. In C1, "rationales" are students trained by fine-tune-cot
and "answers" students trained by fine-tune. ``C1 opposite`` takes the place of ``C1`` on the tasks where the paper's own
figures show no lead."""


def claim_verdict(claim: str, interval: Interval | None) -> Verdict:
    """Return the verdict on a claim.

    Args:
        claim: a key of :data:`CLAIMS`. ``C1 opposite`` claims only that there is no significant lead, so every interval
            that is not above 0 supports it.
        interval: of the difference of accuracies, in the claim's direction (for ``C1 opposite``, that of ``C1``); None
            where nothing could be compared.
    """
    if interval is None:
        return "not tested"
    if claim == "C1 opposite":
        return "contradicted" if interval.low > 0 else "supported"
    if interval.low > 0:
        return "supported"
    return "contradicted" if interval.high < 0 else "inconclusive"


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
    """The same difference in the paper's figures."""

    effect: float
    """As a fraction."""
    said: str
    """Both sides in percent, and the table or figure they are from."""


class ClaimResult(Record, frozen=True):
    """The result of testing one claim on one task."""

    claim: str
    """A key of :data:`CLAIMS`."""
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
    expected: str
    """What the paper's figures lead one to expect."""
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
    paper: Reported | None = None
    """None where the paper has no such figures."""
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
