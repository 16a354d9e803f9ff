"""The original project's ``completion_data``: one JSON document ``{"metadata": …, "data": {index: [record, …]}}``.

Source: ``src/data/completion_dataset.py`` of itsnamgyu/reasoning-teacher.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from rtbench_plugins.recordings.lines import PREFIXES, RecordLine, numbered, required

from rtbench.api import BadInputError, Recording, RecordingFormat, UnknownNameError, Unmatched, read_bytes, read_json


class _Metadata(msgspec.Struct):
    base_model: str | None = None
    dataset_key: str | None = None
    completion_key: str | None = None
    prediction_template: str | None = None
    train_key: str | None = None
    epoch: int | str | None = None

    @property
    def key(self) -> str:
        """Return the recording's key. Outputs of trained students are told apart by the training and its epoch."""
        parts = [self.completion_key or self.prediction_template or "recorded"]
        if self.train_key is not None:
            parts.append(self.train_key)
        if self.epoch is not None:
            parts.append(f"epoch{self.epoch}")
        return "-".join(parts)


class _CompletionFile(msgspec.Struct):
    metadata: _Metadata
    data: dict[str, list[RecordLine]]


_BEGINS = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{")
"""One object; a file that begins with a list is of another format."""


class CompletionData(RecordingFormat):
    """Reader of ``*.json``, compressed with gzip or not."""

    name = "completion-data"

    def matches(self, path: Path) -> bool:
        return path.name.removesuffix(".gz").endswith(".json") and _BEGINS.match(read_bytes(path)) is not None

    def read(self, path: Path, *, model: str | None, key: str | None, task: str | None) -> Recording:
        return _read_completion_data(path, model, key, task)


def _read_completion_data(path: Path, model: str | None, key: str | None, task: str | None) -> Recording:
    raw: _CompletionFile = read_json(path, _CompletionFile)
    meta = raw.metadata
    if meta.prediction_template not in PREFIXES:
        known = [template for template in PREFIXES if template]
        raise UnknownNameError.of("prediction template", str(meta.prediction_template), known, where=str(path))
    placed, skipped = _records_of(raw, path)
    if not placed:
        raise BadInputError("the file has no finished completions", where=f"{path}, data")
    return Recording(
        path=path,
        model=model or meta.base_model or path.stem,
        key=key or meta.key,
        task=required(task or meta.dataset_key, path),
        answer_prefix=PREFIXES[meta.prediction_template],
        entries=numbered(placed, path),
        skipped=tuple(skipped),
    )


def _records_of(raw: _CompletionFile, path: Path) -> tuple[list[tuple[str, RecordLine]], list[Unmatched]]:
    """Return the finished records with their places, and the unfinished ones."""
    placed: list[tuple[str, RecordLine]] = []
    skipped: list[Unmatched] = []
    for index, lines in raw.data.items():
        if not lines:
            skipped.append(_unfinished(path, f"data[{index}]", "it has no completion"))
        for i, line in enumerate(lines):
            place = f"data[{index}][{i}]"
            _number(line, index, i, path)
            if line.completion is None and line.text is None:
                begun = " after the rationale" if line.reasoning_completion is not None else ""
                skipped.append(_unfinished(path, place, f"it is unfinished{begun}: it has no `completion`", line))
                continue
            if line.reasoning_completion is not None and line.reasoning_prompt is None:
                line.reasoning_prompt = ""  # the original reads the answer from `completion` alone
            placed.append((place, line))
    return placed, skipped


def _number(line: RecordLine, index: str, place: int, path: Path) -> None:
    """Give a record without them the indices of its place."""
    if line.sample_index is None:
        if not index.isdecimal():
            raise BadInputError(f"{index!r} is not a sample index", where=f"{path}, data")
        line.sample_index = int(index)
    if line.completion_index is None:
        line.completion_index = place


def _unfinished(path: Path, place: str, reason: str, line: RecordLine | None = None) -> Unmatched:
    index = None if line is None else line.sample_index
    return Unmatched(
        where=f"{path}, {place}", reason=reason, question=None if line is None else line.question, sample_index=index
    )
