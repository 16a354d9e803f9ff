"""Progress of downloads."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rtbench.schema.progress import Throttle

if TYPE_CHECKING:
    from rtbench.schema.progress import Progress

LINE_SECONDS = 10.0
"""Minimum number of seconds between two lines where the output is not a terminal."""


def byte_progress() -> Progress:
    """Return a function that shows the progress of downloads.

    In a terminal it rewrites one line; elsewhere it prints a line every few seconds.
    """
    stream = sys.stderr
    throttle = Throttle(0.1 if stream.isatty() else LINE_SECONDS, wait_first=True)

    def show(done: int, total: int, _unit: str) -> None:
        if not throttle.due() and not (stream.isatty() and done == total):
            return
        text = f"downloading: {done / 1e6:.1f}" + (f" of {total / 1e6:.1f} MB" if total > 0 else " MB")
        end = "\n" if done == total or not stream.isatty() else ""
        stream.write(f"\r{text}{end}" if stream.isatty() else f"{text}\n")
        stream.flush()

    return show
