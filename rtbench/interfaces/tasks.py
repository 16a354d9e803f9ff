"""Tasks: what can be said of one, its data, and how answers are found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from rtbench.records import Completion, Fold, Record, Sample, Score, Split
from rtbench.twins import dataset_of, setting_of

if TYPE_CHECKING:
    from rtbench.data import DataFiles
    from rtbench.twins import Twin


DemonstrationSource = Literal["own", "paper", "paper-as-published"]
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
    answer_trigger: str = "Therefore, the answer is"
    """What the answer stage of a two-stage prompt asks."""
    train_size: int | None = None
    test_size: int | None = None
    source: str = ""
    """Where the definition stands (file)."""
    licence: str = ""
    twin: bool = False
    """There is a procedural twin (:meth:`Task.twin`)."""


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


class Extractor(Protocol):
    """Finds and judges answers in completions."""

    name: str
    version: int
    cites: str
    """Whose behaviour it reproduces."""

    def canonical(self, extracted: str) -> str | None:
        """One text for all answers that the extractor takes for equal; None for what is no answer. Votes are counted
        by it."""

    def score(
        self, completions: Sequence[Completion], samples: Mapping[int, Sample], answer_prefix: str | None
    ) -> list[Score]:
        """One score per completion, in order. ``answer_prefix`` as in :class:`PromptFormat`."""


class Task(ABC):
    """A task: metadata at once, samples on demand. One that has a twin takes the twin's variants
    (:func:`rtbench.twins.variant_of`) wherever it takes a variant."""

    info: TaskInfo

    @abstractmethod
    def fingerprint(self, files: DataFiles, variant: str) -> str:
        """Identifies the data (files, loader version, variant) without loading them.

        Raises:
            MissingDataError: the data are neither at hand nor pinned.
        """

    @abstractmethod
    def load(self, files: DataFiles, variant: str) -> TaskData:
        """Loads all samples and splits.

        Raises:
            MissingDataError: a file is not at hand and cannot be downloaded.
            BadInputError: a file is not what it should be.
        """

    @abstractmethod
    def extractor(self, name: str) -> Extractor:
        """Raises UnknownNameError where the task has none of that name."""

    def extractor_key(self, name: str) -> str:
        """What an extractor is by content: results of one key are never recomputed, those of another always."""
        return f"v{self.info.extractors[name]}"

    def demonstrations(
        self, files: DataFiles, source: DemonstrationSource = "own", split: str = "default"
    ) -> Sequence[Demonstration]:
        """Few-shot demonstrations; empty where the task has none.

        Args:
            files: where a published file is looked for.
            source: ``own`` (written for this project), ``paper`` (the paper's, without those that lie in the split's
                test fold) or ``paper-as-published`` (all of the paper's: some lie in the test fold).
            split: whose test fold must not be shown.
        """
        return ()

    def twin(self) -> Twin[Any] | None:
        """The seeded generator of questions like the task's; None where there is none. Its data are loaded as the
        variant ``twin-SEED``, knobs behind it, with the one split ``default`` (:func:`rtbench.twins.twin_data`,
        :func:`rtbench.twins.twin_fingerprint`)."""
        return None

    def dataset_id(self, variant: str) -> str:
        """Name of the samples in ledgers: two variants share it where they share every text and gold."""
        if setting_of(variant) is not None and (twin := self.twin()) is not None:
            return dataset_of(self.info.name, twin, variant)
        default = self.info.variants[0]
        return self.info.name if variant == default else f"{self.info.name}@{variant}"
