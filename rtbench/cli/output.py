"""Standard output and standard error that are closed, or cannot be written to.

Schedulers and daemons may start a command without them, and a device may be full. A command then ends with one line about
what was lost, and an exit code that is not 0.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any, TextIO, cast

import click

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


def prepare_streams() -> None:
    """Replace closed standard streams, so that every command may write to them, and watch the others.

    File descriptors of closed streams are opened on the null device. Otherwise the next file that the command opens, such as a
    segment of the ledger, would get the number of standard output, and a library that writes there would damage it.
    """
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            os.set_inheritable(descriptor, True)
        os.close(descriptor)
    sys.stdout = _watched(sys.stdout, sys.__stdout__)
    sys.stderr = _watched(sys.stderr, sys.__stderr__)


def _watched(stream: TextIO | None, own: TextIO | None) -> TextIO:
    """Return a stream that knows whether writing failed. A stream that a caller has put in place is returned as it is."""
    if stream is None:
        return cast("TextIO", LostOutput())
    if stream is not own or not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(WatchedFile(stream.fileno(), "wb", closefd=False)),
        encoding=stream.encoding,
        errors=stream.errors,
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


def say(text: str) -> None:
    """Print a line to standard error, where that is possible."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True)


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
