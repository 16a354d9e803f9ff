"""Odd and damaged recordings are one error each, in every format that reads them; pipes are read like files."""

from __future__ import annotations

import gzip
import os
import subprocess
import threading
from pathlib import Path

import pytest

from rtbench.errors import BadInputError
from rtbench.recordings.read import joined, read_recording
from rtbench.storage import reading
from tests.helpers.cli import Cli
from tests.helpers.recordings import formats

LOGGED = (
    b"Namespace(method='zero_shot_cot', model='gpt3-xl', dataset='multiarith', cot_trigger=%s, "
    b"direct_answer_trigger='y')\n"
)
CONTENTS = {
    "empty": b"",
    "binary": bytes(range(256)) * 4,
    "latin": b'{"question": "caf\xe9", "completion": "5", "answer": "5"}\n',
    "deep list": b"[" * 50_000,
    "deep object": b'{"a":' * 50_000,
    "deep field": b'{"question": "q", "answer": "5", "completion": "5", "x": ' + b"[" * 3000 + b"]" * 3000 + b"}\n",
    "truncated gzip": gzip.compress(b'{"a": 1}\n' * 100)[:-9],
    "numbers": b"5\n6\n",
    "not a number": b'{"question": NaN}\n',
    "surrogate": b'{"question": "\\ud800", "completion": "5", "answer": "5"}\n',
    "huge index": b'{"question": "q", "sample_index": 1' + b"0" * 30 + b', "completion": "5"}\n',
    "huge number": b'{"question": "q", "completion": "5", "answer": 1e999}\n',
    "doubled": b'{"question": "q", "completion": "5", "completion": "6", "answer": "5"}\n',
    "sample with bytes": b'{"doc_id": 0, "doc": {"question": "caf\xe9"}, "target": "5", "resps": [["a"]], "filter": "none"}\n',
    "escape": LOGGED % b"'\\x'",
    "name escape": LOGGED % b"'\\N{no such name}'",
    "short escape": LOGGED % b"'\\u12'",
    "log with a NUL": LOGGED % b"'a\0b'",
}
NAMES = (
    "m__k__multiarith.jsonl",
    "m__k__multiarith.json",
    "m__k__multiarith.csv",
    "m.log",
    "samples_multiarith_2025-01-01T00-00-00.000.jsonl",
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_odd_file_is_one_error_that_names_it(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInputError) as error:
        read_recording(tmp_path / name, formats())
    assert name in str(error.value)


@pytest.mark.parametrize("name", NAMES)
def test_loop_of_links_and_folder_are_errors(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to(tmp_path / name)
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / name, tmp_path / "folder", tmp_path / "missing"):
        with pytest.raises(BadInputError, match=path.name):
            read_recording(path, formats(), task="multiarith")
        with pytest.raises(BadInputError, match=path.name):
            joined([path], formats())


@pytest.mark.parametrize("zipped", [False, True])
def test_recording_from_a_pipe_is_that_of_the_file(
    tmp_path: Path, zipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_PIPE_SECONDS", 600.0)  # the writer begins when the machine lets it
    content = b'{"question": "a", "completion": "The answer is 5.", "answer": "5"}\n' * 3
    content = gzip.compress(content) if zipped else content
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(content,))
    writer.start()
    [(path, others)] = joined([tmp_path / "pipe"], formats())
    found = read_recording(path, formats(), task="multiarith", others=others)
    writer.join()
    (tmp_path / "file").write_bytes(content)
    assert found.entries == read_recording(tmp_path / "file", formats(), task="multiarith").entries
    assert len(found.entries) == 3


def test_standard_input_is_scored_like_a_file(cli: Cli) -> None:
    line = '{"question": "a", "completion": "The answer is 5.", "answer": "5"}\n'
    (cli.folder / "s.jsonl").write_text(line * 3)
    whole = cli("score", "s.jsonl", "--task", "multiarith", "--offline").stdout
    command = cli.command("score", "/dev/stdin", "--task", "multiarith", "--offline")
    piped = subprocess.run(
        command, cwd=cli.folder, env=cli.environment, input=line * 3, capture_output=True, text=True, check=True
    )
    assert piped.stdout == whole
    assert "3 of 3 correct" in whole
