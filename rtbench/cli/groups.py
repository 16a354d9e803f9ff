"""Command groups that plugins can extend."""

from __future__ import annotations

import click


class PluginGroup(click.Group):
    """A command group that also finds commands of plugins.

    A plugin registers ``NAME`` for ``rtbench NAME``, and ``GROUP.NAME`` for ``rtbench GROUP NAME``. ``--help`` loads no
    plugins: it lists the entry points of installed distributions in the group ``rtbench.commands``.
    """

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the group's commands, then those of plugins."""
        super().format_commands(ctx, formatter)
        from importlib.metadata import entry_points

        declared = {point.name for point in entry_points(group="rtbench.commands")}
        prefix = self._prefix(ctx)
        names = sorted(name.removeprefix(prefix) for name in declared if name.startswith(prefix))
        if shown := [name for name in names if "." not in name]:
            with formatter.section("From plugins (`rtbench plugins` lists all)"):
                formatter.write_text(", ".join(shown))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments name: one of the group's own, or else one of a plugin."""
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            from rtbench.cli.added import plugin_command

            return args[0], plugin_command(self._prefix(ctx) + args[0], args[1:], self.list_commands(ctx)), args[1:]
        return super().resolve_command(ctx, args)

    @staticmethod
    def _prefix(ctx: click.Context) -> str:
        """Return the prefix of registered names of the group's commands: ``tasks.`` for ``rtbench tasks``."""
        return "".join(f"{part}." for part in ctx.command_path.split()[1:])
