"""JSON files of a workspace, each with a checksum of itself, so that a changed byte is found when the file is read.

The checksum is the last key of the document. Files that were written before there were checksums have none; they are read
as they are.
"""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from rtbench.errors import DamagedError
from rtbench.storage.reading import raw_bytes
from rtbench.storage.writing import as_json, write_atomic

T = TypeVar("T")
_ALMOST = re.compile(rb"\n  (.{10}).{35,37}\n\}\n?\Z", re.DOTALL)
"""Where a checksum stands whose name or quotes were changed."""
_SEAL = re.compile(rb',?\n  "checksum": "([0-9a-f]{32})"\n\}\n?\Z')


def sealed(value: Any) -> bytes:
    """Return a record as indented JSON that ends with the checksum of what stands before it."""
    body = as_json(value).encode().rstrip(b"}").rstrip()
    comma = b"" if body == b"{" else b","
    return body + comma + b'\n  "checksum": "' + _checksum(body) + b'"\n}\n'


def unsealed(data: bytes, path: Path) -> tuple[bytes, bool]:
    """Return the JSON of a record without its checksum, and whether it had one.

    Args:
        data: content of the file.
        path: the file, for messages.

    Raises:
        DamagedError: the content does not match its checksum.
    """
    found = _SEAL.search(data)
    if found is None:
        almost = _ALMOST.search(data)
        if almost is not None and sum(a != b for a, b in zip(almost[1], b'"checksum"', strict=True)) <= 2:
            raise DamagedError("the file was changed: its checksum cannot be read", where=str(path))
        return data, False
    body = data[: found.start()]
    if _checksum(body) != found[1]:
        raise DamagedError("the file was changed: its checksum is another", where=str(path))
    return body + b"\n}", True


def write_record(path: Path, value: Any) -> None:
    """Write a record with its checksum, in place of an earlier one."""
    write_atomic(path, sealed(value))


def read_record(path: Path, type_: type[T], *, next_step: str | None = None) -> T:
    """Return the record in a file.

    Args:
        path: the file.
        type_: type of the record; it must forbid unknown fields, as :class:`rtbench.schema.base.Record` does.
        next_step: what to do where the file is damaged.

    Raises:
        BadInputError: there is no such file, or it cannot be read.
        DamagedError: the file is not what was written.
    """
    return decoded(raw_bytes(path), type_, path, next_step=next_step)


def has_checksum(path: Path, type_: Any) -> bool:
    """Return whether a record's file has a checksum; the file must be what was written.

    Raises:
        BadInputError: it cannot be read.
        DamagedError: it is not what was written.
    """
    data = raw_bytes(path)
    decoded(data, type_, path)
    return unsealed(data, path)[1]


def decoded(data: bytes, type_: type[T], path: Path, *, next_step: str | None = None) -> T:
    """Return the record that the bytes of a file hold; see :func:`read_record`."""
    try:
        return msgspec.json.decode(unsealed(data, path)[0], type=type_)
    except DamagedError as error:
        raise DamagedError(error.what, where=str(path), next_step=next_step) from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedError(f"the file is damaged: {error}", where=str(path), next_step=next_step) from None


def _checksum(body: bytes) -> bytes:
    return sha256(body).hexdigest()[:32].encode()
