"""What plugins add to the command line: subcommands, text below the table of a run, and facts of the machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rtbench.cli.common import PLUGIN_FILES, SWITCHES, blocked, console
from rtbench.commands import COMMANDS
from rtbench.errors import PluginError, UnknownNameError
from rtbench.plugins import HookResults, PluginManager

if TYPE_CHECKING:
    from rtbench.runs import RunRecord
    from rtbench.session import Session


def plugin_command(name: str, arguments: Sequence[str]) -> click.Command:
    """A plugin's subcommand. ``--plugin`` and ``-p`` among its arguments count for finding it.

    Raises:
        UnknownNameError: no plugin has such a command.
        PluginError: what it registered is no click command, or some plugin cannot be loaded.
    """
    plugins = _plugins(arguments)
    registry = plugins.registries["commands"]
    if name not in registry:
        known = [*COMMANDS, *registry.names()]
        raise UnknownNameError.of("command", name, known, where="rtbench", listing="rtbench --help")
    entry = registry.get(name)
    command = entry.resolve()
    if not isinstance(command, click.Command):
        raise PluginError(
            f"command {name!r} is a {type(command).__name__}, not a click command",
            where=f"plugin {entry.origin!r}",
            next_step=f"Mend the plugin, or run without it: -p no:{entry.origin}",
        )
    return command


def _plugins(arguments: Sequence[str]) -> PluginManager:
    reader: click.Command = click.Command(
        "rtbench",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        add_help_option=False,
    )
    reader = SWITCHES(PLUGIN_FILES(reader))
    given = reader.make_context("rtbench", list(arguments), resilient_parsing=True).params
    return PluginManager(
        [blocked(switch) for switch in given["switches"]], [Path(path) for path in given["plugin_files"]]
    )


def with_summaries(text: str, session: Session, run: RunRecord, format_: str) -> str:
    """A leaderboard for people, and below it what plugins have to say of the run."""
    if format_ not in {"table", "md"}:
        return text
    texts = told(session.plugins.run_summaries(run, session))
    return "\n\n".join([text, *(texts if format_ == "table" else (f"```\n{click.unstyle(one)}\n```" for one in texts))])


def facts(session: Session) -> dict[str, str]:
    """What plugins have to say of this machine."""
    return {name: said for found in told(session.plugins.machine_facts()) for name, said in found.items()}


def told(found: HookResults) -> list[Any]:
    """What hooks returned; what went wrong in them is a warning."""
    for error in found.errors:
        console(stderr=True).print(f"warning: {error}", style="yellow", markup=False, soft_wrap=True)
    return found.values
