"""Read files of records in the forms that people have: JSON Lines, a JSON list, CSV, TSV and parquet.

The form is taken from the content where it shows there, and from the name for CSV and TSV. Files may be compressed with
gzip, bzip2 or xz, and encoded in UTF-8 (with or without a byte order mark), UTF-16 or UTF-32 (with one).
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from rtbench.errors import BadInputError
from rtbench.storage.reading import broken_line, doubled_key, encoding_of, json_mistake, read_bytes, text_in

READ = "JSON Lines, a JSON list of objects, CSV, TSV and parquet"
"""The forms that are read, for messages."""
_COMPRESSED = re.compile(r"\.(?:gz|bz2|xz)$", re.IGNORECASE)
_OTHER_KINDS: tuple[tuple[bytes, str, str], ...] = (
    (
        b"PK\x03\x04",
        "a zip archive (or an Excel or OpenDocument file)",
        "Save the table as CSV, or unpack the archive.",
    ),
    (b"\xd0\xcf\x11\xe0", "an old Excel file", "Save the table as CSV."),
    (b"ARROW1", "an Arrow file", "Save it as parquet."),
    (b"SQLite format 3", "an SQLite database", "Export the table as CSV."),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "Decompress it first."),
    (b"%PDF", "a PDF", "Save the table as CSV."),
    (b"\x89PNG", "a picture", ""),
    (b"version https://git-lfs", "the pointer of a large file that git-lfs has not fetched", "Run `git lfs pull`."),
    (b"\x80\x04", "a Python pickle, which is not opened because it can run code", "Save the records as JSON Lines."),
    (b"\x93NUMPY", "a NumPy array", "Save the records as JSON Lines."),
    (b"<!doctype", "an HTML page", "Download the file itself, not the page that shows it."),
    (b"<html", "an HTML page", "Download the file itself, not the page that shows it."),
    (b"<?xml", "an XML file", "Save the records as JSON Lines or CSV."),
)


_STATED_DELIMITER = re.compile(r"sep=(.)\r?\n")


class TableRow(NamedTuple):
    """One record of a file."""

    place: str
    """Place in the file, for messages: ``line 3``, or ``record 3`` where the file has no lines."""
    values: dict[str, Any]


def read_rows(path: Path) -> Iterator[TableRow]:
    """Yield the records of a file.

    A cell of CSV or TSV is text; an empty one is None.

    Raises:
        BadInputError: the file is missing, of another kind, or damaged. The error names the file and the line.
    """
    data = read_bytes(path)
    if data[:4] == b"PAR1":
        return _parquet(path, data)
    text = decoded(data, path)
    name = _COMPRESSED.sub("", path.name).lower()
    if name.endswith((".csv", ".tsv", ".tab")):
        return _table(text, path, tab=not name.endswith(".csv"))
    start = text.lstrip()[:1]
    if start == "[":
        return _list(text, path)
    return _lines(text, path)


def is_table(path: Path) -> bool:
    """Return whether a file is CSV, TSV or parquet, by its name."""
    name = _COMPRESSED.sub("", path.name).lower()
    return name.endswith((".csv", ".tsv", ".tab", ".parquet"))


def decoded(data: bytes, path: Path) -> str:
    """Return the text of a file, in UTF-8 or another encoding with a byte order mark.

    Raises:
        BadInputError: it is not text, or in another encoding.
    """
    if not data.strip():
        raise BadInputError("the file is empty", where=str(path), next_step=f"Supported: {READ}.")
    head = data[:64].lstrip()
    for mark, what, next_step in _OTHER_KINDS:
        if head[: len(mark)].lower() == mark.lower():
            raise BadInputError(f"this is {what}", where=str(path), next_step=f"{next_step} Supported: {READ}.".strip())
    encoding = encoding_of(data)
    if encoding == "utf-8" and b"\0" in data[:1000]:
        raise BadInputError(
            "this is not text; it looks like UTF-16 without a byte order mark, or binary data",
            where=str(path),
            next_step=f"Save the file as UTF-8. Supported: {READ}.",
        )
    return text_in(data, where=str(path))


def _lines(text: str, path: Path) -> Iterator[TableRow]:
    decoder = msgspec.json.Decoder()
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            values = decoder.decode(line)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise _broken(error, text, where, line) from None
        yield TableRow(f"line {number}", _object(values, line, where))


def _broken(error: Exception, text: str, where: str, line: str) -> BadInputError:
    """Return the error for an invalid line, with what the file seems to be instead."""
    what = _invalid(error, line)
    next_step = "Write one object per line."
    first = text.lstrip().startswith(line.strip())
    if re.search(r":\s*-?(?:NaN|Infinity)\b", line):
        next_step = "NaN and Infinity are not JSON: write null or a number."
    elif first and not line.lstrip().startswith("{"):
        next_step = f"Supported: {READ} (CSV and TSV by the file's name)."
    elif first and line.strip() != text.strip():
        try:
            whole = json.loads(text)
        except (ValueError, RecursionError):
            whole = None
        if isinstance(whole, dict):
            lists = [key for key, value in whole.items() if isinstance(value, list)]
            what = "this is one JSON object over several lines"
            next_step = "Write one object per line, or a list of objects"
            next_step += f", such as its {lists[0]!r}." if lists else "."
    return BadInputError(what, where=where, next_step=next_step)


def _list(text: str, path: Path) -> Iterator[TableRow]:
    try:
        records = msgspec.json.decode(text, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadInputError(_invalid(error, text), where=f"{path}, line {broken_line(text)}") from None
    decoder = msgspec.json.Decoder()
    for number, record in enumerate(records, 1):
        where = f"{path}, record {number}"
        try:
            values = decoder.decode(record)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise BadInputError(_invalid(error, bytes(record)), where=where) from None
        yield TableRow(f"record {number}", _object(values, bytes(record), where))


def _invalid(error: Exception, data: str | bytes) -> str:
    return f"invalid JSON: {json_mistake(error, data)}".replace("broken JSON: ", "")


def _object(value: Any, source: str | bytes, where: str) -> dict[str, Any]:
    """Return a decoded record, after checking that it is an object whose fields have different names."""
    if not isinstance(value, dict):
        kinds = {list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
        raise BadInputError(
            f"the record is {kinds.get(type(value), 'null')}, not an object with named fields",
            where=where,
            next_step='Write objects such as {"question": …, "answer": …}.',
        )
    if (key := doubled_key(source, value)) is not None:
        raise BadInputError(f"the field {key!r} occurs twice", where=where, next_step="Remove one of the two.")
    return value


def _table(text: str, path: Path, *, tab: bool) -> Iterator[TableRow]:
    """Yield the rows of a table whose first line names the columns."""
    csv.field_size_limit(2**31 - 1)
    stated = _STATED_DELIMITER.match(text)  # as spreadsheets write it
    if stated:
        text = "\n" + text[stated.end() :]
    first = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = "\t" if tab else stated[1] if stated else _delimiter(first)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: list[str] | None = None
    while True:
        line = reader.line_num + 1
        where = f"{path}, line {line}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BadInputError(
                f"not a {'TSV' if tab else 'CSV'} line: {error}", where=where, next_step="A quote may not be closed."
            ) from None
        if not any(cell.strip() for cell in cells) and len(cells) < 2:
            continue  # an empty line
        if names is None:
            names = _columns(cells, where)
        elif len(cells) != len(names):
            raise BadInputError(
                f"{len(cells)} cells, but the first line names {len(names)} columns",
                where=where,
                next_step="Quote cells that contain the separator or a line break."
                if len(cells) > len(names)
                else "A cell is missing.",
            )
        else:
            yield TableRow(f"line {line}", {name: cell or None for name, cell in zip(names, cells, strict=True)})


def _delimiter(first: str) -> str:
    """Return the separator of a CSV file: spreadsheets in many countries write semicolons."""
    return max(",;\t", key=re.sub(r'"[^"]*"', "", first).count)


def _columns(cells: Iterable[str], where: str) -> list[str]:
    names = [cell.strip() for cell in cells]
    for name in names:
        if names.count(name) > 1:
            raise BadInputError(
                f"two columns are named {name!r}" if name else "two columns have no name",
                where=where,
                next_step="The first line names the columns; give each a name of its own.",
            )
    return names


def _parquet(path: Path, data: bytes) -> Iterator[TableRow]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(io.BytesIO(data))
        for number, values in enumerate((row for batch in table.iter_batches() for row in batch.to_pylist()), 1):
            yield TableRow(f"record {number}", values)
    except (pa.ArrowException, OSError) as error:
        raise BadInputError(f"the parquet file is damaged ({str(error).splitlines()[0]})", where=str(path)) from None
