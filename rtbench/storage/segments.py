"""Read a segment of the ledger line by line, leaving out lines that have changed since they were written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import chain
from pathlib import Path
from typing import TypeVar

import msgspec

from rtbench.errors import listed
from rtbench.schema.completions import Completion
from rtbench.storage.lines import CHECKED, CHECKSUM_AT, SegmentSum, checked_line, is_cut, plain_line, stated_sum

_READ_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 17
"""Small enough that a block and its lines stay in a core's own cache."""
_T = TypeVar("_T")
_DECODER = msgspec.json.Decoder(Completion)
Damage = dict[Path, set[int]]
"""Numbers of the damaged lines, from 1, by segment; 0: the segment is shorter than it was."""


def read_lines(
    segment: Path,
    of_line: Callable[[bytes], _T | None],
    damage: Damage,
    *,
    strip: bool = False,
    trust: bool = True,
) -> Iterator[list[_T]]:
    """Yield lists of ``of_line`` of each complete and intact line, except None. Lines are read bit by bit, to save memory.

    An unfinished last line, that of a killed writer, is left out. It is not damaged.

    Args:
        segment: the segment's file.
        of_line: reads a line.
        damage: takes the damaged lines.
        strip: leave out the line's checksum, which a reader of whole records does not know.
        trust: do not check each line where the checksum of the whole segment is right.
    """
    checked = segment.name.endswith(CHECKED)
    if checked and trust and (of_blocks := _of_intact(segment, of_line, strip=strip)) is not None:
        yield from of_blocks
        return
    plain_of = _checked if checked else _plain_of
    damaged, results = set[int](), list[_T]()
    with segment.open("rb", buffering=_READ_BYTES) as file:
        for number, line in enumerate(file, 1):
            if line[-1:] != b"\n":
                break
            if line == b"\n":
                continue
            try:
                found = of_line(plain_of(line))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, _ChangedError):
                damaged.add(number)
                continue
            if found is not None:
                results.append(found)
    if checked and not damaged and is_cut(segment):
        damaged.add(0)
    if damaged:
        damage[segment] = damaged
    yield results


def _of_intact(segment: Path, of_line: Callable[[bytes], _T | None], *, strip: bool) -> list[list[_T]] | None:
    """Return ``of_line`` of the lines of each block of a segment; None where it does not match its stored checksum, or has none.

    The file is read once: lines are taken from the blocks that the checksum is computed of.
    """
    stated = stated_sum(segment)
    if stated is None:
        return None
    whole, results, rest = SegmentSum(), list[list[_T]](), b""
    with segment.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK_BYTES):
            whole.update(block)
            lines = block.split(b"\n")
            lines[0] = rest + lines[0]
            rest = lines.pop()
            try:
                if strip:
                    lines = [line[:CHECKSUM_AT] + b"}" for line in lines if line]
                results.append([found for line in lines if line and (found := of_line(line)) is not None])
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                return None
    return results if whole.text() == stated else None


class _ChangedError(Exception):
    """A line is not what was written."""


def _checked(line: bytes) -> bytes:
    """Return a line's object without its checksum, which must be right."""
    plain = plain_line(line)
    if plain is None:
        raise _ChangedError
    return plain


def _plain_of(line: bytes) -> bytes:
    """Return a line without a checksum. Nothing else tells whether it is a completion, so it is decoded."""
    _DECODER.decode(line)
    return line


def examined(segment: Path) -> tuple[list[str], set[int]]:
    """Return the keys of a segment's intact lines, and the numbers of its damaged ones (see :data:`Damage`).

    Each line is compared with its own checksum and decoded.
    """
    damage: Damage = {}
    batches = read_lines(segment, _DECODER.decode, damage, strip=True, trust=False)
    keys = [one.key for batch in batches for one in batch]
    return keys, damage.get(segment, set())


def intact_lines(segment: Path) -> Iterator[bytes]:
    """Yield the intact lines of a segment, each with its checksum and a line break."""

    def checked(plain: bytes) -> bytes:
        _DECODER.decode(plain)
        return checked_line(plain.strip())

    yield from chain.from_iterable(read_lines(segment, checked, {}, strip=True, trust=False))


def lines_text(lines: Collection[int]) -> str:
    """Return the numbers of damaged lines in words."""
    numbers = [str(number) for number in sorted(lines) if number]
    if not numbers:
        return "the end"
    return f"line{'s' if len(numbers) > 1 else ''} {listed(numbers, 5)}"
