"""Tasks as records: metadata, questions, folds and splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Literal

import msgspec

from rtbench.schema.base import Fold, Record, keyed_default


class Sample(Record, frozen=True, omit_defaults=True):
    """One question of a task with its gold answer."""

    index: int
    """Position in the task's own order; splits and recordings refer to it."""
    question: str
    """Text that a model sees, choices included."""
    answer: str
    """Gold answer as written in the task's data: a number, a choice letter, yes/no, or free text."""
    rationale: str | None = None
    """Human rationale, where the source has one."""
    choices: tuple[str, ...] = ()
    """Texts of the choices in letter order; empty where the task has none."""
    group: str | None = None
    """Template or situation that the question shares with others, for grouped splits."""


class Split(Record, frozen=True):
    """A division of a task's samples into folds, by sample index."""

    train: tuple[int, ...]
    test: tuple[int, ...]
    validation: tuple[int, ...] = ()
    ood: tuple[int, ...] = ()

    def fold(self, fold: Fold) -> tuple[int, ...]:
        """Return the sample indices of a fold."""
        indices: tuple[int, ...] = getattr(self, fold)
        return indices


class HeldOut(Record, frozen=True):
    """Questions that are held out of a training: a fraction, drawn at random by a seed."""

    seed: int
    fraction: float


class Questions(Record, frozen=True, omit_defaults=True):
    """A selection of a fold's questions."""

    fold: Fold
    limit: int | None = keyed_default(None)
    """Number of questions that are used, from the first on, after ``fraction`` is applied; None: all."""
    fraction: float = keyed_default(1.0)
    """Fraction of the questions, drawn at random as ``subsample_indices`` of itsnamgyu/reasoning-teacher does."""
    part: tuple[float, float] | None = None
    """Only the questions whose places in a fixed random order lie between these fractions; None: all. Parts that begin where
    others end have no question in common."""
    held_out: HeldOut | None = None
    """Only the questions that are held out; None: all."""


RationaleSource = Literal["text", "thoughts", "both"]
"""The rationale of a one-stage completion: its text up to the answer, a thinking model's thinking, or the thinking followed by that text."""


class TaskInfo(Record, frozen=True, omit_defaults=True):
    """A task's metadata, available without its data."""

    name: str
    title: str
    answer_type: str
    """``number``, ``choice``, ``yes_no``, ``string``."""
    random_accuracy: float | None
    """Expected accuracy of a uniform guess, as a fraction. None: it follows from the questions' choices."""
    splits: tuple[str, ...] = ("default",)
    variants: tuple[str, ...] = ("original",)
    """Data variants that differ in text or gold; the first is the default."""
    extractors: dict[str, int] = {}
    """Versions of the extractors, by name."""
    extractor: str = ""
    """Extractor that leaderboards show unless a matrix names another; empty: the first."""
    demonstrations: tuple[str, ...] = ("own",)
    """Sources of few-shot demonstrations that the task has."""
    answer_trigger: str = "Therefore, the answer is"
    """Text with which the answer stage of a two-stage prompt asks for the answer."""
    train_size: int | None = None
    test_size: int | None = None
    source: str = ""
    """File that defines the task."""
    licence: str = ""
    twin: bool = False
    """True where the task has a procedural twin (:meth:`Task.twin`)."""

    @property
    def shown_extractor(self) -> str:
        """Return the extractor that leaderboards show by default; empty where the task has none."""
        return self.extractor or next(iter(self.extractors), "")


class Demonstration(Record, frozen=True):
    """A worked example for few-shot prompts."""

    question: str
    rationale: str
    answer: str


@dataclass(frozen=True)
class TaskData:
    """A task's samples and splits, loaded."""

    samples: Mapping[int, Sample]
    """Samples by index; those whose text was not found locally are absent."""
    splits: Mapping[str, Split]
    missing: str | None = None
    """What is missing and how to get it; None where the data are complete."""

    _folds: dict[tuple[str, Fold], tuple[Sample, ...]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    def fold(self, split: str, fold: Fold) -> Sequence[Sample]:
        """Return the samples of a fold that were found locally, in index order."""
        if (split, fold) not in self._folds:
            indices = self.splits[split].fold(fold)
            self._folds[split, fold] = tuple(self.samples[i] for i in indices if i in self.samples)
        return self._folds[split, fold]


def guess_accuracy(samples: Sequence[Sample]) -> float | None:
    """Return the expected accuracy of a uniform guess, as a fraction; None where a sample has no choices."""
    if not samples or not all(sample.choices for sample in samples):
        return None
    return fmean(1 / len(sample.choices) for sample in samples)


class Overlap(Record, frozen=True):
    """Numbers of test questions that are also in the training fold, by three measures.

    A question may count in several measures.
    """

    split: str
    train: int
    """Number of training questions that were found locally."""
    test: int
    """Number of test questions that were found locally."""
    exact: int
    """Test questions with the same text as a training question, apart from case and white space."""
    up_to_numbers: int
    """Test questions with the same text apart from numbers: their template was trained on."""
    shared_span: int = msgspec.field(name="run")
    """Test questions that share a span of 13 words with a training question; a shorter question counts as a whole."""
