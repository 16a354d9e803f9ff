"""Recordings, read in every format that the installed plugins know."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from rtbench.data.files import DataFiles
from rtbench.plugin.recordings import RecordingFormat
from rtbench.plugin.tasks import Task
from rtbench.recordings import read
from rtbench.recordings.scoring import FileScore, score_recording
from rtbench.schema.environment import Environment
from rtbench.schema.recordings import Recording
from rtbench.session import Session


@functools.cache
def formats() -> list[RecordingFormat]:
    return read.formats_of(Session(Environment(workspace="none", offline=True)))


def read_recording(path: Path, **names: str | None) -> Recording:
    return read.read_recording(path, formats(), **names)


def score_file(path: Path, task: Task, extractor: str, files: DataFiles, **options: Any) -> FileScore:
    return score_recording(read_recording(path, task=task.info.name), task, extractor, files, **options)
