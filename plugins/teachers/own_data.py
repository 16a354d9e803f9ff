"""Recordings that a task's own data hold: rationales that people wrote, and the bare gold answers.

They are imported into the ledger like other recordings. Both state the gold answers, so they are no measure of a teacher.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rtbench.api import ModelServices, Sample, completion_of, content_key
from rtbench.recordings.importing import (
    NOTE,
    ImportedFile,
    RecordingNote,
    fingerprint_of,
    recorded_partition,
    recorded_request,
)

if TYPE_CHECKING:
    from rtbench.api import Task

HUMAN, GOLD = "human/rationales", "gold/answers"
OWN = (HUMAN, GOLD)
"""Names of the recordings."""
_CALCULATOR = re.compile(r"<<[^<>]*>>")
"""Marks of gsm8k, such as ``<<48/2=24>>``, which are no text of the rationale."""


def import_own_data(services: ModelServices, recording: str, task: Task, variant: str) -> str | None:
    """Import one of the recordings; return why the task has none, or None."""
    model, key = recording.split("/")
    dataset = task.dataset_id(variant)
    fingerprint = fingerprint_of(model, key)
    samples = services.task_data(task.info.name, variant).samples.values()
    found = [(sample, text) for sample in samples if (text := _rationale(recording, sample)) is not None]
    if not found:
        return f"the data of {task.info.name} have no rationales"
    partition = recorded_partition(services, fingerprint, dataset)
    with partition.alone():
        held = partition.keys()
        with partition.writer() as writer:
            for sample, text in found:
                request = recorded_request(fingerprint, dataset, sample.index, 0)
                if request.key not in held:
                    writer.append(completion_of(request, sample.answer, reasoning=text, finish_reason="stop"))
    digest = content_key("own data", sorted((sample.index, text, sample.answer) for sample, text in found))
    file = ImportedFile(file=f"the data of {task.info.name}", sha256=digest, matched=len(found), unmatched=0)
    partition.write_note(
        NOTE, RecordingNote(model=model, key=key, answer_prefix=None, files=(file,), bytes_=partition.size())
    )
    return None


def _rationale(recording: str, sample: Sample) -> str | None:
    if recording == GOLD:
        return ""
    text = _CALCULATOR.sub("", sample.rationale or "").strip()
    return text or None
