"""Verdicts on answers, and what they add up to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench.schema.base import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Score(Record, frozen=True, omit_defaults=True):
    """The verdict of one extractor on one completion (fields as ``Evaluator`` of itsnamgyu/reasoning-teacher has them)."""

    sample_index: int
    completion_index: int
    extracted: str | None
    """None: no candidate found, which counts as wrong."""
    correct: bool
    contains_answer: bool
    """The gold answer is among the candidates."""
    correct_format: bool
    """The answer prefix of the prompt format is there (True where the format has none)."""
    complete: bool
    """The completion ended by itself."""
    group: str | None = None
    """The question's (:attr:`Sample.group`): questions of one group are no independent draws."""

    @property
    def pattern(self) -> str | int:
        """What questions of one pattern share: their group, or the question itself where it has none."""
        return self.sample_index if self.group is None else self.group


class AtK(Record, frozen=True):
    """Unbiased estimates from several completions of each question, means over questions; as fractions."""

    k: int
    pass_at_k: float
    """At least one of k completions is right."""
    maj_at_k: float
    """The answer that most of k completions give is right."""


class ScoreSummary(Record, frozen=True):
    """Accuracy of one extractor over a fold. All shares are fractions of ``n``."""

    extractor: str
    version: int
    n: int
    """Questions scored."""
    correct: int
    accuracy: float
    contains_answer: float
    correct_format: float
    complete: float
    missing: int = 0
    """Questions of the fold without a completion (recordings only); not part of ``n``."""
    patterns: int | None = None
    """Groups that the ``n`` questions are of, each without one counted for itself; None: none of them has one."""
    at_k: tuple[AtK, ...] = ()
    """Where several completions vote, what could be had of them."""


class Interval(Record, frozen=True):
    """A confidence interval of an accuracy, as fractions."""

    low: float
    high: float
    method: str
