"""JSON Lines of recorded completions."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from rtbench_plugins.recordings.json_lines import JsonLines

from rtbench.errors import BadInputError


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_file_without_a_line_is_reported_as_empty(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m__k__multiarith.jsonl"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match="the file is empty"):
        JsonLines().read(path, model=None, key=None, task=None)


def test_compressed_file_is_decompressed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m__k__multiarith.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"sample_index": 3, "completion": "It is 5."}\n'))
    opened, calls = gzip.GzipFile, []

    def counted(**arguments: Any) -> gzip.GzipFile:
        calls.append(arguments)
        return opened(**arguments)

    monkeypatch.setattr(gzip, "GzipFile", counted)
    recording = JsonLines().read(path, model=None, key=None, task=None)
    assert [entry.sample_index for entry in recording.entries] == [3]
    assert len(calls) == 1
