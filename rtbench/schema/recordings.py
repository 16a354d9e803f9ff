"""Completions that were made elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rtbench.schema.base import FinishReason, Record
from rtbench.schema.tasks import Sample


class RecordedEntry(Record, frozen=True, omit_defaults=True):
    """One recorded completion."""

    place: str
    """Where it stands in its file, for messages: ``line 3``, ``data[12][0]``."""
    completion_index: int
    text: str
    """Rationale and answer in one text; the answer stage's text where ``reasoning`` is given."""
    question: str | None = None
    sample_index: int | None = None
    """Position in the source's own order; believed only where the question agrees, or where there is none."""
    reasoning: str | None = None
    """The rationale, verbatim, of a recording made in two stages."""
    answer: str | None = None
    """Gold answer, where the recording carries it."""
    prompt: str | None = None
    """The prompt of ``text``; None where it was not recorded."""
    finish_reason: FinishReason | None = None


@dataclass(frozen=True)
class Recording:
    """A file of recorded completions."""

    path: Path
    model: str
    key: str
    """What the source calls the way it asked, such as ``zs_cot``."""
    task: str
    answer_prefix: str | None
    """What stands before the answer in a text: nothing where the answer was asked for in a stage of its own, the
    prediction template's prefix for ``completion_data``, "The answer is" for one text with both."""
    entries: tuple[RecordedEntry, ...]


@dataclass(frozen=True)
class RecordedPair:
    """One entry with the sample it belongs to."""

    entry: RecordedEntry
    datasets: tuple[str, ...]
    """Data sets (or variants) that hold the entry's question."""
    sample: Sample
    """The sample, as the first of these has it."""
    completion_index: int
    """The entry's own, or the next free one of the sample where two entries claim one place."""

    @property
    def sample_index(self) -> int:
        return self.sample.index


class Unmatched(Record, frozen=True):
    """One entry that belongs to no sample."""

    where: str
    """File and place in it."""
    reason: str
    question: str | None = None
    sample_index: int | None = None


@dataclass(frozen=True)
class Matched:
    """What became of a recording's entries. Every entry is in exactly one of the two lists."""

    pairs: tuple[RecordedPair, ...]
    unmatched: tuple[Unmatched, ...]
    datasets: dict[str, int]
    """Entries matched, by data set; an entry that several share is counted in each."""
