"""Standard output and standard error: nothing that is printed controls the terminal, and what is lost is reported.

All commands print with :func:`echo`, :func:`echo_rendered` and :func:`say`, or with a
:class:`~rtbench.cli.consoles.SafeConsole`. The streams themselves are guarded too, for plugins and libraries that print.

Schedulers and daemons may start a command without the streams, and a device may be full. A command then ends with one line
about what was lost, and an exit code that is not 0.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast

import click

from rtbench.storage.system_errors import is_of_writing
from rtbench.texts import shown, shown_with_styles

LOST = 2
"""Exit code where output was lost."""


class LostOutput(io.TextIOBase):
    """Stream in the place of a closed one. It remembers whether anything was written."""

    encoding = "utf-8"
    errors = "strict"

    def __init__(self) -> None:
        super().__init__()
        self.lost = False

    def writable(self) -> bool:
        """Return True, since text is accepted."""
        return True

    def write(self, text: str) -> int:
        """Drop a text."""
        if not isinstance(text, str):  # click tries bytes, to find out whether a stream is binary
            raise TypeError("not a text")
        self.lost = self.lost or bool(text)
        return len(text)


class WatchedFile(io.FileIO):
    """File of a standard stream. It remembers the error of a write, since a stream drops the text that it cannot write."""

    failure: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write bytes, as any file does."""
        try:
            return super().write(data)
        except OSError as error:
            self.failure = error
            raise


class GuardedStream(io.TextIOWrapper):
    """Standard stream that shows control characters as signs, whoever writes them.

    Args:
        file: file of the stream.
        returns: carriage returns, with which libraries draw progress bars, reach a terminal, and are newlines elsewhere.
        options: of the wrapper.
    """

    def __init__(self, file: WatchedFile, *, returns: bool, **options: Any) -> None:
        super().__init__(io.BufferedWriter(file), **options)
        self._returns = returns

    def write(self, text: str, /) -> int:
        """Write a text."""
        if self._returns and "\r" in text:
            between = "\r" if self.isatty() else "\n"
            super().write(between.join(map(shown, text.replace("\r\n", "\n").split("\r"))))
        else:
            super().write(shown(text))
        return len(text)

    def write_rendered(self, text: str) -> int:
        """Write a text whose control sequences are our own."""
        return super().write(text)


class RenderedStream:
    """A standard stream for a console, whose control sequences reach the terminal.

    Args:
        stream: the standard stream.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text that a console has rendered."""
        stream = self._stream
        return stream.write_rendered(text) if isinstance(stream, GuardedStream) else stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def prepare_streams() -> None:
    """Replace closed standard streams, so that every command may write to them; guard and watch the others.

    File descriptors of closed streams are opened on the null device. Otherwise the next file that the command opens, such as a
    segment of the ledger, would get the number of standard output, and a library that writes there would damage it.
    """
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            os.set_inheritable(descriptor, True)
        os.close(descriptor)
    sys.stdout = _guarded(sys.stdout, sys.__stdout__)
    sys.stderr = _guarded(sys.stderr, sys.__stderr__, returns=True)


def _guarded(stream: TextIO | None, own: TextIO | None, *, returns: bool = False) -> TextIO:
    """Return a guarded stream that knows whether writing failed. A stream that a caller has put in place stays as it is."""
    if stream is None:
        return cast("TextIO", LostOutput())
    if stream is not own or not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.flush()
    ascii_only = stream.encoding.lower() in {"ascii", "us-ascii", "ansi_x3.4-1968", "646"}
    return GuardedStream(
        WatchedFile(stream.fileno(), "wb", closefd=False),
        returns=returns,
        encoding="utf-8" if ascii_only else stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
    )


def failure_of(stream: TextIO | None) -> OSError | None:
    """Return the error of writing to a stream, now or before; None where all was written."""
    try:
        if stream is not None:
            stream.flush()
    except OSError as error:
        return error
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw.failure if isinstance(raw, WatchedFile) else None


def is_of_output(error: OSError) -> bool:
    """Return whether an error is about standard output or standard error, which have no file name."""
    return error.filename is None and any(failure_of(stream) is not None for stream in (sys.stdout, sys.stderr))


@contextlib.contextmanager
def naming_workspace(path: str) -> Iterator[None]:
    """Name the workspace in errors of writing that name no file and are not about the output."""
    try:
        yield
    except OSError as error:
        if error.filename is None and is_of_writing(error) and not is_of_output(error):
            error.filename = path
        raise


def echo(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    r"""Print a text to standard output. Control characters are shown as signs (``\x1b``).

    Args:
        text: a text, or a value whose text is printed.
        err: print to standard error.
        nl: print a newline after it.
    """
    click.echo(shown(str(text)), err=err, nl=nl)


def echo_rendered(text: str) -> None:
    """Print a text of several lines that a console has rendered: its colours reach a terminal."""
    if not sys.stdout.isatty():
        echo(text)
        return
    RenderedStream(sys.stdout).write(f"{shown_with_styles(text)}\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Print a line to standard error, where that is possible."""
    with contextlib.suppress(OSError):
        echo(text, err=True)


def ended(code: int) -> int:
    """Return the exit code of a command: the given one, or another where its output was lost, which is then reported."""
    error = failure_of(sys.stdout)
    if isinstance(error, BrokenPipeError):  # the reader has exited (`rtbench … | head`), and misses nothing
        sys.stdout = None
        return code
    closed = isinstance(sys.stdout, LostOutput) and sys.stdout.lost
    if error is not None or closed:
        why = error.strerror if error is not None else "it is closed"
        say(f"error: standard output cannot be written ({why}): the output of this command is lost")
        code = code or LOST
    if error is not None or failure_of(sys.stderr) is not None:
        _abandon()
    return code


def _abandon() -> None:
    """Send what the standard streams still hold to the null device, so that nothing fails when Python ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(null, stream.fileno())
            stream.flush()
    os.close(null)
