"""The original project's ``completion_data``: one JSON document ``{"metadata": …, "data": {index: [record, …]}}``.

Source: ``src/data/completion_dataset.py`` of itsnamgyu/reasoning-teacher.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from rtbench_plugins.recordings.lines import PREFIXES, RecordLine, numbered, required, two_stages

from rtbench.api import ONE_TEXT_PREFIX, BadInputError, Recording, RecordingFormat, UnknownNameError, read_json


class _Metadata(msgspec.Struct):
    base_model: str | None = None
    dataset_key: str | None = None
    completion_key: str | None = None
    prediction_template: str | None = None


class _CompletionFile(msgspec.Struct):
    metadata: _Metadata
    data: dict[str, list[RecordLine]]


class CompletionData(RecordingFormat):
    """Reader of ``*.json``, compressed with gzip or not."""

    name = "completion_data"

    def matches(self, path: Path) -> bool:
        return path.name.removesuffix(".gz").endswith(".json")

    def read(self, path: Path, *, model: str | None, key: str | None, task: str | None) -> Recording:
        return _read_completion_data(path, model, key, task)


def _read_completion_data(path: Path, model: str | None, key: str | None, task: str | None) -> Recording:
    raw: _CompletionFile = read_json(path, _CompletionFile)
    meta = raw.metadata
    if meta.prediction_template not in PREFIXES:
        known = [template for template in PREFIXES if template]
        raise UnknownNameError.of("prediction template", str(meta.prediction_template), known, where=str(path))
    placed: list[tuple[str, RecordLine]] = []
    for index, lines in raw.data.items():
        for i, line in enumerate(lines):
            if line.sample_index is None:
                if not index.isdecimal():
                    raise BadInputError(f"{index!r} is not a sample index", where=f"{path}, data")
                line.sample_index = int(index)
            if line.completion_index is None:
                line.completion_index = i
            placed.append((f"data[{index}][{i}]", line))
    if not placed:
        raise BadInputError("the file has no completions", where=f"{path}, data")
    prefix = PREFIXES[meta.prediction_template]
    if meta.prediction_template is None and not all(two_stages(line) for _, line in placed):
        prefix = ONE_TEXT_PREFIX
    return Recording(
        path=path,
        model=model or meta.base_model or path.stem,
        key=key or meta.completion_key or meta.prediction_template or "recorded",
        task=required(task or meta.dataset_key, path),
        answer_prefix=prefix,
        entries=numbered(placed, path),
    )
