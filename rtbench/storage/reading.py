"""Read files: bytes, text and JSON. Whatever is wrong with a file is one error, which names the file and the line.

All readers of files that users name go through this module, or through :mod:`rtbench.storage.yaml_files`, which builds on it.
"""

from __future__ import annotations

import bz2
import codecs
import contextlib
import functools
import gzip
import io
import lzma
import os
import re
import select
import stat
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from rtbench.errors import BadInputError

T = TypeVar("T")
MOST_BYTES = 4 << 30
"""Largest file that is read, in bytes, also after decompression."""
_ALWAYS_EXPANDED = 256 << 20
"""Bytes up to which a compressed file may grow, whatever its own size."""
_MOST_GROWTH = 100
"""Beyond that, how many times its own size a compressed file may grow. Texts grow about 10 times."""
_CHUNK = 1 << 20
_FIX = "Fix this line, or get the file again."
_PIPE_SECONDS = 3.0
"""Seconds to wait for a program that writes to a pipe."""
_COMPRESSIONS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz"}
"""Kind of compression by the first bytes of a file."""
_OPENERS: dict[str, Callable[[io.BytesIO], Any]] = {
    "gzip": lambda data: gzip.GzipFile(fileobj=data),
    "bzip2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
}
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HALF_CHARACTER = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD]...)\\u[dD][c-fC-F]")
"""Half of a surrogate pair in JSON, without the other half."""


# ------------------------------------------------------------------------------------------------------------- bytes


def read_bytes(path: Path) -> bytes:
    """Return the content of a file, decompressed where it is gzip, bzip2 or xz.

    A pipe is read once; its content is kept, so that it can be read again like a file.

    Raises:
        BadInputError: the path is missing, a folder, a device or unreadable, or the file is too large or damaged.
    """
    data = raw_bytes(path)
    named = "gzip" if path.suffix == ".gz" else None
    kind = next((name for mark, name in _COMPRESSIONS.items() if data.startswith(mark)), named)
    return data if kind is None else _expanded(data, kind, path)


def raw_bytes(path: Path) -> bytes:
    """Return the content of a file as it is stored; see :func:`read_bytes`."""
    where = str(path)
    try:
        status = path.stat()
        if stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode):
            return _of_pipe(where, status.st_dev, status.st_ino)
        if stat.S_ISDIR(status.st_mode):
            raise BadInputError("this is a folder, not a file", where=where, next_step="Name a file.")
        if not stat.S_ISREG(status.st_mode):
            raise BadInputError("this is a device, not a file", where=where, next_step="Name a file.")
        if status.st_size > MOST_BYTES:
            raise _too_large(where)
        return path.read_bytes()
    except FileNotFoundError:
        raise BadInputError("no such file", where=where, next_step="Check the path.") from None
    except OSError as error:
        raise BadInputError(
            f"cannot be read ({error.strerror})", where=where, next_step="Check the path and its permissions."
        ) from None
    except ValueError:  # a NUL character
        raise BadInputError(f"{where!r} is not a path", next_step="Check the path.") from None
    except MemoryError:
        raise _too_large(where) from None


def _too_large(where: str) -> BadInputError:
    return BadInputError("the file is too large to be read", where=where, next_step="Split it into several files.")


@functools.lru_cache(maxsize=16)
def _of_pipe(where: str, _device: int, _inode: int) -> bytes:
    """Return what is written to a pipe, once per pipe.

    Raises:
        BadInputError: no program writes to it.
    """
    descriptor = os.open(where, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb", buffering=0) as pipe:
        first = _first_of_pipe(pipe)
        if first is None:
            raise BadInputError(
                "nothing is written to this pipe", where=where, next_step="Name a file, or write `COMMAND | rtbench …`."
            )
        os.set_blocking(descriptor, True)
        chunks, size = [first], len(first)
        while chunks[-1]:
            chunks.append(pipe.read(_CHUNK))
            size += len(chunks[-1])
            if size > MOST_BYTES:
                raise _too_large(where)
    return b"".join(chunks)


def _first_of_pipe(pipe: io.RawIOBase | Any) -> bytes | None:
    """Return the first bytes of a pipe, empty at its end; None where no program has opened it for writing."""
    until = time.monotonic() + _PIPE_SECONDS
    while True:
        data: bytes | None = pipe.read(_CHUNK)
        if data:
            return data
        if data is None:  # a program has it open, and has written nothing yet
            select.select([pipe], [], [])
            continue
        ready = select.poll()
        ready.register(pipe, select.POLLIN | select.POLLHUP)
        if ready.poll(0):
            return pipe.read(_CHUNK) or b""
        if time.monotonic() > until:
            return None
        time.sleep(0.02)


def _expanded(data: bytes, kind: str, path: Path) -> bytes:
    """Return compressed data, decompressed.

    Raises:
        BadInputError: they are damaged, or grow beyond all proportion.
    """
    most = min(MOST_BYTES, max(_ALWAYS_EXPANDED, _MOST_GROWTH * len(data)))
    chunks: list[bytes] = []
    size = 0
    try:
        with _OPENERS[kind](io.BytesIO(data)) as file:
            while chunk := file.read(_CHUNK):
                size += len(chunk)
                if size > most:
                    raise BadInputError(
                        f"the {kind} file grows to more than {most >> 20:,} MiB",
                        where=str(path),
                        next_step="Decompress it yourself, if it is what you expect.",
                    )
                chunks.append(chunk)
        return b"".join(chunks)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise BadInputError(
            f"not a complete {kind} file ({error})", where=str(path), next_step="Get the file again."
        ) from None
    except MemoryError:
        raise _too_large(str(path)) from None


# -------------------------------------------------------------------------------------------------------------- text


def encoding_of(data: bytes) -> str:
    """Return the encoding of a text by its byte order mark; UTF-8 where it has none."""
    return next((name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), "utf-8")


def as_utf8(data: bytes) -> bytes:
    """Return text in UTF-8 without a byte order mark; data that are no text are returned unchanged."""
    encoding = encoding_of(data)
    if encoding == "utf-8":
        return data
    if encoding == "utf-8-sig":
        return data[len(codecs.BOM_UTF8) :]
    with contextlib.suppress(UnicodeError):
        return data.decode(encoding).encode()
    return data


def text_in(data: bytes, *, where: str) -> str:
    """Return data as text, in UTF-8 or the encoding of their byte order mark.

    Raises:
        BadInputError: they are not text in this encoding; the error names the line.
    """
    encoding = encoding_of(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadInputError(
            f"not {encoding.removesuffix('-sig').upper()} text (byte {error.start})",
            where=f"{where}, line {line}",
            next_step="Save the file as UTF-8.",
        ) from None


def read_text(path: Path) -> str:
    """Return the text of a file, whose byte order mark is removed.

    Raises:
        BadInputError: see :func:`read_bytes` and :func:`text_in`.
    """
    return text_in(read_bytes(path), where=str(path))


# -------------------------------------------------------------------------------------------------------------- JSON


def decode_json(data: bytes | str, decoder: msgspec.json.Decoder[T], *, where: str, what: str = "") -> T:
    """Return a JSON document as the type of a decoder.

    Args:
        data: the document.
        decoder: the decoder.
        where: file and line, for the error.
        what: what the document is not where it is invalid, such as ``a sample``; empty to give only the reason.

    Raises:
        BadInputError: the document is invalid.
    """
    head = f"not {what}: " if what else ""
    try:
        return decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise BadInputError(f"{head}{json_mistake(error, data)}", where=where, next_step=_FIX) from None
    except UnicodeDecodeError:
        raise BadInputError(f"{head}not UTF-8 text", where=where, next_step="Save the file as UTF-8.") from None
    except RecursionError:
        raise BadInputError(f"{head}lists or objects are nested too deeply", where=where, next_step=_FIX) from None


def json_mistake(error: Exception, data: bytes | str) -> str:
    """Return in words why JSON cannot be decoded."""
    if isinstance(error, RecursionError):
        return "lists or objects are nested too deeply"
    if str(error).startswith("Input data was truncated"):
        text = data if isinstance(data, str) else data.decode(errors="replace")
        if half := _HALF_CHARACTER.search(text):
            return f"{half[0][:6]} is half of a character"
    return str(error).replace("JSON is malformed", "broken JSON")


def doubled_key(data: bytes | str, values: Any) -> str | None:
    """Return a key that occurs twice in a JSON object; None where all are different.

    Args:
        data: the object's text.
        values: the decoded object, in which the last value of a key holds. Objects inside are not checked.
    """
    if not isinstance(values, dict):
        return None
    text = data if isinstance(data, str) else data.decode(errors="replace")
    if all(text.count(f'"{key}"') < 2 for key in values):  # nearly always
        return None
    import json

    def checked(pairs: list[tuple[str, Any]]) -> Any:
        keys = [key for key, _ in pairs]
        return next((key for key in keys if keys.count(key) > 1), None) if len(set(keys)) < len(keys) else None

    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(text, object_pairs_hook=checked, parse_int=float)
        return found if isinstance(found, str) else None
    return None


def jsonl_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield line number (from 1) and content of each non-empty line of a JSON Lines file, which may be gzipped."""
    for number, line in enumerate(as_utf8(read_bytes(path)).split(b"\n"), 1):
        if line.strip():
            yield number, line


def read_jsonl(path: Path, type_: Callable[..., T] | type[T]) -> list[T]:
    """Return the records of a JSON Lines file, all of one type.

    Raises:
        BadInputError: a line is invalid. The error names the file and the line.
    """
    decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(type_)
    return [decode_json(line, decoder, where=f"{path}, line {number}") for number, line in jsonl_lines(path)]


def read_json(path: Path, type_: Any = Any) -> Any:
    """Return the JSON document in a file, as the given type.

    Raises:
        BadInputError: the document is invalid. The error names the file, and the line of a syntax error.
    """
    data = as_utf8(read_bytes(path))
    if not data.strip():
        raise BadInputError("the file is empty", where=str(path), next_step="Get the file again.")
    try:
        return msgspec.json.decode(data, type=type_)
    except msgspec.ValidationError as error:
        raise BadInputError(str(error), where=str(path)) from None
    except UnicodeDecodeError:
        raise BadInputError("not UTF-8 text", where=f"{path}, line {broken_line(data)}") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadInputError(json_mistake(error, data), where=f"{path}, line {broken_line(data)}") from None


def broken_line(data: bytes | str) -> int:
    """Return the line of the first JSON syntax error.

    It comes from the standard library, because msgspec reports only a byte offset.
    """
    import json

    try:
        json.loads(data, parse_int=float)
    except json.JSONDecodeError as error:
        return error.lineno
    except UnicodeDecodeError as error:
        return error.object[: error.start].count(b"\n") + 1
    except (ValueError, RecursionError):
        pass
    return 1
