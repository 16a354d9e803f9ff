"""Tasks: what can be said of one, its data, and how answers are found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from rtbench.schema.completions import Completion
from rtbench.schema.scores import Score
from rtbench.schema.tasks import Demonstration, Sample, TaskData, TaskInfo
from rtbench.twins import dataset_of, setting_of

if TYPE_CHECKING:
    from rtbench.data.files import DataFiles
    from rtbench.twins import Twin


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


@runtime_checkable
class ReadsConclusions(Protocol):
    """An extractor that can tell what a text without any answer format comes to."""

    def concludes(self, text: str, sample: Sample) -> bool:
        """Return whether a text ends with the gold answer."""


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
        self, files: DataFiles, source: str = "own", split: str | None = "default"
    ) -> Sequence[Demonstration]:
        """Few-shot demonstrations; empty where the task has none.

        Args:
            files: where a published file is looked for.
            source: one of :attr:`TaskInfo.demonstrations`.
            split: whose test fold must not be shown; None: no published question is tested.
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
