"""rtbench's own subcommands as a plugin, so that no other can take their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench.cli.commands import COMMANDS
from rtbench.plugin.hookspecs import hookimpl

if TYPE_CHECKING:
    from rtbench.plugin.registry import Register


@hookimpl
def rtbench_register_commands(register: Register) -> None:
    for name, target in COMMANDS.items():
        register(name, target)
