"""Parse the values of options."""

from __future__ import annotations

from typing import Any

import click

from rtbench.errors import BadInputError

_MOST_DIGITS = 15
"""Digits of a number on the command line; records have lower bounds."""


def blocked(switch: str) -> str:
    """Return the name in ``-p no:NAME``.

    Raises:
        BadInputError: the value has another form.
    """
    if not switch.startswith("no:") or len(switch) == 3:
        raise BadInputError(
            "not of the form no:NAME", where=f"-p {switch}", next_step="Write -p no:NAME to block a plugin."
        )
    return switch[3:]


def name_list(ctx: click.Context, parameter: click.Parameter, value: str | None) -> list[str] | None:
    """Return the names in a comma-separated list. Callback of options."""
    del ctx
    if value is None:
        return None
    names = [name.strip() for name in value.split(",") if name.strip()]
    if not names:
        raise BadInputError("the list is empty", where=parameter.opts[0], next_step=f"Write {parameter.metavar}.")
    return names


def number_list(ctx: click.Context, parameter: click.Parameter, value: str | None) -> list[int] | None:
    """Return the integers in a comma-separated list. Callback of options."""
    names = name_list(ctx, parameter, value)
    if names is None:
        return None
    for name in names:
        if not (name.isascii() and name.isdecimal() and len(name) <= _MOST_DIGITS):
            raise BadInputError(
                f"{name[:40]!r} is not an integer", where=parameter.opts[0], next_step=f"Write {parameter.metavar}."
            )
    return [int(name) for name in names]


def fraction_list(ctx: click.Context, parameter: click.Parameter, value: str | None) -> list[float] | None:
    """Return the fractions in a comma-separated list. Callback of options."""
    names = name_list(ctx, parameter, value)
    try:
        return None if names is None else [float(name) for name in names]
    except ValueError:
        raise BadInputError(
            "a fraction is not a number", where=parameter.opts[0], next_step=f"Write {parameter.metavar}."
        ) from None


def value_map(ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, object]:
    """Return the values of a repeatable option ``NAME=VALUE``, by name. Callback of options.

    Values are JSON, or strings without quotes.
    """
    import msgspec

    del ctx
    option = parameter.opts[0]
    values: dict[str, object] = {}
    for item in value:
        key, equals, text = item.partition("=")
        if not key or not equals:
            raise BadInputError(
                f"not of the form {parameter.metavar}",
                where=f"{option} {item}",
                next_step=f"Write {option} {parameter.metavar}.",
            )
        try:
            values[key] = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            values[key] = text
    return values


def model_entries(
    ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]
) -> list[dict[str, Any]] | None:
    """Return the models of a repeatable option ``KEY=VALUE,KEY=VALUE``. Callback of options.

    Keys with dots are keys of mappings. Values are JSON, or strings without quotes. A single word is a registered name.
    The default of ``name`` is the last part of ``model``, else ``use``.
    """
    del ctx
    option = parameter.opts[0]
    return [_model_entry(option, text) for text in value] or None


def one_mapping(ctx: click.Context, parameter: click.Parameter, value: str | None) -> dict[str, Any] | None:
    """Return the mapping of an option ``KEY=VALUE,KEY=VALUE``. Callback of options."""
    del ctx
    return None if value is None else _mapping(parameter.opts[0], value, example="n=8,temperature=0.7")


def _model_entry(option: str, text: str) -> dict[str, Any]:
    if "=" not in text:
        return {"name": text}
    entry = _mapping(option, text, example="name=mine,use=openai,model=…")
    if "name" not in entry:
        entry["name"] = str(entry.get("model", entry.get("use", ""))).rstrip("/").rpartition("/")[2]
    return entry


def _mapping(option: str, text: str, *, example: str) -> dict[str, Any]:
    """Return the mapping that ``KEY=VALUE,KEY=VALUE`` stands for.

    Raises:
        BadInputError: the text is not of this form; ``example`` is.
    """
    import re

    import msgspec

    entry: dict[str, Any] = {}
    for item in re.split(r",(?=[A-Za-z_][\w.]*=)", text):
        key, equals, stated = item.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", key):
            raise BadInputError(
                f"{item!r} is not of the form KEY=VALUE",
                where=f"{option} {text}",
                next_step=f"Write {option} {example}",
            )
        try:
            value = msgspec.json.decode(stated)
        except (msgspec.DecodeError, RecursionError):
            value = stated
        *outer, last = key.split(".")
        place = entry
        for part in outer:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise BadInputError(f"{part!r} is both a value and a mapping", where=f"{option} {text}")
        place[last] = value
    return entry
