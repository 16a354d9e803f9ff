"""rtbench's own subcommands as a plugin, so that no other plugin can register their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench.cli.commands import COMMANDS
from rtbench.plugin.hookspecs import hookimpl

if TYPE_CHECKING:
    from rtbench.plugin.registry import Register


@hookimpl
def rtbench_register_commands(register: Register) -> None:
    """Register rtbench's own subcommands."""
    for name, target in COMMANDS.items():
        register(name, target)
