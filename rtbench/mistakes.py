"""What is wrong with plain data that is no such record, in the words of whoever wrote it."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import inspect

from rtbench.errors import BadInputError, RtbenchError, UnknownNameError

_PATH = re.compile(r" - at `\$\.?([^`]*)`$")
_PART = re.compile(r"\[(\d+)\]|([^.\[]+)")
_EXPECTED = re.compile(r"Expected `([^`]+)`(?: of length (\d+))?, got (?:`([^`]+)`|(\d+))")
_UNKNOWN = re.compile(r"Object contains unknown field `([^`]+)`")
_MISSING = re.compile(r"Object missing required field `([^`]+)`")
_WORDS = {
    "int": "a whole number", "float": "a number", "str": "text", "bool": "true or false", "array": "a list",
    "object": "a mapping", "null": "nothing",
}  # fmt: skip


def mistake(error: msgspec.ValidationError, data: Any, type_: Any, *, where: str) -> RtbenchError:
    """The error that names the key, what stands there, and what could.

    Args:
        error: of ``msgspec.convert(data, type_)``.
        data: as it was given.
        type_: what it was to be.
        where: file or option.
    """
    said = str(error)
    found = _PATH.search(said)
    path = found.group(1) if found else ""
    parts = [int(at) if at else name for at, name in _PART.findall(path)] if "..." not in path else []
    given, types = _given(data, parts), _types(inspect.type_info(type_), parts)
    place = f"{where}, {path}" if path else where
    values = [value for one in types if isinstance(one, inspect.LiteralType) for value in one.values]
    if said.startswith("Invalid enum value") and values:
        return UnknownNameError.of("value", str(given), map(str, values), where=place)
    if unknown := _UNKNOWN.search(said):
        known = [field.encode_name for one in types if isinstance(one, inspect.StructType) for field in one.fields]
        return UnknownNameError.of("key", unknown.group(1), known, where=place)
    if missing := _MISSING.search(said):
        return BadInputError(f"`{missing.group(1)}` is missing", where=place)
    if wrong := _EXPECTED.search(said):
        return BadInputError(f"{_shown(given)} is not {_wanted(wrong)}", where=place)
    return BadInputError(said[: found.start()] if found else said, where=place)


def _wanted(wrong: re.Match[str]) -> str:
    kinds, length = wrong.group(1).split(" | "), wrong.group(2)
    named = [_WORDS.get(kind, kind) for kind in kinds if kind != "null" or len(kinds) == 1]
    return " or ".join(named) + (f" of {length}" if length else "")


def _shown(given: Any) -> str:
    text = repr(given)
    return text if len(text) <= 60 else text[:57] + "…"


def _given(data: Any, parts: list[int | str]) -> Any:
    for part in parts:
        try:
            data = data[part]
        except (LookupError, TypeError):
            return data
    return data


def _types(info: Any, parts: list[int | str]) -> list[Any]:
    """What may stand at a place; several where it may be one or the other."""
    found = list(info.types) if isinstance(info, inspect.UnionType) else [info]
    for part in parts:
        found = [inner for one in found for inner in _inside(one, part)]
    return found


def _inside(info: Any, part: int | str) -> list[Any]:
    inner: Any = None
    if isinstance(info, inspect.StructType):
        inner = next((field.type for field in info.fields if field.encode_name == part), None)
    elif isinstance(info, inspect.DictType):
        inner = info.value_type
    elif isinstance(info, inspect.TupleType) and isinstance(part, int):
        inner = info.item_types[part] if part < len(info.item_types) else None
    elif hasattr(info, "item_type"):
        inner = info.item_type
    if inner is None:
        return []
    return list(inner.types) if isinstance(inner, inspect.UnionType) else [inner]
