"""What the evaluation of a claim comes to."""

from __future__ import annotations

from typing import Literal

from rtbench.api import Fold, Interval, Record, Source

Verdict = Literal["held", "not held", "not tested"]

CLAIMS = {
    "C1": "fine-tune-cot beats fine-tune",
    "C1 opposite": "fine-tune-cot has no significant lead over fine-tune",
    "C2": "a higher degree helps",
    "C3": "accuracy grows with student size",
    "C4": "accuracy grows with teacher quality",
    "C5": "accuracy grows with the number of training questions",
    "C6": "some student beats its imperfect teacher",
}
"""``C1 opposite`` takes the place of ``C1`` on the tasks where the paper's own figures show no lead."""


class PartialComparison(Record, frozen=True):
    """A part of a comparison, or one beside it."""

    axis: str
    """``student``, ``seed``, ``teacher``, ``degree``, ``fraction``, ``size`` or ``series``."""
    name: str
    effect: float
    interval: Interval
    n: int


class Reported(Record, frozen=True):
    """The same difference in the paper's figures."""

    effect: float
    """As a fraction."""
    said: str
    """Both sides in percent, and where they stand."""


class ClaimResult(Record, frozen=True):
    """One claim on one task."""

    claim: str
    """Of :data:`CLAIMS`."""
    statement: str
    task: str
    source: Source
    wording: str
    """Of upstream data; ``twin`` for a twin's."""
    split: str
    fold: Fold
    extractor: str
    selection: str | None
    """How the students' epoch was chosen; None where nothing was trained."""
    expected: str
    """What the paper leads one to expect."""
    verdict: Verdict
    reason: str | None = None
    """Why it was not tested."""
    effect: float | None = None
    interval: Interval | None = None
    confidence: float | None = None
    """Of the interval: above 0.95 where several students had a try (Bonferroni)."""
    left: float | None = None
    right: float | None = None
    n: int = 0
    """Questions × seeds."""
    patterns: int = 0
    """Likewise their patterns, over which the interval is; as many as ``n`` where each question is of its own."""
    seeds: int = 0
    paper: Reported | None = None
    by_student: tuple[PartialComparison, ...] = ()
    by_seed: tuple[PartialComparison, ...] = ()
    also: tuple[PartialComparison, ...] = ()
    """Comparisons beside this one, of its students, degrees and seeds: sizes, degrees and fractions in between, other
    teachers, other series."""
    notes: tuple[str, ...] = ()
    random_weights: tuple[str, ...] = ()
    """Of its students, those that had learned nothing before: it is no test of the claim then."""
    cells: tuple[str, ...] = ()
    """Names of the cells it rests on."""
    compared: str = ""
    """The same in short: left side − right side."""

    @property
    def reversed(self) -> bool:
        """The difference is significantly the other way round."""
        return self.claim != "C1 opposite" and self.interval is not None and self.interval.high < 0
