"""The command line. Subcommands live in one small file each and import what they need when they run."""

from __future__ import annotations

import sys

import click

from rtbench import __version__
from rtbench.cli.commands import COMMANDS
from rtbench.cli.groups import PluginGroup
from rtbench.errors import RtbenchError


class _LazyGroup(PluginGroup):
    """Imports a subcommand's file when it is asked for."""

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
    """Which teacher × method × student gives the best small reasoner, and at what price?"""


def main(argv: list[str] | None = None) -> None:
    """Entry point: a user's mistake is one clear message and exit code 2."""
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
        click.echo(f"error: {path}: {error.format_message()}\n`{path} --help` lists what there is.", err=True)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # The reader went away (`rtbench … | head`); say nothing more, also not at shutdown.
        sys.stdout = None
        sys.exit(0)
    except OSError as error:
        if error.filename is None or "--traceback" in arguments:
            raise
        click.echo(f"error: {error.filename}: {error.strerror}\nCheck the path and its permissions.", err=True)
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)
