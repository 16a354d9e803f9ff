"""Commands in printed hints and errors, to be pasted as they are."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator

import click

from rtbench.errors import RtbenchError

_REPEATED = ("workspace", "data_dir", "recordings", "cache_dir", "offline")
"""Shared options without which a later command might not find what this one has found. A run remembers its task and plugin
files."""
_COMMAND = re.compile(r"`(rtbench (?:run|runs|report|show|claims|errors|verify|gc|du|import|score|curate)\b[^`]*)`")


def to_paste(*arguments: str) -> str:
    """Return a command that applies to the same workspace and data as the present one.

    Shared options of the present command line are repeated; those from environment variables or defaults apply anyway.

    Args:
        arguments: subcommand and arguments, not yet quoted.
    """
    return shlex.join(["rtbench", *arguments, *_stated()])


def with_stated(text: str) -> str:
    """Return a text whose commands of rtbench, between backticks, apply to the same workspace and data as the present one."""
    if not (stated := _stated()):
        return text
    more = shlex.join(stated)
    return _COMMAND.sub(lambda found: found[0] if "--workspace" in found[1] else f"`{found[1]} {more}`", text)


@contextlib.contextmanager
def repeating_options() -> Iterator[None]:
    """Make the commands in errors apply to the same workspace and data as the present command."""
    try:
        yield
    except RtbenchError as error:
        if error.next_step is not None:
            error.next_step = with_stated(error.next_step)
        raise


def _stated() -> list[str]:
    """Return the shared options of the present command line."""
    context = click.get_current_context(silent=True)
    stated: list[str] = []
    for parameter in context.command.params if context is not None else ():
        assert context is not None
        name = parameter.name or ""
        if name in _REPEATED and context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            value = context.params[name]
            stated += [parameter.opts[0]] if value is True else [parameter.opts[0], str(value)]
    return stated
