"""Recordings made elsewhere, brought into the ledger.

An imported completion's key is that of a request with an empty prompt: a recording is found by model, recording key,
question and completion index, whatever it was asked with. The prompt it was asked with is kept beside the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rtbench.errors import BadInputError
from rtbench.recordings.matching import match
from rtbench.schema.base import Record
from rtbench.schema.completions import Completion, Sampling
from rtbench.storage.files import file_digest
from rtbench.storage.ledger import Partition, make_request

if TYPE_CHECKING:
    from rtbench.plugin.models import ModelServices
    from rtbench.plugin.tasks import Task
    from rtbench.schema.recordings import Matched, Recording
    from rtbench.schema.tasks import TaskData

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


def recorded_partition(services: ModelServices, fingerprint: str, dataset: str) -> Partition:
    return services.ledger.partition(fingerprint, dataset, PROMPT)


def read_note(partition: Partition) -> RecordingNote | None:
    found = partition.note(NOTE)
    return None if found is None else msgspec.convert(found, RecordingNote)


@dataclass(frozen=True)
class PreparedImport:
    """A recording that was read, matched and checked against the ledger; nothing is written yet."""

    recording: Recording
    task: str
    parts: tuple[_ImportPart, ...]
    unmatched: tuple[str, ...]


@dataclass(frozen=True)
class _ImportPart:
    """What goes into one partition."""

    dataset: str
    partition: Partition
    fresh: tuple[Completion, ...]
    added: ImportedFile


@dataclass(frozen=True)
class Pending:
    """What the files of one command will write."""

    completions: dict[str, Completion] = field(default_factory=dict)
    """By key."""
    prefixes: dict[Path, str | None] = field(default_factory=dict)
    """Answer prefix by partition."""


def import_recording(services: ModelServices, recording: Recording, task: Task) -> ImportReport:
    """Matches a recording to its task's samples by question text and adds it to the ledger, once.

    Raises:
        BadInputError: it contradicts what the ledger holds; nothing is written then.
    """
    return commit_import(prepare_import(services, recording, task, Pending()))


def prepare_import(services: ModelServices, recording: Recording, task: Task, pending: Pending) -> PreparedImport:
    """Everything that can go wrong, before anything is written.

    Args:
        services: whose ledger.
        recording: as read.
        task: its task.
        pending: what other files of the same command will write; extended by this one's.

    Raises:
        BadInputError: the ledger, or another file, has another text in a completion's place, or has its answers
            behind another prefix.
    """
    variants: dict[str, TaskData] = {}
    for variant in task.info.variants:
        dataset = task.dataset_id(variant)
        if dataset not in variants:
            variants[dataset] = services.task_data(task.info.name, variant)
    matched = match(recording, variants)
    digest = file_digest(recording.path)
    parts: list[_ImportPart] = []
    for dataset in variants:
        completions = _completions(recording, matched, dataset)
        if not completions:
            continue
        partition = recorded_partition(services, fingerprint_of(recording.model, recording.key), dataset)
        fresh = _fresh(partition, completions, recording.path, pending)
        _check_prefix(partition, recording, pending)
        # The name alone: a recording may lie anywhere, and paths tell of the machine.
        name = recording.path.name
        added = ImportedFile(file=name, sha256=digest, matched=len(completions), unmatched=len(matched.unmatched))
        parts.append(_ImportPart(dataset, partition, tuple(fresh), added))
    unmatched = tuple(f"{u.where}: {u.reason}" for u in matched.unmatched)
    return PreparedImport(recording, task.info.name, tuple(parts), unmatched)


def commit_import(prepared: PreparedImport) -> ImportReport:
    """Writes what was prepared. The note comes last: without it a partition counts as not imported."""
    for part in prepared.parts:
        with part.partition.writer() as writer:
            for completion in part.fresh:
                writer.append(completion)
        note = read_note(part.partition)
        others = [file for file in (note.files if note else ()) if file.sha256 != part.added.sha256]
        recording = prepared.recording
        note = RecordingNote(
            model=recording.model,
            key=recording.key,
            answer_prefix=recording.answer_prefix,
            files=(*others, part.added),
        )
        part.partition.write_note(NOTE, note)
    return ImportReport(
        file=str(prepared.recording.path),
        model=prepared.recording.model,
        key=prepared.recording.key,
        task=prepared.task,
        records=len(prepared.recording.entries),
        imported={part.dataset: len(part.fresh) for part in prepared.parts},
        present=sum(part.added.matched - len(part.fresh) for part in prepared.parts),
        unmatched=prepared.unmatched,
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


def _fresh(partition: Partition, completions: Sequence[Completion], path: Path, pending: Pending) -> list[Completion]:
    """Those that the ledger lacks; a different text in one's place is an error."""
    there = partition.load()
    fresh: list[Completion] = []
    for completion in completions:
        held = there.get(completion.key) or pending.completions.get(completion.key)
        if held is None:
            pending.completions[completion.key] = completion
            fresh.append(completion)
        elif held.full_text != completion.full_text:
            raise BadInputError(
                f"sample {completion.sample_index}, completion {completion.completion_index} is in the ledger with "
                "another text",
                where=str(path),
                next_step=f"Import it under another key (--key), or delete {partition.path} to replace it.",
            )
    return fresh


def _check_prefix(partition: Partition, recording: Recording, pending: Pending) -> None:
    """All of a partition's answers stand behind one prefix."""
    note = read_note(partition)
    before = note.answer_prefix if note else pending.prefixes.setdefault(partition.path, recording.answer_prefix)
    if before != recording.answer_prefix:
        raise BadInputError(
            f"the answer stands behind {recording.answer_prefix!r}, in what was imported before behind {before!r}",
            where=str(recording.path),
            next_step="Import it under another key (--key).",
        )
