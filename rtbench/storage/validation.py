"""Error messages for plain data that does not match its record type, in the terms of the file's author."""

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
    """Return the error that names the key, its value, and what is expected.

    Args:
        error: error of ``msgspec.convert(data, type_)``.
        data: the data that could not be converted.
        type_: the expected type.
        where: file or option that the data came from.
    """
    message = str(error)
    location = _PATH.search(message)
    in_key, path = location.groups() if location else (None, "")
    problem = message[: location.start()] if location else message
    parts = _resolved(_PART.findall(path), message, data, type_)
    value, types = _value_at(data, parts), _types_at(inspect.type_info(type_), parts)
    place = f"{where}, {_dotted(parts)}" if parts else where
    if in_key:
        wrong_key = next((key for key in value if not isinstance(key, str)), "") if isinstance(value, dict) else ""
        return BadInputError(f"the key {wrong_key!r} is not text", where=place, next_step="Put it in quotes.")
    plain_item = isinstance(value, str) and any(
        isinstance(inner, _PLAIN) for one in types for inner in _types_inside(one, 0)
    )
    next_step = f"Write [{value}]." if plain_item and "Expected `array" in problem else None
    return _unknown_name(problem, value, types, place) or BadInputError(
        _mismatch(problem, value), where=place, next_step=next_step
    )


def _unknown_name(problem: str, value: Any, types: list[Any], place: str) -> RtbenchError | None:
    """Return the error for an unknown value or key; None for any other error."""
    literals = [literal for one in types if isinstance(one, inspect.LiteralType) for literal in one.values]
    if problem.startswith("Invalid enum value") and literals:
        return UnknownNameError.of("value", str(value), map(str, literals), where=place)
    if unknown := _UNKNOWN.search(problem):
        known = [field.encode_name for one in types if isinstance(one, inspect.StructType) for field in one.fields]
        return UnknownNameError.of("key", unknown.group(1), known, where=place)
    return None


def _mismatch(problem: str, value: Any) -> str:
    """Return a message for a missing value, or for one of the wrong type or size."""
    if missing := _MISSING.search(problem):
        return f"`{missing.group(1)}` is missing"
    if wrong := _EXPECTED.search(problem):
        return f"{_shortened(value)} is not {_expected(wrong)}"
    if bound := _BOUND.search(problem):
        must = "have a length of" if bound.group(1) in {"array", "object", "str"} else "be"
        if value == []:
            return "an empty list"
        return f"{_shortened(value)} must {must} {_BOUNDS[bound.group(2)]} {_bound(bound.group(3))}"
    return problem


def _bound(text: str) -> str:
    value = float(text)
    return f"{int(value):,}" if value.is_integer() else f"{value:g}"


def _expected(wrong: re.Match[str]) -> str:
    kinds, length = wrong.group(1).split(" | "), wrong.group(2)
    named = [_WORDS.get(kind, kind) for kind in kinds if kind != "null" or len(kinds) == 1]
    return " or ".join(named) + (f" of {length}" if length else "")


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _resolved(path: list[tuple[str, str]], message: str, data: Any, type_: Any) -> list[int | str]:
    """Return the parts of a path, with actual keys in place of ``[...]``.

    msgspec writes ``[...]`` for the key of a mapping. The actual key is the one that alone causes the same error.
    """
    parts: list[int | str] = []
    for at, name in path:
        if name != "...":
            parts.append(int(at) if at else name)
            continue
        alone = (
            key
            for key, value in _items(_value_at(data, parts))
            if _conversion_error(_replaced(data, parts, {key: value}), type_) == message
        )
        key = next(alone, None)
        if key is None:
            break
        parts.append(key)
    return parts


def _items(value: Any) -> list[tuple[Any, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def _conversion_error(data: Any, type_: Any) -> str | None:
    try:
        msgspec.convert(data, type_)
    except msgspec.ValidationError as error:
        return str(error)
    return None


def _replaced(data: Any, parts: list[int | str], value: Any) -> Any:
    """Return the data with another value at a path."""
    if not parts:
        return value
    first, rest = parts[0], parts[1:]
    if isinstance(data, dict):
        return {**data, first: _replaced(data[first], rest, value)}
    return [_replaced(one, rest, value) if i == first else one for i, one in enumerate(data)]


def _dotted(parts: list[int | str]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")


def _value_at(data: Any, parts: list[int | str]) -> Any:
    for part in parts:
        try:
            data = data[part]
        except (LookupError, TypeError):
            return data
    return data


def _types_at(info: Any, parts: list[int | str]) -> list[Any]:
    """Return the types that are allowed at a path: several for a union."""
    found = list(info.types) if isinstance(info, inspect.UnionType) else [info]
    for part in parts:
        found = [inner for one in found for inner in _types_inside(one, part)]
    return found


def _types_inside(info: Any, part: int | str) -> list[Any]:
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
