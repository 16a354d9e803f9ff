"""The errors that a user can cause, each with what is wrong, where, and what to do next.

They are raised anywhere and caught once, in the command line, which prints them without a traceback and exits with
code 2. Any other exception that escapes is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rtbench.texts import shown, shown_in_line, without_secrets


class RtbenchError(Exception):
    """A mistake that the user can fix. Secrets in addresses are left out of its texts.

    Args:
        what: what is wrong, in one sentence.
        where: the file, key, line or option that is wrong.
        next_step: what to do about it.
    """

    stops_run = False
    """True where the run's other steps would fail for the same reason, so that no further step is started."""

    def __init__(self, what: str, *, where: str | None = None, next_step: str | None = None) -> None:
        what = without_secrets(str(what))
        where = None if where is None else without_secrets(str(where))
        next_step = None if next_step is None else without_secrets(str(next_step))
        super().__init__(what, where, next_step)
        self.what = what
        self.where = where
        self.next_step = next_step

    def __str__(self) -> str:
        """Return the message. Control characters in names, paths and texts of others are shown as signs."""
        head = f"{shown_in_line(self.where)}: {shown(self.what)}" if self.where else shown(self.what)
        return f"{head}\n{shown(self.next_step)}" if self.next_step else head

    def __reduce__(self) -> tuple[object, ...]:
        """Return the pickled form, attributes of subclasses included, because errors are sent between processes."""
        return (_rebuild, (type(self), self.args, self.__dict__))


def _rebuild(cls: type[RtbenchError], arguments: tuple[object, ...], attributes: dict[str, object]) -> RtbenchError:
    error = cls.__new__(cls, *arguments)
    error.__dict__.update(attributes)
    return error


class BadInputError(RtbenchError):
    """A file, key or option is not in the expected form."""


class DamagedError(BadInputError):
    """A file of the workspace is not what rtbench wrote."""

    def __init__(self, what: str, *, where: str, next_step: str | None = None) -> None:
        super().__init__(
            what,
            where=where,
            next_step=next_step
            or "`rtbench run` moves it away and does the work again. `rtbench verify` lists all damage.",
        )


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
        """Return an error that names similar and known names.

        Args:
            kind: kind of the name, such as ``task``.
            name: the unknown name.
            known: the known names.
            where: place that the name was read from.
            listing: the command that lists the known names.
            most: number of known names to show.
        """
        known = sorted(known)
        near = _nearest(name, known)
        hint = f"Did you mean {near!r}? " if near else ""
        shown = ", ".join(known[:most]) + (", …" if len(known) > most else "") if known else "none"
        more = f" (`{listing}` lists them)" if listing else ""
        return cls(f"unknown {kind} {name!r}", where=where, next_step=f"{hint}Available: {shown}{more}.")


def _nearest(name: str, known: Sequence[str]) -> str | None:
    """Return the known name that is most similar to a name, ignoring case.

    Where no name is similar, correct the spelling of each part (between ``/``) and return a known name that contains
    the result; None where there is none.
    """
    from difflib import get_close_matches

    lower, name = {candidate.lower(): candidate for candidate in known}, name.lower()
    if near := get_close_matches(name, lower, n=1):
        return lower[near[0]]
    parts = sorted({part for candidate in lower for part in candidate.split("/")})
    corrected = "/".join([*get_close_matches(part, parts, n=1), part][0] for part in name.split("/"))
    return next((lower[candidate] for candidate in lower if len(corrected) > 2 and corrected in candidate), None)


class PluginError(RtbenchError):
    """A plugin cannot be loaded or breaks its contract. The error names it; it is never skipped silently."""


class MissingDataError(RtbenchError):
    """A data file is missing. Cells that need it are shown with this reason; other cells go on."""


class UnavailableError(RtbenchError):
    """A cell cannot run here. The leaderboard shows the reason instead of a number."""


class MissingExtraError(RtbenchError):
    """An optional dependency is not installed."""

    @classmethod
    def of(cls, package: str, extra: str) -> MissingExtraError:
        """Return an error that names the package and how to install it."""
        return cls(f"{package} is not installed", next_step=f"pip install 'rtbench[{extra}]'")


class NotYetError(RtbenchError):
    """A step waits for something outside (such as a submitted batch). Its results so far are kept.

    Args:
        what: what it waits for.
        after: seconds until the step is tried again.
        where: the file, key, line or option concerned.
    """

    def __init__(self, what: str, *, after: float, where: str | None = None) -> None:
        super().__init__(what, where=where)
        self.after = after


class StepFailedError(RtbenchError):
    """A step of the plan failed for a reason that the user can fix (such as no usable rationale)."""


def listed(names: Sequence[str], most: int, separator: str = ", ") -> str:
    """Return the first names as text, and how many more there are: ``a, b and 3 more``."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{separator.join(names[:most])}{more}"
