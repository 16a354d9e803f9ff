"""Read and write files: writes are atomic, and errors name the file and the line."""

from __future__ import annotations

import bz2
import codecs
import contextlib
import functools
import gzip
import hashlib
import lzma
import os
import re
import secrets
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec

from rtbench.errors import BadInputError

T = TypeVar("T")
_POLL = 0.01
"""Seconds between two attempts to take a lock."""
_COMPRESSIONS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz"}
"""Kind of compression by the first bytes of a file."""
_MODULES = {"gzip": gzip, "bzip2": bz2, "xz": lzma}
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Yield a new file that replaces ``path`` when the block ends without an error.

    It is written in the same folder, synced, then renamed. A reader therefore sees the old file or the new one, never a
    part of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    # Opened with the default mode of a new file: the kernel applies the umask, which is shared by all threads.
    descriptor = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def file_name(text: str) -> str:
    """Return a text as a file name. Letters, digits, ``_`` and ``.=-`` stay, anything else becomes ``_``."""
    return re.sub(r"[^\w.=-]+", "_", text)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file with :func:`atomic_write`."""
    with atomic_write(path) as handle:
        handle.write(data)


def as_json(value: Any) -> str:
    """Return a value as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value)).decode()


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON with :func:`atomic_write`."""
    write_atomic(path, as_json(value).encode() + b"\n")


def write_jsonl(path: Path, values: Iterable[Any]) -> None:
    """Write values as lines of JSON with :func:`atomic_write`."""
    with atomic_write(path) as handle:
        handle.write(msgspec.json.Encoder().encode_lines(values))


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file against other processes and threads, and remove it at the end.

    Waits until the lock is free. The lock of a process that dies is released.
    """
    from filelock import FileLock

    with FileLock(path, poll_interval=_POLL), _removed(path):
        yield


@contextlib.contextmanager
def try_locked(path: Path) -> Iterator[bool]:
    """Yield whether the lock file of :func:`locked` could be taken, without waiting for it."""
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        with _removed(path):
            yield True
    finally:
        lock.release()


@contextlib.contextmanager
def _removed(path: Path) -> Iterator[None]:
    """Remove a lock file while its lock is still held. Processes that wait for it notice this, and try again."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # some systems refuse to remove an open file
            path.unlink()


def read_bytes(path: Path) -> bytes:
    """Return the content of a file, decompressed where it is gzip, bzip2 or xz.

    Raises:
        BadInputError: the path is missing, a folder or unreadable, or the compressed file is damaged.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise BadInputError("no such file", where=str(path), next_step="Check the path.") from None
    except IsADirectoryError:
        raise BadInputError("this is a folder, not a file", where=str(path), next_step="Name a file.") from None
    except OSError as error:
        raise BadInputError(f"cannot be read ({error.strerror})", where=str(path)) from None
    named = "gzip" if path.suffix == ".gz" else None
    kind = next((name for mark, name in _COMPRESSIONS.items() if data.startswith(mark)), named)
    if kind is None:
        return data
    try:
        content: bytes = _MODULES[kind].decompress(data)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise BadInputError(f"not a complete {kind} file ({error})", where=str(path)) from None
    return content


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
    with contextlib.suppress(UnicodeDecodeError):
        return data.decode(encoding).encode()
    return data


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
    decoder = msgspec.json.Decoder(type_)
    out: list[T] = []
    for number, line in jsonl_lines(path):
        try:
            out.append(decoder.decode(line))
        except msgspec.MsgspecError as error:
            raise BadInputError(_message(error), where=f"{path}, line {number}") from None
        except UnicodeDecodeError:
            raise BadInputError("not UTF-8 text", where=f"{path}, line {number}") from None
    return out


def read_json(path: Path, type_: Any = Any) -> Any:
    """Return the JSON document in a file, as the given type.

    Raises:
        BadInputError: the document is invalid. The error names the file, and the line of a syntax error.
    """
    data = as_utf8(read_bytes(path))
    if not data.strip():
        raise BadInputError("the file is empty", where=str(path))
    try:
        return msgspec.json.decode(data, type=type_)
    except msgspec.ValidationError as error:
        raise BadInputError(str(error), where=str(path)) from None
    except UnicodeDecodeError:
        raise BadInputError("not UTF-8 text", where=f"{path}, line {_broken_line(data)}") from None
    except msgspec.DecodeError as error:
        raise BadInputError(_message(error), where=f"{path}, line {_broken_line(data)}") from None


def parse_yaml(text: str | bytes, tags: Mapping[str, Callable[[str], Any]] | None = None) -> Any:
    """Return a YAML document as plain data; see :func:`read_yaml`.

    Raises:
        yaml.YAMLError: the document is invalid.
    """
    import yaml

    return yaml.load(text, _yaml_loader(tuple((tags or {}).items())))  # noqa: S506 - a safe loader


def read_yaml(path: Path, tags: Mapping[str, Callable[[str], Any]] | None = None) -> Any:
    """Return the YAML document in a file, as plain data.

    Args:
        path: the file.
        tags: what makes a value of the text after a tag such as ``!function``; other tags are errors.

    Raises:
        BadInputError: the document is invalid. The error names the file and the line.
    """
    import yaml

    text = read_bytes(path)
    if not text.strip():
        raise BadInputError("the file is empty", where=str(path))
    try:
        return parse_yaml(text, tags)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise BadInputError(
            f"not valid YAML: {error.problem}", where=f"{path}{line}", next_step="Fix that line, or the one before it."
        ) from None
    except yaml.YAMLError as error:
        raise BadInputError(f"not valid YAML: {error}", where=str(path)) from None


@functools.cache
def _yaml_loader(tags: tuple[tuple[str, Callable[[str], Any]], ...]) -> Any:
    """Return a safe loader that reads 1e-3 as a number, as YAML 1.2 does. YAML 1.1 reads it as text."""
    import re

    import yaml

    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loader: Any = type("Loader", (base,), {})
    pattern = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+$")
    loader.add_implicit_resolver("tag:yaml.org,2002:float", pattern, list("-+0123456789."))
    for tag, make in tags:
        loader.add_constructor(tag, lambda parser, node, make=make: make(str(parser.construct_scalar(node))))
    return loader


def convert(data: Any, type_: type[T], *, where: str) -> T:
    """Convert plain data (from YAML, JSON or the command line) to a record type.

    Raises:
        BadInputError: a value is invalid. The error names ``where``, the key, the value and what is expected.
        UnknownNameError: a key or value is unknown. The error suggests the nearest known one.
    """
    try:
        return msgspec.convert(data, type_)
    except msgspec.ValidationError as error:
        from rtbench.storage.validation import mistake

        raise mistake(error, data, type_, where=where) from None


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _message(error: Exception) -> str:
    return str(error).replace("JSON is malformed", "broken JSON")


def _broken_line(data: bytes) -> int:
    """Return the line of the first JSON syntax error.

    It comes from the standard library, because msgspec reports only a byte offset.
    """
    import json

    try:
        json.loads(data)
    except json.JSONDecodeError as error:
        return error.lineno
    except UnicodeDecodeError as error:
        return data[: error.start].count(b"\n") + 1
    return 1
