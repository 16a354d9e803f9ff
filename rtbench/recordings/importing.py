"""Import recordings into the ledger.

An imported completion has the key of a request with an empty prompt, so that a recording is found by model, recording
key, question and completion index, whatever its prompt was. The recorded prompt is stored with the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rtbench.errors import BadInputError, DamagedError
from rtbench.recordings.matching import match
from rtbench.schema.base import Record
from rtbench.schema.completions import Completion, Request, Sampling
from rtbench.scoring.parting import part_thinking
from rtbench.storage.files import file_digest
from rtbench.storage.ledger import Partition, make_request
from rtbench.storage.paths import check_label

if TYPE_CHECKING:
    from rtbench.plugin.models import ModelServices
    from rtbench.plugin.tasks import Task
    from rtbench.schema.recordings import Matched, Recording, Unmatched
    from rtbench.schema.tasks import TaskData

PROMPT = "recorded"
"""Name of the ledger partitions of recordings, as the prompt."""
NOTE = "recording"


class ImportedFile(Record, frozen=True):
    """One file that was imported into a partition."""

    file: str
    sha256: str
    matched: int
    unmatched: int


class RecordingNote(Record, frozen=True):
    """A note on a partition of recordings, stored with it."""

    model: str
    key: str
    answer_prefix: str | None
    """Text before the answer; None where a text is only the answer."""
    files: tuple[ImportedFile, ...]
    bytes_: int = 0
    """Size of the partition's segments; where they are smaller, some are lost, and the files are imported again."""


class ImportReport(Record, frozen=True):
    """Report on the import of one file."""

    file: str
    model: str
    key: str
    task: str
    records: int
    thinking: int
    """Number of records whose thinking was parted from the answer."""
    answer_prefix: str | None
    """Text before the answers; None where a text is only the answer."""
    imported: dict[str, int]
    """Number of completions that were added to the ledger, by data set."""
    present: int
    """Number of completions that were already in the ledger."""
    unmatched: tuple[str, ...]
    """One line per record that matches no sample: its position and the reason."""


def fingerprint_of(model: str, key: str) -> str:
    """Return the fingerprint of a recording."""
    return f"recorded:{model}/{key}"


def recorded_partition(services: ModelServices, fingerprint: str, dataset: str) -> Partition:
    """Return the ledger partition of a recording and data set."""
    return services.ledger.partition(fingerprint, dataset, PROMPT)


def recorded_request(fingerprint: str, dataset: str, sample_index: int, completion_index: int) -> Request:
    """Return the request that stands for a recorded completion: without a prompt and a limit."""
    return make_request(fingerprint, dataset, sample_index, completion_index, "", Sampling(max_new_tokens=0))


def read_note(partition: Partition) -> RecordingNote | None:
    """Return the note on a partition of recordings; None where nothing was imported, or has to be again."""
    try:
        note = partition.note(NOTE, RecordingNote)
    except DamagedError:
        return None
    return note if note is not None and partition.size() >= note.bytes_ else None


@dataclass(frozen=True)
class PreparedImport:
    """A recording that was read, matched and checked against the ledger, but not written."""

    recording: Recording
    task: str
    parts: tuple[_ImportPart, ...]
    unmatched: tuple[str, ...]


@dataclass(frozen=True)
class _ImportPart:
    """The completions to add to one partition."""

    dataset: str
    partition: Partition
    fresh: tuple[Completion, ...]
    added: ImportedFile


@dataclass(frozen=True)
class Pending:
    """Completions that the files of one command will write."""

    completions: dict[str, tuple[Completion, Path]] = field(default_factory=dict)
    """Completions by key, with their files."""
    prefixes: dict[Path, str | None] = field(default_factory=dict)
    """Answer prefixes by partition."""


def import_recording(services: ModelServices, recording: Recording, task: Task) -> ImportReport:
    """Match a recording to its task's samples by question text, and add the completions that the ledger lacks.

    Raises:
        BadInputError: it contradicts the ledger; nothing is written then.
    """
    return commit_import(prepare_import(services, recording, task, Pending()))


def prepare_import(services: ModelServices, recording: Recording, task: Task, pending: Pending) -> PreparedImport:
    """Match a recording and check it against the ledger, so that all errors occur before anything is written.

    Args:
        services: services with the ledger and the task's data.
        recording: the recording.
        task: its task.
        pending: completions that other files of the same command will write; this file's are added.

    Raises:
        BadInputError: the ledger, or another file, has another text for a completion, or another answer prefix.
    """
    for kind, name in (("model", recording.model), ("key", recording.key)):
        check_label(name, where=f"{recording.path}: {kind} (--{kind})", parts=True)
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
        # Only the file's name: its folder is specific to this machine.
        name = recording.path.name
        added = ImportedFile(file=name, sha256=digest, matched=len(completions), unmatched=len(matched.unmatched))
        parts.append(_ImportPart(dataset, partition, tuple(fresh), added))
    unmatched = tuple(map(described, matched.unmatched))
    return PreparedImport(recording, task.info.name, tuple(parts), unmatched)


def described(unmatched: Unmatched) -> str:
    """Return a line about a record that matches no sample: its position, the reason, and the most similar question."""
    nearest = f" (nearest: {unmatched.nearest})" if unmatched.nearest else ""
    return f"{unmatched.where}: {unmatched.reason}{nearest}"


def commit_import(prepared: PreparedImport) -> ImportReport:
    """Write a prepared recording. The note is written last: without it a partition counts as not imported."""
    for part in prepared.parts:
        with part.partition.alone():
            held = part.partition.keys()  # another process may have imported them meanwhile
            with part.partition.writer() as writer:
                for completion in part.fresh:
                    if completion.key not in held:
                        writer.append(completion)
        note = read_note(part.partition)
        others = [file for file in (note.files if note else ()) if file.sha256 != part.added.sha256]
        recording = prepared.recording
        note = RecordingNote(
            model=recording.model,
            key=recording.key,
            answer_prefix=recording.answer_prefix,
            files=(*others, part.added),
            bytes_=part.partition.size(),
        )
        part.partition.write_note(NOTE, note)
    return ImportReport(
        file=str(prepared.recording.path),
        model=prepared.recording.model,
        key=prepared.recording.key,
        task=prepared.task,
        records=len(prepared.recording.entries) + len(prepared.recording.skipped),
        thinking=prepared.recording.thinking,
        answer_prefix=prepared.recording.answer_prefix,
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
        request = recorded_request(fingerprint, dataset, pair.sample_index, pair.completion_index)
        out.append(
            Completion(
                key=request.key,
                task=dataset,
                sample_index=pair.sample_index,
                completion_index=pair.completion_index,
                prompt=entry.prompt or "",
                text=entry.text,
                reasoning=entry.reasoning,
                thinking=entry.thinking,
                finish_reason=entry.finish_reason,
            )
        )
    return out


def _fresh(partition: Partition, completions: Sequence[Completion], path: Path, pending: Pending) -> list[Completion]:
    """Return the completions that the ledger lacks.

    Raises:
        BadInputError: the ledger, or another file, has another text for a completion.
    """
    stored = partition.load()
    fresh: list[Completion] = []
    for completion in completions:
        earlier, other = pending.completions.get(completion.key, (None, None))
        present = stored.get(completion.key) or earlier
        if present is None:
            pending.completions[completion.key] = (completion, path)
            fresh.append(completion)
        elif not _same_text(present, completion):
            what = f"sample {completion.sample_index}, completion {completion.completion_index}"
            if other is not None:
                raise BadInputError(
                    f"{what} has another text in {other}",
                    where=str(path),
                    next_step="Import one of the files under another key (--key), or leave it out.",
                )
            raise BadInputError(
                f"{what} is in the ledger with another text",
                where=str(path),
                next_step=f"Import it under another key (--key), or delete {partition.path} to replace it.",
            )
    return fresh


def _same_text(one: Completion, other: Completion) -> bool:
    """Return whether two completions have the same text, apart from thinking that was stored in tags before."""
    return one.full_text == other.full_text or _parted(one) == _parted(other)


def _parted(completion: Completion) -> tuple[str, str]:
    """Return rationale and answer as they are imported now."""
    reasoning = part_thinking(completion.reasoning or "")[1]
    return reasoning.strip(), part_thinking(completion.text)[1].strip()


def _shown(prefix: str | None) -> str:
    return "none" if prefix is None else repr(prefix)


def _check_prefix(partition: Partition, recording: Recording, pending: Pending) -> None:
    """Check that all answers of a partition have the same prefix.

    Raises:
        BadInputError: the recording has another prefix than earlier recordings in the partition.
    """
    note = read_note(partition)
    before = note.answer_prefix if note else pending.prefixes.setdefault(partition.path, recording.answer_prefix)
    if before != recording.answer_prefix:
        raise BadInputError(
            f"the answer prefix is {_shown(recording.answer_prefix)}, but earlier imports have {_shown(before)}",
            where=str(recording.path),
            next_step="Import it under another key (--key).",
        )
