"""Extensions of the command line by plugins: subcommands, and text below a leaderboard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rtbench.cli.common import PLUGIN_FILES, SWITCHES
from rtbench.cli.output import echo, echo_rendered
from rtbench.cli.parsing import blocked
from rtbench.errors import BadInputError, PluginError, UnknownNameError
from rtbench.plugin.manager import PluginManager
from rtbench.texts import markdown_block, without_styles

if TYPE_CHECKING:
    from rtbench.schema.runs import RunRecord
    from rtbench.session import Session

BRIEF, TABLE = "brief", "table"
"""Names of the formats for the terminal: without and with ``--verbose``."""


def board_format(stated: str | None, *, verbose: bool) -> str:
    """Return the format of a leaderboard that a command line asks for.

    Raises:
        BadInputError: ``--verbose`` is given with a format that is not for the terminal.
    """
    if verbose and stated not in {None, BRIEF, TABLE}:
        raise BadInputError(
            f"--verbose cannot be used with --format {stated}", where="--verbose", next_step="Remove it."
        )
    return TABLE if verbose else stated or BRIEF


def plugin_command(name: str, arguments: Sequence[str], own: Sequence[str]) -> click.Command:
    """Return a plugin's subcommand.

    Args:
        name: registered name, with its group before a dot.
        arguments: arguments of the command, of which ``--plugin`` and ``-p`` are used to find it.
        own: names of the group's own commands, for the error message.

    Raises:
        UnknownNameError: no plugin has this command.
        PluginError: the registered object is not a click command, or a plugin cannot be loaded.
    """
    plugins = _plugins(arguments)
    registry = plugins.registries["commands"]
    if name not in registry:
        group, _, last = name.rpartition(".")
        others = [other.rpartition(".") for other in registry.names()]
        known = {*own, *(other for of, _, other in others if of == group)}
        where = " ".join(["rtbench", *group.split(".")]).strip()
        raise UnknownNameError.of("command", last, known, where=where, listing=f"{where} --help")
    entry = registry.get(name)
    command = entry.resolve()
    if not isinstance(command, click.Command):
        raise PluginError(
            f"command {name!r} is a {type(command).__name__}, not a click command",
            where=f"plugin {entry.origin!r}",
            next_step=f"Fix the plugin, or run without it: -p no:{entry.origin}",
        )
    return command


def _plugins(arguments: Sequence[str]) -> PluginManager:
    """Load the plugins that a command line selects."""
    parser: click.Command = click.Command(
        "rtbench",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        add_help_option=False,
    )
    parser = SWITCHES(PLUGIN_FILES(parser))
    options = parser.make_context("rtbench", list(arguments), resilient_parsing=True).params
    return PluginManager(
        [blocked(switch) for switch in options["switches"]], [Path(path) for path in options["plugin_files"]]
    )


def with_summaries(text: str, session: Session, run: RunRecord, format_: str) -> str:
    """Return a leaderboard with the texts of plugins below it, or above a brief one; unchanged in formats for programs."""
    if format_ == BRIEF:
        return "\n\n".join([*session.summaries(run, brief=True), text])
    if format_ not in {TABLE, "md"}:
        return text
    texts = session.summaries(run)
    if format_ == "md":
        texts = [markdown_block(without_styles(one)) for one in texts]
    return "\n\n".join([text, *texts])


def print_board(text: str, format_: str) -> None:
    """Print a leaderboard. Only the format for the terminal has colours."""
    if format_ in {BRIEF, TABLE}:
        echo_rendered(text)
    else:
        echo(text)
