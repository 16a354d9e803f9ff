"""Names and digests of files."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from rtbench.storage.reading import raw_bytes

MOST_NAME = 150
"""Highest number of bytes of a file's name that is made of a text."""


def file_name(text: str) -> str:
    """Return a text as a file name. Letters, digits, ``_`` and ``.=-`` stay, anything else becomes ``_``.

    A long name is cut to :data:`MOST_NAME` bytes, and ends in a digest of the whole text.
    """
    name = re.sub(r"[^\w.=-]+", "_", text)
    encoded = name.encode()
    if len(encoded) <= MOST_NAME:
        return name
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{encoded[: MOST_NAME - 13].decode(errors='ignore')}-{digest}"


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file as it is stored, in hexadecimal."""
    if not path.is_file():  # a pipe, which can be read only once
        return hashlib.sha256(raw_bytes(path)).hexdigest()
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
