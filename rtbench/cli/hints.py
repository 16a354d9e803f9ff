"""Commands in printed hints, to be pasted as they are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

import click

_REPEATED = ("workspace", "data_dir", "recordings", "cache_dir", "offline")
"""Shared options without which a later command might not find what this one has found. A run remembers its task and plugin
files."""


def to_paste(*arguments: str) -> str:
    """Return a command that applies to the same workspace and data as the present one.

    Shared options of the present command line are repeated; those from environment variables or defaults apply anyway.

    Args:
        arguments: subcommand and arguments, not yet quoted.
    """
    context = click.get_current_context(silent=True)
    stated: list[str] = []
    for parameter in context.command.params if context is not None else ():
        assert context is not None
        name = parameter.name or ""
        if name in _REPEATED and context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            value = context.params[name]
            stated += [parameter.opts[0]] if value is True else [parameter.opts[0], str(value)]
    return shlex.join(["rtbench", *arguments, *stated])


_OPTIONS = tuple(f"--{name.replace('_', '-')}" for name in _REPEATED)
_COMMAND = re.compile(r"`(rtbench (?:run|runs|report|show|claims|errors|verify|gc|du|import|score|curate)\b[^`]*)`")


def with_stated(text: str, arguments: Sequence[str]) -> str:
    """Return an error's text whose commands apply to the same workspace and data as the command that failed.

    Args:
        text: with commands of rtbench between backticks.
        arguments: of the command line.
    """
    stated: list[str] = []
    for place, argument in enumerate(arguments):
        option, equals, value = argument.partition("=")
        if option in _OPTIONS:
            following = arguments[place + 1 : place + 2] if not equals and option != "--offline" else []
            stated += [option, *([value] if equals else following)]
    if not stated:
        return text
    more = shlex.join(stated)
    return _COMMAND.sub(lambda found: f"`{found[1]}`" if _OPTIONS[0] in found[1] else f"`{found[1]} {more}`", text)
