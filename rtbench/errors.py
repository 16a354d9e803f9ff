"""The errors a user can cause, each with what is wrong, where, and what to do next.

They are raised anywhere and caught once, in the command line, which prints them without a traceback and exits
with code 2. Anything else that escapes is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class RtbenchError(Exception):
    """A mistake that the user can mend.

    Args:
        what: what is wrong, one sentence.
        where: the file, key, line or option it is about.
        next_step: what to do about it.
    """

    stops_run = False
    """True: what else the run has to do would meet the same, so no further step is begun."""

    def __init__(self, what: str, *, where: str | None = None, next_step: str | None = None) -> None:
        super().__init__(what, where, next_step)
        self.what = what
        self.where = where
        self.next_step = next_step

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\n{self.next_step}" if self.next_step else head

    def __reduce__(self) -> tuple[object, ...]:
        """Errors cross process borders; keyword arguments must survive pickling."""
        return (_rebuild, (type(self), self.what, self.where, self.next_step))


def _rebuild(cls: type[RtbenchError], what: str, where: str | None, next_step: str | None) -> RtbenchError:
    error = cls.__new__(cls)
    RtbenchError.__init__(error, what, where=where, next_step=next_step)
    return error


class BadInputError(RtbenchError):
    """A file, key or option cannot be read as what it should be."""


class UnknownNameError(RtbenchError):
    """A name is not registered."""

    @classmethod
    def of(
        cls,
        kind: str,
        name: str,
        known: Iterable[str],
        *,
        where: str | None = None,
        listing: str | None = None,
        most: int = 20,
    ) -> UnknownNameError:
        """``listing``: the command that lists the known names, for when there are more than ``most``, which are told."""
        known = sorted(known)
        near = _nearest(name, known)
        hint = f"Did you mean {near!r}? " if near else ""
        shown = ", ".join(known[:most]) + (", …" if len(known) > most else "") if known else "none"
        more = f" (`{listing}` lists them)" if listing else ""
        return cls(f"unknown {kind} {name!r}", where=where, next_step=f"{hint}Available: {shown}{more}.")


def _nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name that is most like a name, whatever its case; else one that holds it, its parts (between ``/``) mended."""
    from difflib import get_close_matches

    lower, name = {one.lower(): one for one in known}, name.lower()
    if near := get_close_matches(name, lower, n=1):
        return lower[near[0]]
    parts = sorted({part for one in lower for part in one.split("/")})
    mended = "/".join([*get_close_matches(part, parts, n=1), part][0] for part in name.split("/"))
    return next((lower[one] for one in lower if len(mended) > 2 and mended in one), None)


class PluginError(RtbenchError):
    """A plugin cannot be loaded or breaks its contract; it is named, never skipped."""


class MissingDataError(RtbenchError):
    """A data file is not at hand. Cells that need it are shown with this reason; others go on."""


class UnavailableError(RtbenchError):
    """A cell cannot run here; the leaderboard shows the reason in its place."""


class MissingExtraError(RtbenchError):
    """An optional dependency is not installed."""

    @classmethod
    def of(cls, package: str, extra: str) -> MissingExtraError:
        return cls(f"{package} is not installed", next_step=f"pip install 'rtbench[{extra}]'")


class NotYetError(RtbenchError):
    """A step waits for something outside (a batch that is out), and is to be tried again after some seconds. What it has
    got so far is kept."""

    def __init__(self, what: str, *, after: float, where: str | None = None) -> None:
        super().__init__(what, where=where)
        self.after = after


class StepFailedError(RtbenchError):
    """A step of the plan could not be done, for a reason the user can mend (no usable rationale, say)."""
