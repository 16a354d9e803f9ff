"""What is wrong with plain data that is no such record, in the words of whoever wrote it."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import inspect

from rtbench.errors import BadInputError, RtbenchError, UnknownNameError

_PATH = re.compile(r" - at (`key` in )?`\$\.?([^`]*)`$")
_PART = re.compile(r"\[(\d+)\]|\[?(\.\.\.|[^.\[\]]+)\]?")
_EXPECTED = re.compile(r"Expected `([^`]+)`(?: of length (\d+))?, got (?:`([^`]+)`|(\d+))")
_BOUND = re.compile(r"Expected `(\w+)` (?:of length )?(>=|>|<=|<) (\S+)$")
_UNKNOWN = re.compile(r"Object contains unknown field `([^`]+)`")
_MISSING = re.compile(r"Object missing required field `([^`]+)`")
_WORDS = {
    "int": "a whole number", "float": "a number", "str": "text", "bool": "true or false", "array": "a list",
    "object": "a mapping", "null": "nothing",
}  # fmt: skip
_PLAIN = (inspect.StrType, inspect.IntType, inspect.FloatType)
_BOUNDS = {">=": "at least", ">": "above", "<=": "at most", "<": "below"}


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
    of_key, path = found.groups() if found else (None, "")
    what = said[: found.start()] if found else said
    parts = _named(_PART.findall(path), said, data, type_)
    given, types = _given(data, parts), _types(inspect.type_info(type_), parts)
    place = f"{where}, {_written(parts)}" if parts else where
    if of_key:
        odd = next((key for key in given if not isinstance(key, str)), "") if isinstance(given, dict) else ""
        return BadInputError(f"the key {odd!r} is not text", where=place, next_step="Put it into quotes.")
    listed = isinstance(given, str) and any(isinstance(inner, _PLAIN) for one in types for inner in _inside(one, 0))
    next_step = f"Write [{given}]." if listed and "Expected `array" in what else None
    return _unknown(what, given, types, place) or BadInputError(_misfit(what, given), where=place, next_step=next_step)


def _unknown(what: str, given: Any, types: list[Any], place: str) -> RtbenchError | None:
    """The error of a value or key that is none of the known ones."""
    values = [value for one in types if isinstance(one, inspect.LiteralType) for value in one.values]
    if what.startswith("Invalid enum value") and values:
        return UnknownNameError.of("value", str(given), map(str, values), where=place)
    if unknown := _UNKNOWN.search(what):
        known = [field.encode_name for one in types if isinstance(one, inspect.StructType) for field in one.fields]
        return UnknownNameError.of("key", unknown.group(1), known, where=place)
    return None


def _misfit(what: str, given: Any) -> str:
    """What is wrong with a value of the wrong kind or size, or with one that is not there."""
    if missing := _MISSING.search(what):
        return f"`{missing.group(1)}` is missing"
    if wrong := _EXPECTED.search(what):
        return f"{_shown(given)} is not {_wanted(wrong)}"
    if bound := _BOUND.search(what):
        must = "have a length of" if bound.group(1) in {"array", "object", "str"} else "be"
        if given == []:
            return "an empty list"
        return f"{_shown(given)} must {must} {_BOUNDS[bound.group(2)]} {float(bound.group(3)):g}"
    return what


def _wanted(wrong: re.Match[str]) -> str:
    kinds, length = wrong.group(1).split(" | "), wrong.group(2)
    named = [_WORDS.get(kind, kind) for kind in kinds if kind != "null" or len(kinds) == 1]
    return " or ".join(named) + (f" of {length}" if length else "")


def _shown(given: Any) -> str:
    text = repr(given)
    return text if len(text) <= 60 else text[:57] + "…"


def _named(path: list[tuple[str, str]], said: str, data: Any, type_: Any) -> list[int | str]:
    """The parts of a path. Where it leaves the key of a mapping open (``[...]``), it is the one with which alone the same is
    wrong."""
    parts: list[int | str] = []
    for at, name in path:
        if name != "...":
            parts.append(int(at) if at else name)
            continue
        alone = (
            key for key, value in _items(_given(data, parts)) if _wrong(_with(data, parts, {key: value}), type_) == said
        )
        key = next(alone, None)
        if key is None:
            break
        parts.append(key)
    return parts


def _items(given: Any) -> list[tuple[Any, Any]]:
    return list(given.items()) if isinstance(given, dict) else []


def _wrong(data: Any, type_: Any) -> str | None:
    try:
        msgspec.convert(data, type_)
    except msgspec.ValidationError as error:
        return str(error)
    return None


def _with(data: Any, parts: list[int | str], value: Any) -> Any:
    """The data with another value at a place."""
    if not parts:
        return value
    first, rest = parts[0], parts[1:]
    if isinstance(data, dict):
        return {**data, first: _with(data[first], rest, value)}
    return [_with(one, rest, value) if i == first else one for i, one in enumerate(data)]


def _written(parts: list[int | str]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")


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
