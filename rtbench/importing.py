"""Recordings made elsewhere, brought into the ledger.

An imported completion's key is that of a request with an empty prompt: a recording is found by model, recording key,
question and completion index, whatever it was asked with. The prompt it was asked with is kept beside the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rtbench.errors import BadInputError
from rtbench.files import file_digest
from rtbench.ledger import Partition, make_request
from rtbench.records import Completion, Record, Sampling

if TYPE_CHECKING:
    from rtbench.interfaces import Task
    from rtbench.recordings import Matched, Recording
    from rtbench.session import Session

PROMPT = "recorded"
"""Name of the ledger partition that recordings of a model and data set are in."""
NOTE = "recording"


class ImportedFile(Record, frozen=True):
    """One file that was imported into a partition."""

    file: str
    sha256: str
    matched: int
    unmatched: int


class RecordingNote(Record, frozen=True):
    """What a partition of recordings says of itself."""

    model: str
    key: str
    answer_prefix: str | None
    """What stands before the answer; None where the answer stands alone."""
    files: tuple[ImportedFile, ...]


class ImportReport(Record, frozen=True):
    """What became of one file."""

    file: str
    model: str
    key: str
    task: str
    records: int
    imported: dict[str, int]
    """Data set to number of completions new in the ledger."""
    present: int
    """Completions that the ledger held already."""
    unmatched: tuple[str, ...]
    """One line per record that fits no sample: which, and why."""


def fingerprint_of(model: str, key: str) -> str:
    return f"recorded:{model}/{key}"


def recorded_partition(session: Session, fingerprint: str, dataset: str) -> Partition:
    return session.ledger.partition(fingerprint, dataset, PROMPT)


def read_note(partition: Partition) -> RecordingNote | None:
    found = partition.note(NOTE)
    return None if found is None else msgspec.convert(found, RecordingNote)


def import_recording(session: Session, recording: Recording, task: Task) -> ImportReport:
    """Matches a recording to its task's samples by question text and adds it to the ledger, once.

    Raises:
        BadInputError: the ledger holds another completion in a record's place.
    """
    from rtbench.recordings import match

    variants = {}
    for variant in task.info.variants:
        dataset = task.dataset_id(variant)
        if dataset not in variants:
            variants[dataset] = session.task_data(task.info.name, variant)
    matched = match(recording, variants)
    digest = file_digest(recording.path)
    imported: dict[str, int] = {}
    present = 0
    for dataset in variants:
        completions = _completions(recording, matched, dataset)
        if not completions:
            continue
        partition = recorded_partition(session, fingerprint_of(recording.model, recording.key), dataset)
        fresh = _fresh(partition, completions, recording.path)
        with partition.writer() as writer:
            for completion in fresh:
                writer.append(completion)
        imported[dataset] = len(fresh)
        present += len(completions) - len(fresh)
        _note(partition, recording, digest, len(completions), len(matched.unmatched))
    return ImportReport(
        file=str(recording.path),
        model=recording.model,
        key=recording.key,
        task=task.info.name,
        records=len(recording.entries),
        imported=imported,
        present=present,
        unmatched=tuple(f"{u.where}: {u.reason}" for u in matched.unmatched),
    )


def _completions(recording: Recording, matched: Matched, dataset: str) -> list[Completion]:
    fingerprint = fingerprint_of(recording.model, recording.key)
    out: list[Completion] = []
    for pair in matched.pairs:
        if dataset not in pair.datasets:
            continue
        entry = pair.entry
        request = make_request(
            fingerprint, dataset, pair.sample_index, pair.completion_index, "", Sampling(max_new_tokens=0)
        )
        out.append(
            Completion(
                key=request.key,
                task=dataset,
                sample_index=pair.sample_index,
                completion_index=pair.completion_index,
                prompt=entry.prompt or "",
                text=entry.text,
                reasoning=entry.reasoning,
                finish_reason=entry.finish_reason,
            )
        )
    return out


def _fresh(partition: Partition, completions: Sequence[Completion], path: Path) -> list[Completion]:
    """Those that the ledger lacks; a different text in one's place is an error."""
    there = partition.load()
    fresh: dict[str, Completion] = {}
    for completion in completions:
        held = there.get(completion.key) or fresh.get(completion.key)
        if held is None:
            fresh[completion.key] = completion
        elif held.full_text != completion.full_text:
            raise BadInputError(
                f"sample {completion.sample_index}, completion {completion.completion_index} is in the ledger with "
                "another text",
                where=str(path),
                next_step=f"Import it under another key (--key), or delete {partition.path} to replace it.",
            )
    return list(fresh.values())


def _note(partition: Partition, recording: Recording, digest: str, matched: int, unmatched: int) -> None:
    from rtbench.recordings import answer_prefix_of

    prefix = answer_prefix_of(recording)
    note = read_note(partition)
    if note is not None and note.answer_prefix != prefix:
        raise BadInputError(
            f"the answer stands behind {prefix!r}, in what was imported before behind {note.answer_prefix!r}",
            where=str(recording.path),
            next_step="Import it under another key (--key).",
        )
    files = tuple(f for f in (note.files if note else ()) if f.sha256 != digest)
    # The name alone: a recording may lie anywhere, and paths tell of the machine.
    added = ImportedFile(file=recording.path.name, sha256=digest, matched=matched, unmatched=unmatched)
    partition.write_note(
        NOTE,
        RecordingNote(model=recording.model, key=recording.key, answer_prefix=prefix, files=(*files, added)),
    )
