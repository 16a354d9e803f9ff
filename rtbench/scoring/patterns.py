"""Regular expressions that others wrote, stopped where they find no end.

In the main thread of a process, Python's ``re`` is stopped by a timer. Elsewhere it cannot be stopped: there it runs only
simple patterns on short texts, and the package ``regex``, which takes the same patterns, runs the others with a limit.
"""

from __future__ import annotations

import contextlib
import re
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from rtbench.errors import BadInputError

T = TypeVar("T")
SECONDS = 1.0
"""Seconds of computing after which a pattern is stopped on a text."""
_SECONDS_IN_ALL = 3.0
"""Seconds after which a pattern is stopped that needs more than :data:`_SLOW` of them for each text."""
_SLOW = 0.02
_SHORT = 2_000
"""Characters up to which simple patterns run without a limit: their time may grow with the square of the length."""
_LONGEST = 2_000
"""Characters of a pattern."""
_MANY = 10
"""Repetitions above which a repeat counts as long."""


class UserPattern:
    """A compiled pattern of a task's author.

    Args:
        pattern: the pattern.
        where: file and key, for messages.

    Raises:
        BadInputError: it is not a regular expression.
    """

    def __init__(self, pattern: str, *, where: str) -> None:
        self.pattern = pattern
        self._where = where
        if len(pattern) > _LONGEST:
            raise BadInputError(f"a pattern of {len(pattern)} characters", where=where, next_step="Use a shorter one.")
        try:
            self._compiled = re.compile(pattern)
            self.is_simple = _is_simple(pattern)
        except (re.error, TypeError, OverflowError, RecursionError, MemoryError) as error:
            shown = repr(pattern) if len(repr(pattern)) < 80 else f"{repr(pattern)[:60]}…"
            reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise BadInputError(f"{shown} is not a regular expression: {reason}", where=where) from None
        self._texts, self._seconds = 0, 0.0

    def sub(self, replacement: str, text: str) -> str:
        """Return a text with all matches replaced.

        Raises:
            BadInputError: the pattern finds no end.
        """
        return str(self._limited(lambda pattern, **limit: pattern.sub(lambda _: replacement, text, **limit), text))

    def findall(self, text: str) -> list[Any]:
        """Return all matches, as ``re.findall`` does.

        Raises:
            BadInputError: the pattern finds no end.
        """
        return self._limited(lambda pattern, **limit: [_found(m) for m in pattern.finditer(text, **limit)], text)

    def _limited(self, work: Callable[..., T], text: str) -> T:
        """Return the result of a compiled pattern that is stopped after a while."""
        begun = time.thread_time()
        try:
            result = self._run(work, text)
        except (TimeoutError, MemoryError):
            raise self._endless(text) from None
        self._texts, self._seconds = self._texts + 1, self._seconds + time.thread_time() - begun
        if self._seconds > max(_SECONDS_IN_ALL, _SLOW * self._texts):
            raise self._endless(text)
        return result

    def _run(self, work: Callable[..., T], text: str) -> T:
        if _can_be_stopped():
            with time_limit(SECONDS):
                return work(self._compiled)
        if self.is_simple and len(text) <= _SHORT:
            return work(self._compiled)
        return work(_other_engine(self.pattern), timeout=SECONDS)

    def _endless(self, text: str) -> BadInputError:
        shown = text if len(text) <= 60 else f"{text[:60]}…"
        return BadInputError(
            f"the pattern {self.pattern!r} finds no end in the text {shown!r}",
            where=self._where,
            next_step="Write it without repeats inside repeats, such as a+ for (a+)+.",
        )


def _found(match: Any) -> Any:
    """Return a match as ``re.findall`` does."""
    groups = match.groups(default="")
    return match[0] if not groups else groups[0] if len(groups) == 1 else groups


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block after some seconds of computing; in the main thread only."""
    if not _can_be_stopped():
        yield
        return

    def stop(_number: int, _frame: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _can_be_stopped() -> bool:
    return threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")


def _other_engine(pattern: str) -> Any:
    """Return a pattern compiled by the package that has time limits."""
    import warnings

    import regex  # type: ignore[import-untyped]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return regex.compile(pattern)


def _is_simple(pattern: str) -> bool:
    """Return whether a pattern's time grows at most with the square of a text's length."""
    parser = re._parser  # type: ignore[attr-defined]  # noqa: SLF001 - has no public name
    return _long_repeats(parser.parse(pattern), inside=False) <= 1


def _long_repeats(items: Iterable[tuple[Any, Any]], *, inside: bool) -> int:
    """Return the number of long repeats that a text can go through one after the other; many where repeats are nested.

    Args:
        items: the parsed pattern.
        inside: whether it is repeated itself.
    """
    count = 0
    for kind, value in items:
        name = str(kind)
        if name in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
            least, most, inner = value
            if inside and least != most:
                return 99
            count += int(int(most) > _MANY) + _long_repeats(inner, inside=inside or int(most) > 1)
        elif name == "BRANCH":
            branches: Sequence[Any] = value[1]
            if inside and len(branches) > 1:
                return 99
            count += max(_long_repeats(branch, inside=inside) for branch in branches)
        elif name in {"GROUPREF", "GROUPREF_EXISTS"}:
            return 99
        elif name == "SUBPATTERN":
            count += _long_repeats(value[-1], inside=inside)
        elif name in {"ASSERT", "ASSERT_NOT"}:
            count += _long_repeats(value[1], inside=inside)
        elif name == "ATOMIC_GROUP":
            count += _long_repeats(value, inside=inside)
    return count
