"""What is known of a task: its questions, folds and splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rtbench.schema.base import Fold, Record, keyed_default


class Sample(Record, frozen=True, omit_defaults=True):
    """One question of a task with its gold answer."""

    index: int
    """Position in the task's own order; what splits and recordings refer to."""
    question: str
    """Text as a model sees it, choices included."""
    answer: str
    """Gold answer as the task's data state it: a number, a choice letter, yes/no, or free text."""
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
        found: tuple[int, ...] = getattr(self, fold)
        return found


class Questions(Record, frozen=True, omit_defaults=True):
    """Which questions of a fold."""

    fold: Fold
    limit: int | None = keyed_default(None)
    """The first so many, after ``fraction``."""
    fraction: float = keyed_default(1.0)
    """A random part, drawn as ``subsample_indices`` of itsnamgyu/reasoning-teacher does."""


RationaleSource = Literal["text", "thoughts", "both"]
"""Of a completion in one stage: its text up to the answer, what a thinking model thought, or one after the other."""


class TaskInfo(Record, frozen=True, omit_defaults=True):
    """What can be said of a task without its data."""

    name: str
    title: str
    answer_type: str
    """``number``, ``choice``, ``yes_no``, ``string``."""
    random_accuracy: float | None
    """Expected accuracy of a uniform guess, as a fraction. None: as the choices of the questions have it."""
    splits: tuple[str, ...] = ("default",)
    variants: tuple[str, ...] = ("original",)
    """Data variants that differ in text or gold; the first is the default."""
    extractors: dict[str, int] = {}
    """Named extractors with their versions."""
    extractor: str = ""
    """The one that leaderboards show unless a matrix names another; empty: the first."""
    demonstrations: tuple[str, ...] = ("own",)
    """Sources of few-shot demonstrations that it has."""
    answer_trigger: str = "Therefore, the answer is"
    """What the answer stage of a two-stage prompt asks."""
    train_size: int | None = None
    test_size: int | None = None
    source: str = ""
    """Where the definition stands (file)."""
    licence: str = ""
    twin: bool = False
    """There is a procedural twin (:meth:`Task.twin`)."""

    @property
    def shown_extractor(self) -> str:
        """The extractor that leaderboards show by default; empty where the task has none."""
        return self.extractor or next(iter(self.extractors), "")


class Demonstration(Record, frozen=True):
    """A worked example for few-shot prompts."""

    question: str
    rationale: str
    answer: str


@dataclass(frozen=True)
class TaskData:
    """A task's samples, loaded."""

    samples: Mapping[int, Sample]
    """By sample index; an index whose text is not at hand (aqua's training part) is absent."""
    splits: Mapping[str, Split]
    missing: str | None = None
    """What is absent and how to get it; None where all is there."""

    _folds: dict[tuple[str, Fold], tuple[Sample, ...]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    def fold(self, split: str, fold: Fold) -> Sequence[Sample]:
        """The samples of a fold that are at hand, in index order."""
        if (split, fold) not in self._folds:
            indices = self.splits[split].fold(fold)
            self._folds[split, fold] = tuple(self.samples[i] for i in indices if i in self.samples)
        return self._folds[split, fold]


class Overlap(Record, frozen=True):
    """Questions of a test fold that stand in the training fold, by three measures; a question may count in all of them."""

    split: str
    train: int
    test: int
    """Questions at hand."""
    exact: int
    """The same text, but for case and white space."""
    up_to_numbers: int
    """The same text once every number is the same: a template that was trained on."""
    run: int
    """A run of :data:`RUN` words in common; a shorter question counts as a whole."""
