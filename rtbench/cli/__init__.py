"""The command line. Each subcommand has its own file, which imports what it needs only when the subcommand runs."""

from __future__ import annotations

import sys

import click

from rtbench import __version__
from rtbench.cli.commands import COMMANDS
from rtbench.cli.groups import PluginGroup
from rtbench.errors import RtbenchError


class _LazyGroup(PluginGroup):
    """Imports the file of a subcommand when the subcommand is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        import importlib

        module, attribute = COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="rtbench")
def cli() -> None:
    """Find which teacher, method and student give the best small reasoning model, and at what cost."""


def main(argv: list[str] | None = None) -> None:
    """Run the command line. A user's mistake prints one message and exits with code 2."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        code = cli.main(arguments, prog_name="rtbench", standalone_mode=False)
    except RtbenchError as error:
        if "--traceback" in arguments:
            raise
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "rtbench"
        click.echo(f"error: {path}: {error.format_message()}\nSee `{path} --help`.", err=True)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # The reader of the pipe has exited (`rtbench … | head`). Print nothing more, not even at shutdown.
        sys.stdout = None
        sys.exit(0)
    except OSError as error:
        if error.filename is None or "--traceback" in arguments:
            raise
        click.echo(f"error: {error.filename}: {error.strerror}\nCheck the path and its permissions.", err=True)
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)
