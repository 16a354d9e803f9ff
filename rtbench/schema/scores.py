"""Scores of completions, and their summaries."""

from __future__ import annotations

from rtbench.schema.base import Record


class Score(Record, frozen=True, omit_defaults=True):
    """One extractor's score of one completion.

    Source: the fields are those of ``Evaluator`` in itsnamgyu/reasoning-teacher.
    """

    sample_index: int
    completion_index: int
    extracted: str | None
    """The extracted answer. None: there is no candidate, which counts as wrong."""
    correct: bool
    contains_answer: bool
    """True where the gold answer is among the candidates."""
    correct_format: bool
    """True where the completion contains the prompt format's answer prefix, or the format has none."""
    complete: bool
    """True where the model ended the completion itself."""
    group: str | None = None
    """The question's group (:attr:`Sample.group`): questions of one group are not independent draws."""

    @property
    def pattern(self) -> str | int:
        """Return the identity of the question's pattern: its group, or its sample index where it has no group."""
        return self.sample_index if self.group is None else self.group


class AtK(Record, frozen=True):
    """Unbiased estimates from several completions per question: means over questions, as fractions."""

    k: int
    pass_at_k: float
    """Probability that at least one of k completions is correct."""
    maj_at_k: float
    """Probability that the most frequent answer of k completions is correct."""


class ScoreSummary(Record, frozen=True):
    """Accuracy over a fold by one extractor. Rates are means over the ``n`` questions."""

    extractor: str
    version: int
    n: int
    """Number of scored questions."""
    correct: int
    """Number of correct completions."""
    accuracy: float
    """Mean over questions of the fraction of their completions that are correct."""
    contains_answer: float
    correct_format: float
    complete: float
    missing: int = 0
    """Questions of the fold without a completion (recordings only); not part of ``n``."""
    patterns: int | None = None
    """Number of groups among the ``n`` questions; each question without a group counts as one. None: no question has a
    group."""
    at_k: tuple[AtK, ...] = ()
    """pass@k and maj@k, where questions have several completions."""
    wrong_cut: int = 0
    """Wrong answers whose text was cut by a token limit. Always 0 in scores of older versions."""
    completions: int | None = None
    """Number of scored completions, where questions have several that all count; None: one per question."""


class Interval(Record, frozen=True):
    """A confidence interval of an accuracy, as fractions."""

    low: float
    high: float
    method: str
