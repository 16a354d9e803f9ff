"""Every command of the command line, as click has it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import click

from rtbench.cli import cli
from rtbench.cli.common import with_session
from rtbench.plugin.manager import PluginManager


@cache
def all_commands() -> dict[str, click.Command]:
    """The commands by whole name, such as `rtbench tasks export`, with those of plugins."""
    added = PluginManager([], []).registries["commands"]
    return {
        path: command for name, command in _children("", cli, added) for path, command in _below(name, command, added)
    }


def _below(path: str, command: click.Command, added: Any) -> Iterator[tuple[str, click.Command]]:
    yield f"rtbench {path}", command
    for name, child in _children(f"{path} ", command, added):
        yield from _below(f"{path} {name}", child, added)


def _children(prefix: str, command: click.Command, added: Any) -> Iterator[tuple[str, click.Command]]:
    """A group's own commands, then those that plugins add under `GROUP.NAME`."""
    if not isinstance(command, click.Group):
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None
        yield name, child
    dotted = prefix.replace(" ", ".")
    for name in added.names():
        if name.startswith(dotted) and "." not in name.removeprefix(dotted):
            yield name.removeprefix(dotted), added.get(name).resolve()


@click.command()
@with_session
def _shared(session: object) -> None:
    """Has the options that commands share."""


SHARED = {option.opts[0]: option.help for option in _shared.params if isinstance(option, click.Option)}
"""Help of the options that commands share, by name."""
