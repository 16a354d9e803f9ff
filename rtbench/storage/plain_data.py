"""Convert plain data, as files and the command line have it, to typed records."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from rtbench.errors import BadInputError

T = TypeVar("T")
MOST_WHOLE = 10**15
"""Largest whole number of any setting, up or down. Most settings have lower bounds of their own, in their types."""


def convert(data: Any, type_: type[T], *, where: str) -> T:
    """Convert plain data (from YAML, JSON or the command line) to a record type.

    Raises:
        BadInputError: a value is invalid. The error names ``where``, the key, the value and what is expected.
        UnknownNameError: a key or value is unknown. The error suggests the nearest known one.
    """
    check_numbers(data, where=where)
    try:
        return msgspec.convert(data, type_)
    except msgspec.ValidationError as error:
        from rtbench.storage.validation import mistake

        raise mistake(error, data, type_, where=where) from None


def check_numbers(data: Any, *, where: str) -> None:
    """Check every number in nested data, also where any value is allowed.

    Raises:
        BadInputError: a number is infinite, no number, or too large. The error names its key.
    """
    for key, number in _numbers_in(data, ""):
        place = f"{where}, {key.removeprefix('.')}" if key else where
        if isinstance(number, float) and not math.isfinite(number):
            raise BadInputError(f"{number} is not a finite number", where=place, next_step="Write a number.")
        if isinstance(number, int) and abs(number) > MOST_WHOLE:
            size = "10^15" if number > 0 else "-10^15"
            beyond = "above" if number > 0 else "below"
            raise BadInputError(f"the number is {beyond} {size}", where=place, next_step="Write a smaller number.")


def _numbers_in(data: Any, key: str) -> Iterator[tuple[str, float]]:
    """Yield each number with its key."""
    if isinstance(data, int | float):
        yield key, data
    elif isinstance(data, dict):
        for name, value in data.items():
            yield from _numbers_in(value, f"{key}.{name}")
    elif isinstance(data, list | tuple):
        for at, value in enumerate(data):
            yield from _numbers_in(value, f"{key}[{at}]")
