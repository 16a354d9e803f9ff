"""Tasks: metadata, data and answer extractors."""

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
    from rtbench.data.pins import PinnedFile
    from rtbench.twins import Twin


class Extractor(Protocol):
    """Finds answers in completions and scores them."""

    name: str
    version: int
    cites: str
    """Paper or code whose behaviour it reproduces."""

    def canonical(self, extracted: str) -> str | None:
        """Return one spelling for all answers that the extractor treats as equal, to count votes by.

        Args:
            extracted: as in :attr:`Score.extracted`.

        Returns:
            None where the text is not an answer.
        """

    def score(
        self, completions: Sequence[Completion], samples: Mapping[int, Sample], answer_prefix: str | None
    ) -> list[Score]:
        """Return one score per completion, in order.

        Args:
            completions: what to score.
            samples: the questions by sample index.
            answer_prefix: as in :class:`PromptFormat`.
        """


@runtime_checkable
class ReadsConclusions(Protocol):
    """An extractor that can find the conclusion of a text without any answer format."""

    def concludes(self, text: str, sample: Sample) -> bool:
        """Return whether a text ends with the gold answer."""


class Task(ABC):
    """A task. Its metadata is available immediately; its samples are loaded when first used.

    A task that has a twin accepts the twin's variants (:func:`rtbench.twins.variant_of`) wherever it accepts a variant.
    """

    info: TaskInfo

    @property
    def pins(self) -> Sequence[PinnedFile]:
        """Return the data files that the task reads; `rtbench data` downloads and checks them."""
        return ()

    @abstractmethod
    def fingerprint(self, files: DataFiles, variant: str) -> str:
        """Return an identifier of the data (files, loader version, variant) without loading them.

        Raises:
            MissingDataError: the data are neither found locally nor pinned.
        """

    @abstractmethod
    def load(self, files: DataFiles, variant: str) -> TaskData:
        """Load all samples and splits.

        Raises:
            MissingDataError: a file is missing and cannot be downloaded.
            BadInputError: a file is not in the expected format.
        """

    @abstractmethod
    def extractor(self, name: str) -> Extractor:
        """Return the extractor of a name.

        Raises:
            UnknownNameError: the task has no such extractor.
        """

    def extractor_key(self, name: str) -> str:
        """Return the content key of an extractor: scores are recomputed exactly when it changes."""
        return f"v{self.info.extractors[name]}"

    def demonstrations(
        self, files: DataFiles, source: str = "own", split: str | None = "default"
    ) -> Sequence[Demonstration]:
        """Return the few-shot demonstrations; empty where the task has none.

        Args:
            files: data files, for published demonstrations.
            source: one of :attr:`TaskInfo.demonstrations`.
            split: the split whose test fold must not be shown; None where no published question is tested.
        """
        return ()

    def twin(self) -> Twin[Any] | None:
        """Return the seeded generator of questions like the task's; None where the task has no twin.

        Its data are loaded as the variant ``twin-SEED``, followed by knobs, with the single split ``default``
        (:func:`rtbench.twins.twin_data`, :func:`rtbench.twins.twin_fingerprint`).
        """
        return None

    def dataset_id(self, variant: str) -> str:
        """Return the name of the samples in ledgers. Variants with identical texts and golds share a name."""
        if setting_of(variant) is not None and (twin := self.twin()) is not None:
            return dataset_of(self.info.name, twin, variant)
        default = self.info.variants[0]
        return self.info.name if variant == default else f"{self.info.name}@{variant}"
