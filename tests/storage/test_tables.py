"""Files of records in the forms that people have: all are read alike, and what cannot be read is named."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from rtbench.errors import BadInputError
from rtbench.storage.tables import read_rows

RECORDS = [{"question": f"Zoë has {i} pens, and 2 more?", "answer": i + 2} for i in range(3)]
LINES = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in RECORDS)
CELLS = [{"question": record["question"], "answer": str(record["answer"])} for record in RECORDS]


def table(separator: str, end: str = "\n") -> str:
    rows = [f'"{record["question"]}"{separator}{record["answer"]}' for record in RECORDS]
    return end.join([f"question{separator}answer", *rows, ""])


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", LINES.encode()),
        ("a.jsonl", b"\xef\xbb\xbf" + LINES.encode()),
        ("a.jsonl", LINES.encode("utf-16")),
        ("a.jsonl", LINES.encode("utf-32")),
        ("a.jsonl", LINES.replace("\n", "\r\n\r\n").encode()),
        ("a.json", json.dumps(RECORDS, indent=2).encode()),
        ("a.jsonl", json.dumps(RECORDS).encode()),
        ("a.jsonl.gz", gzip.compress(LINES.encode())),
        ("a.jsonl", gzip.compress(LINES.encode())),
        ("a.jsonl.bz2", bz2.compress(LINES.encode())),
        ("a.json.xz", lzma.compress(json.dumps(RECORDS).encode())),
    ],
    ids=["plain", "mark", "utf-16", "utf-32", "windows", "list", "list.jsonl", "gz", "gz-unnamed", "bz2", "xz"],
)
def test_records_are_read_from_json_in_any_form(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert [row.values for row in read_rows(tmp_path / name)] == RECORDS


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", table(",").encode()),
        ("a.csv", table(";", "\r\n").encode("utf-8-sig")),
        ("a.tsv", table("\t").encode()),
        ("a.csv.gz", gzip.compress(table(",").encode())),
        ("A.CSV", table(",").encode("utf-16")),
    ],
    ids=["csv", "semicolons", "tsv", "gz", "utf-16"],
)
def test_cells_of_tables_are_text(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    rows = list(read_rows(tmp_path / name))
    assert [row.values for row in rows] == CELLS
    assert [row.place for row in rows] == ["line 2", "line 3", "line 4"]


def test_cells_hold_line_breaks_and_quotes_and_empty_ones_are_null(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('question,answer\n"One\n""two""?",\n\n"Three?",3\n')
    assert [tuple(row.values.values()) for row in read_rows(path)] == [('One\n"two"?', None), ("Three?", "3")]
    assert [row.place for row in read_rows(path)] == ["line 2", "line 5"]


def test_parquet_keeps_types(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    path = tmp_path / "data"  # its name does not matter
    parquet.write_table(pa.Table.from_pylist([{**record, "choices": ["a", "b"]} for record in RECORDS]), path)
    rows = list(read_rows(path))
    assert [row.values for row in rows] == [{**record, "choices": ["a", "b"]} for record in RECORDS]
    assert rows[1].place == "record 2"


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.xlsx", b"PK\x03\x04" + b"x" * 50, "zip archive (or an Excel"),
        ("a.jsonl", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git-lfs"),
        ("a.db", b"SQLite format 3\x00" + b"x" * 50, "SQLite"),
        ("a.jsonl", b"<!DOCTYPE html><html></html>", "HTML page"),
        ("a.arrow", b"ARROW1\x00\x00" + b"x" * 50, "Arrow file"),
        ("a.pkl", b"\x80\x04\x95" + b"x" * 50, "pickle"),
        ("a.parquet", b"PAR1" + b"x" * 50, "parquet file is damaged"),
        ("a.jsonl", LINES.encode("utf-16-le"), "UTF-16 without a byte order mark"),
        ("a.jsonl", LINES.encode("latin-1"), "line 1: not UTF-8 text"),
        ("a.jsonl", b"", "the file is empty"),
        ("a.jsonl", b'{"a": 1}\n{"a": \n', "line 2: invalid JSON"),
        ("a.jsonl", b'{"a": 1}\n[1]\n', "line 2: the record is a list"),
        ("a.json", b'{\n "data": [{"a": 1}]\n}', "one JSON object over several lines"),
        ("a.json", b'[{"a": 1}, 5]', "record 2: the record is a number"),
        ("a.json", b'[{"a": 1},\n {"a": }]', "line 2: invalid JSON"),
        ("a.txt", b"question,answer\na,b\n", "line 1: invalid JSON"),
        ("a.csv", b"question,answer\na,b,c\n", "line 2: 3 cells, but the first line names 2 columns"),
        ("a.csv", b"answer,answer\na,b\n", "two columns are named 'answer'"),
        ("a.csv", b'question,answer\n"a,b\n', "not a CSV line"),
        ("a.jsonl.gz", b"\x1f\x8bbroken", "gzip"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(BadInputError) as raised:
        list(read_rows(path))
    assert said in str(raised.value)
    assert name in str(raised.value)


@pytest.mark.parametrize("make", [lambda path: path, lambda path: path.parent], ids=["missing", "folder"])
def test_missing_file_and_folder_are_errors(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    with pytest.raises(BadInputError, match="no such file|folder"):
        list(read_rows(make(tmp_path / "missing.jsonl")))
