"""Options of commands that read recordings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import click

AUTO_PREFIX = "auto"
NO_PREFIX = "none"
_OUTPUTS = ("text", "json")


class Formats(NamedTuple):
    """Values of ``--format``."""

    output: str
    """Format of the output: text or json."""
    file: str | None
    """Format of the recording; None to find it out."""


def _split(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> Formats:
    """Return the output format and the file's format among the values; their names differ."""
    del ctx, parameter
    outputs = [value for value in values if value in _OUTPUTS]
    files = [value for value in values if value not in _OUTPUTS]
    return Formats(outputs[-1] if outputs else _OUTPUTS[0], files[-1] if files else None)


def recording_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--answer-prefix`` and ``--format`` to a command, as ``answer_prefix`` and ``formats``."""
    command = click.option(
        "--format",
        "formats",
        metavar="text|json|FORMAT",
        multiple=True,
        callback=_split,
        help="Output format (text, json), or the file's format (`rtbench plugins` lists them). "
        "May be used for both.  [default: text, and the file's format is detected]",
    )(command)
    return click.option(
        "--answer-prefix",
        default=AUTO_PREFIX,
        show_default=True,
        metavar="TEXT",
        help="Text before the answer; auto: the file's own prefix; none: no prefix.",
    )(command)


def prefix_of(answer_prefix: str) -> str | None:
    """Return the value of ``--answer-prefix``: ``auto``, a text, or None for no prefix."""
    return None if answer_prefix == NO_PREFIX else answer_prefix
