"""Progress of long work: the callback, and limits on how often something is shown. Imports nothing heavy."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""``progress(done, total, unit)``; it is called often and must be cheap."""

_MINUTE, _HOUR = 60, 3600
_LONG = 100
"""Hours from which on minutes are not shown."""


def no_progress(done: int, total: int, unit: str) -> None:
    """Ignore progress."""


class Throttle:
    """Limits how often something happens.

    Args:
        seconds: shortest time between two occurrences.
        wait_first: whether the first occurrence also waits this long.
    """

    def __init__(self, seconds: float, *, wait_first: bool = False) -> None:
        self.seconds = seconds
        self._next = time.monotonic() + seconds if wait_first else float("-inf")

    def due(self) -> bool:
        """Return whether enough time has passed; if so, the time starts again."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self.seconds
        return True


def throttled(progress: Progress, seconds: float) -> Progress:
    """Return a progress callback that calls another one at most once in ``seconds``, and always at the end."""
    throttle = Throttle(seconds)

    def report(done: int, total: int, unit: str) -> None:
        if throttle.due() or done == total:
            progress(done, total, unit)

    return report


def span_text(seconds: float) -> str:
    """Return an estimated duration with its units: ``40 s``, ``9 min``, ``8 h 32 min``, ``1,234 h``."""
    whole = math.ceil(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    hours, minutes = divmod(round(whole / _MINUTE), 60)
    if hours >= _LONG:
        return f"{round(whole / _HOUR):,} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def duration_text(seconds: float) -> str:
    """Return a duration as ``h:mm:ss``, or as ``m:ss`` below an hour."""
    whole = int(seconds)
    minutes = f"{whole // 60 % 60:02}" if whole >= 3600 else f"{whole // 60}"
    return (f"{whole // 3600}:" if whole >= 3600 else "") + f"{minutes}:{whole % 60:02}"
