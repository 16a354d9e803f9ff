"""Checksums of the ledger's lines and segments.

A line's checksum is the last field of its JSON object. Checking every line slows down reading, so a closed segment
has a checksum of the whole beside it (``.sum``); where that is right, all of its lines are. Segments from before there were
checksums have neither, which their names tell.
"""

from __future__ import annotations

from pathlib import Path

import xxhash

from rtbench.storage.writing import naming

CHECKED = ".checked.jsonl"
"""End of the names of segments in which every line has a checksum."""
PLAIN = ".jsonl"
_FIELD = b',"checksum":"'
_LENGTH = len(_FIELD) + 16 + 2
"""Bytes of the field and the closing brace."""
CHECKSUM_AT = -_LENGTH
"""Where the checksum begins in a line without its line break."""
_BLOCK = 1 << 20


def checked_line(line: bytes) -> bytes:
    """Return a JSON object on one line, with the checksum as its last field and a line break."""
    return line[:-1] + _FIELD + xxhash.xxh3_64_hexdigest(line).encode() + b'"}\n'


def plain_line(line: bytes) -> bytes | None:
    """Return the object without its checksum; None where the line was changed, or has none.

    Args:
        line: the line, with its line break.
    """
    at = len(line) - 1 - _LENGTH
    if at < 1 or line[at : at + len(_FIELD)] != _FIELD or line[-3:] != b'"}\n':
        return None
    plain = line[:at] + b"}"
    return plain if xxhash.xxh3_64_hexdigest(plain).encode() == line[at + len(_FIELD) : -3] else None


def sum_path(segment: Path) -> Path:
    """Return the path of the checksum of a whole segment."""
    return segment.with_name(f"{segment.name}.sum")


def write_sum(segment: Path) -> None:
    """Store the checksum of a segment to which nothing more is appended.

    It is not synced: where it is lost or torn, each line is checked instead.
    """
    with naming(segment):
        sum_path(segment).write_text(f"{_sum_of(segment)}\n")


def is_intact(segment: Path) -> bool:
    """Return whether a segment matches its stored checksum; False where it has none."""
    stated = stated_sum(segment)
    return stated is not None and stated == _sum_of(segment)


def is_cut(segment: Path) -> bool:
    """Return whether a segment is shorter than it was when its checksum was stored."""
    size = (stated_sum(segment) or "").rpartition(" ")[2]
    return size.isdecimal() and segment.stat().st_size < int(size)


def stated_sum(segment: Path) -> str | None:
    """Return the stored checksum of a whole segment; None where it has none."""
    try:
        return sum_path(segment).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


class SegmentSum:
    """Checksum of a whole segment, computed block by block."""

    def __init__(self) -> None:
        self._digest = xxhash.xxh3_128()
        self._size = 0

    def update(self, block: bytes) -> None:
        """Add a block."""
        self._digest.update(block)
        self._size += len(block)

    def text(self) -> str:
        """Return the checksum as it is stored, with the size."""
        return f"{self._digest.hexdigest()} {self._size}"


def _sum_of(segment: Path) -> str:
    whole = SegmentSum()
    with segment.open("rb", buffering=0) as handle:
        while block := handle.read(_BLOCK):
            whole.update(block)
    return whole.text()
