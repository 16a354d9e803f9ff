"""The command line. Each subcommand has its own file, which imports what it needs only when the subcommand runs."""

from __future__ import annotations

import itertools
import os
import sys

import click

from rtbench.cli.commands import COMMANDS
from rtbench.cli.groups import PluginGroup
from rtbench.cli.output import ended, is_of_output, prepare_streams, say
from rtbench.errors import RtbenchError
from rtbench.texts import shown_in_line
from rtbench.version import __version__


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
    arguments = sys.argv[1:] if argv is None else argv
    sys.exit(ended(_run(arguments) if all(map(_is_text, arguments)) else 2))


def _run(arguments: list[str]) -> int:
    """Run a command and return its exit code."""
    try:
        code = cli.main(arguments, prog_name="rtbench", standalone_mode=False)
    except click.ClickException as error:
        _say_usage(error)
    except (click.Abort, KeyboardInterrupt) as error:
        return _stopped(error)
    except BrokenPipeError:
        # The reader of the pipe has exited (`rtbench … | head`). Print nothing more, not even at shutdown.
        sys.stdout = None
        return 0
    except Exception as error:
        message = _message_of(error, arguments)
        if message is None or (message and "--traceback" in arguments):
            raise
        if message:
            say(message)
    else:
        return code if isinstance(code, int) else 0
    return 2


def _message_of(error: Exception, arguments: list[str]) -> str | None:
    """Return the message of an error: none to print where output has failed, and None where the error is a fault of rtbench."""
    if isinstance(error, RtbenchError):
        return f"error: {error}"
    if isinstance(error, OSError):
        if is_of_output(error):
            return ""
        sys.unraisablehook = _without_system_errors
        return _about_system(error, arguments)
    from rtbench.cli.blame import plugin_error

    named = plugin_error(error)
    return f"error: {named}" if named is not None else None


def _is_text(argument: str) -> bool:
    """Return whether an argument is UTF-8, and print an error where it is not, because it could not be written to files."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        say(f"error: {argument!r}: not UTF-8 text\nWrite it in UTF-8; rename a file whose name is not.")
        return False
    return True


def _about_system(error: OSError, arguments: list[str]) -> str:
    """Return the message of an error of the system: which file, or else which command, and why."""
    from rtbench.storage.system_errors import advice_on, reason_of

    command = " ".join(["rtbench", *itertools.takewhile(str.isidentifier, arguments[:2])])
    where = f"{command}: a file cannot be read or written" if error.filename is None else _name_of(error.filename)
    return f"error: {where}: {reason_of(error)}. {advice_on(error)}"


def _stopped(error: BaseException) -> int:
    """Print what ended a command, and return its exit code.

    click turns the end of a file (EOFError) into the same error as Ctrl-C, since it might be the end of what a user types.
    Here it is a compiled module of Python, which is cut short where a disk was full.

    Raises:
        EOFError: something else was cut short.
    """
    if not isinstance(end := error.__cause__, EOFError):
        say("stopped")
        return 130
    import traceback

    frames = [frame for frame, _ in traceback.walk_tb(end.__traceback__)]
    path = next((frame.f_locals["bytecode_path"] for frame in frames if "bytecode_path" in frame.f_locals), None)
    if path is None:
        raise end
    say(f"error: {_name_of(path)}: cut short, as a full disk leaves it. Remove it; Python then writes it again.")
    return 2


def _without_system_errors(failed: sys.UnraisableHookArgs) -> None:
    """Print nothing about files that fail again when a library closes them at the end. The first failure was reported."""
    if not isinstance(failed.exc_value, OSError):
        sys.__unraisablehook__(failed)


def _name_of(path: str | bytes | int) -> str:
    """Return the path in an error, in one line; for a file that is open already, its number."""
    return shown_in_line(os.fsdecode(path)) if isinstance(path, str | bytes) else f"file number {path}"


def _say_usage(error: click.ClickException) -> None:
    """Print an error in the options of a command, or the help of a command that needs arguments and has none."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "rtbench"
    say(f"error: {path}: {error.format_message()}\nSee `{path} --help`.")
