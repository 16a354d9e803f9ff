"""The command line. Each subcommand has its own file, which imports what it needs only when the subcommand runs."""

from __future__ import annotations

import sys

import click

from rtbench import __version__
from rtbench.cli.commands import COMMANDS
from rtbench.cli.groups import PluginGroup
from rtbench.cli.output import ended, failure_of, prepare_streams, say
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
    prepare_streams()
    sys.exit(ended(_run(sys.argv[1:] if argv is None else argv)))


def _run(arguments: list[str]) -> int:
    """Run a command and return its exit code."""
    try:
        code = cli.main(arguments, prog_name="rtbench", standalone_mode=False)
    except RtbenchError as error:
        if "--traceback" in arguments:
            raise
        say(f"error: {error}")
    except click.ClickException as error:
        _say_usage(error)
    except (click.Abort, KeyboardInterrupt):
        say("stopped")
        return 130
    except BrokenPipeError:
        # The reader of the pipe has exited (`rtbench … | head`). Print nothing more, not even at shutdown.
        sys.stdout = None
        return 0
    except OSError as error:
        if not _is_of_output(error):
            if error.filename is None or "--traceback" in arguments:
                raise
            say(f"error: {error.filename}: {error.strerror}\nCheck the path and its permissions.")
    else:
        return code if isinstance(code, int) else 0
    return 2


def _say_usage(error: click.ClickException) -> None:
    """Print an error in the options of a command, or the help of a command that needs arguments and has none."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "rtbench"
    say(f"error: {path}: {error.format_message()}\nSee `{path} --help`.")


def _is_of_output(error: OSError) -> bool:
    """Return whether an error is about standard output or standard error, which have no file name."""
    return error.filename is None and any(failure_of(stream) is not None for stream in (sys.stdout, sys.stderr))
