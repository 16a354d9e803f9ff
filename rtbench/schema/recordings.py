"""Records of completions that were generated elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rtbench.schema.base import FinishReason, Record
from rtbench.schema.tasks import Sample


class RecordedEntry(Record, frozen=True, omit_defaults=True):
    """One recorded completion."""

    place: str
    """Position in its file, for messages: ``line 3``, ``data[12][0]``."""
    completion_index: int
    text: str
    """Rationale and answer in one text; with ``reasoning``, the text of the answer stage."""
    question: str | None = None
    in_prompt: bool = False
    """True where ``question`` is a prompt, which contains the question."""
    sample_index: int | None = None
    """Position in the source's own order; used only where the question agrees or is missing."""
    reasoning: str | None = None
    """The rationale, verbatim, of a recording in two stages."""
    thinking: str | None = None
    """A thinking model's thinking before ``text``, where a format or ``reasoning`` keeps it apart."""
    answer: str | None = None
    """Gold answer, where the recording has it."""
    prompt: str | None = None
    """The prompt of ``text``; None where it was not recorded."""
    finish_reason: FinishReason | None = None


class Unmatched(Record, frozen=True):
    """One entry that belongs to no sample."""

    where: str
    """File and position in it."""
    reason: str
    question: str | None = None
    sample_index: int | None = None
    nearest: str | None = None
    """The most similar question of the task, and its sample index."""


@dataclass(frozen=True)
class Recording:
    """A file of recorded completions."""

    path: Path
    model: str
    key: str
    """The source's name for its way of prompting, such as ``zs_cot``."""
    task: str
    answer_prefix: str | None
    """Text before the answer: None where the answer has its own stage, the prediction template's prefix for
    ``completion_data``, "The answer is" where one text has rationale and answer."""
    entries: tuple[RecordedEntry, ...]
    skipped: tuple[Unmatched, ...] = ()
    """Records that hold no finished completion."""
    thinking: int = 0
    """Number of entries whose thinking was parted from their text."""


@dataclass(frozen=True)
class RecordedPair:
    """One entry with the sample that it belongs to."""

    entry: RecordedEntry
    datasets: tuple[str, ...]
    """Data sets (or variants) that contain the entry's question."""
    sample: Sample
    """The sample from the first of these data sets."""
    completion_index: int
    """The entry's own index, or the sample's next free index where two entries have the same."""

    @property
    def sample_index(self) -> int:
        """Return the sample's index."""
        return self.sample.index


@dataclass(frozen=True)
class Matched:
    """A recording's entries, matched and unmatched. Every entry is in exactly one of the two lists."""

    pairs: tuple[RecordedPair, ...]
    unmatched: tuple[Unmatched, ...]
    datasets: dict[str, int]
    """Number of matched entries, by data set; an entry that several data sets share is counted in each."""
