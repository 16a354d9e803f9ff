"""Whatever is wrong with a file, one error names it, within a moment."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from rtbench.errors import BadInputError
from rtbench.schema.base import Record
from rtbench.storage import reading
from rtbench.storage.files import file_digest
from rtbench.storage.reading import decode_json, doubled_key, read_bytes, read_json, read_jsonl, read_text
from rtbench.storage.tables import read_rows


class Point(Record, frozen=True):
    x: int


def loop(path: Path) -> None:
    path.symlink_to(path)


def dangling(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(reading.MOST_BYTES + 1)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (loop, "symbolic links"),
        (dangling, "no such file"),
        (sparse, "too large"),
        (Path.mkdir, "folder"),
        (os.mkfifo, "nothing is written to this pipe"),
    ],
)
@pytest.mark.parametrize("read", [read_bytes, read_text, read_json, lambda path: list(read_rows(path))])
def test_path_that_is_no_readable_file(
    tmp_path: Path,
    make: Callable[[Path], object],
    said: str,
    read: Callable[[Path], object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "_PIPE_SECONDS", 0.05)
    make(tmp_path / "x.json")
    with pytest.raises(BadInputError, match=said) as error:
        read(tmp_path / "x.json")
    assert "x.json" in str(error.value)


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "a\0b"])
def test_device_or_no_path_is_refused(path: str) -> None:
    with pytest.raises(BadInputError, match="device|not a path"):
        read_bytes(Path(path))


@pytest.mark.parametrize("content", [b'{"x": 1}\n{"x": 2}\n' * 40_000, b'{"x": 1}\n'])
def test_pipe_is_read_once_and_again_like_a_file(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_PIPE_SECONDS", 600.0)  # the writer begins when the machine lets it
    pipe, file = tmp_path / "pipe.jsonl", tmp_path / "file.jsonl"
    os.mkfifo(pipe)
    file.write_bytes(content)
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    first = read_jsonl(pipe, Point)
    writer.join()
    assert first == read_jsonl(pipe, Point) == read_jsonl(file, Point)
    assert file_digest(pipe) == file_digest(file)


@pytest.mark.parametrize(("module", "kind"), [(gzip, "gzip"), (bz2, "bzip2"), (lzma, "xz")])
def test_compressed_file_that_grows_without_end_is_stopped(
    tmp_path: Path, module: object, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_ALWAYS_EXPANDED", 1 << 20)
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(module.compress(b" " * (8 << 20)))  # type: ignore[attr-defined]
    with pytest.raises(BadInputError, match=f"the {kind} file grows to more than"):
        read_bytes(path)


@pytest.mark.parametrize("cut", [1, 9, 20])
def test_truncated_gzip_is_named(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"x": 1}\n' * 9)[:-cut])
    with pytest.raises(BadInputError, match="not a complete gzip file"):
        read_bytes(path)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"x": caf\xe9}', "UTF-8|broken JSON"),
        (b'{"x": "\xff"}', "UTF-8|broken JSON|Expected"),
        (b'{"x": ' + b"[" * 9_000 + b"]" * 9_000 + b"}", "Expected|nested"),
        (b'{"x": 1e400}', "out of range"),
        (b'{"x": NaN}', "broken JSON"),
        (b'{"x": -Infinity}', "broken JSON"),
        (b'{"x": 1', "truncated"),
        (b"\x00\x01", "broken JSON"),
        (b"[]", "Expected"),
    ],
)
def test_broken_line_is_named(tmp_path: Path, line: bytes, said: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"x": 1}\r\n' + line + b"\n")
    with pytest.raises(BadInputError, match=said) as error:
        read_jsonl(path, Point)
    assert error.value.where == f"{path}, line 2"


@pytest.mark.parametrize("depth", [1_500, 100_000])
def test_deep_json_is_one_error(tmp_path: Path, depth: int) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b"[" * depth + b"]" * depth)
    with pytest.raises(BadInputError, match="nested too deeply"):
        read_json(path)
    with pytest.raises(BadInputError, match="nested too deeply"):
        decode_json(b'{"a": ' * depth + b"1" + b"}" * depth, msgspec.json.Decoder(), where="here")


@pytest.mark.parametrize("half", [r"\ud800", r"\udc00", r"\ud800\ud800", r"a\uDBFFb"])
def test_half_of_a_character_is_named(tmp_path: Path, half: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"question": "' + half + '"}\n')
    with pytest.raises(BadInputError, match="half of a character|broken JSON|invalid JSON"):
        list(read_rows(path))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"a": 1, "a": 2}', "a"),
        ('{"b": "a", "a": {"a": 1}}', None),
        ('{"a": "\\"a\\": 1"}', None),
        ('{"x": {"a": 1, "a": 2}}', None),
        ('{"q": "x", "ä": 1, "q": 1' + "0" * 400 + "}", "q"),
    ],
)
def test_doubled_key_of_an_object_is_found(text: str, key: str | None) -> None:
    assert doubled_key(text, msgspec.json.decode(text)) == key
    assert doubled_key(text.encode(), msgspec.json.decode(text)) == key


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}\n', '[{"a": 1}, {"a": 2, "b": 1, "a": 3}]'])
def test_record_with_a_doubled_field_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(text)
    with pytest.raises(BadInputError, match="the field 'a' occurs twice"):
        list(read_rows(path))


def test_long_line_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"question": "' + "a" * 5_000_000 + '"}\n')
    assert len(next(read_rows(path)).values["question"]) == 5_000_000
