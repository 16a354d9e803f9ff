"""A check of one registered object, and its result."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rtbench.errors import (
    BadInputError,
    MissingDataError,
    MissingExtraError,
    PluginError,
    RtbenchError,
    UnavailableError,
    UnknownNameError,
)
from rtbench.plugin.registry import make
from rtbench.texts import shortened_error

if TYPE_CHECKING:
    from rtbench.plugin.registry import RegistryEntry
    from rtbench.session import Session

CheckState = Literal["passed", "failed", "skipped"]


class ContractError(Exception):
    """Raised by a check whose object breaks its contract; the message says how."""


class NotCheckedError(Exception):
    """Raised by a check that cannot be made here; the message says why."""


@dataclass(frozen=True)
class Subject:
    """A registered object under check.

    The options of a model or curator are those of its registration, with those that the user states.
    """

    kind: str
    """Kind of registry: ``tasks``, ``methods`` …"""
    name: str
    session: Session
    """In a private workspace, with the stand-ins of :mod:`rtbench.conformance.stand_ins`."""
    options: dict[str, Any] = field(default_factory=dict)
    label: str = ""
    """Name of a model in a matrix; empty: the registered name."""
    task: str = ""
    """Task whose questions a model is tried on."""
    live: bool = False
    """Whether models that cost money may be asked."""
    files: Sequence[Path] = ()
    """Files of recordings that the user names."""
    student: Mapping[str, Any] | None = None
    """Student that a method trains; None: the stand-in."""

    @property
    def entry(self) -> RegistryEntry:
        """Return the entry in the registry."""
        return self.session.registry(self.kind).get(self.name)

    def make(self, base: type, *arguments: Any) -> Any:
        """Return a new object of the registered target.

        Raises:
            NotCheckedError: an option is missing, or an extra.
            PluginError: the target raises something that is not an error for users.
        """
        try:
            return make(self.entry, self.session.registry(self.kind).kind, base, *arguments)
        except PluginError:
            raise
        except (MissingExtraError, UnavailableError, MissingDataError) as error:
            raise NotCheckedError(str(error)) from error
        except BadInputError as error:
            if self.options and not isinstance(error, UnknownNameError):
                raise
            raise NotCheckedError(f"needs options: {error}") from error


CheckFunction = Callable[[Subject], None]


@dataclass(frozen=True)
class CheckResult:
    """Result of one check."""

    kind: str
    """Kind of the object in the singular, such as ``task``."""
    name: str
    """Registered name of the object."""
    check: str
    """What was checked, as a sentence without its subject: "loads the same data twice"."""
    state: CheckState
    message: str = ""
    """Why it failed or was skipped; empty where it passed."""
    trace: str = ""
    """Traceback of an unexpected error."""


@dataclass(frozen=True)
class Check:
    """One thing that is checked of one object."""

    subject: Subject
    function: CheckFunction

    @property
    def sentence(self) -> str:
        """Return what is checked, from the first line of the function's docstring."""
        return (self.function.__doc__ or self.function.__name__).strip().splitlines()[0].rstrip(".")

    @property
    def kind(self) -> str:
        """Return the kind of the object in the singular."""
        kind = self.subject.kind
        return "plugin" if kind == "plugins" else self.subject.session.registry(kind).kind

    def __str__(self) -> str:
        return f"{self.kind} {self.subject.label or self.subject.name}: {self.sentence}"

    def run(self) -> CheckResult:
        """Make the check. No exception of the checked object escapes."""
        state, message, trace = self._outcome()
        return CheckResult(self.kind, self.subject.label or self.subject.name, self.sentence, state, message, trace)

    def _outcome(self) -> tuple[CheckState, str, str]:
        try:
            self.function(self.subject)
        except NotCheckedError as reason:
            return "skipped", str(reason), ""
        except ContractError as error:
            return "failed", str(error), ""
        except (MissingDataError, MissingExtraError, UnavailableError) as error:
            return "skipped", str(error), ""
        except RtbenchError as error:
            return "failed", str(error), traceback.format_exc()
        except Exception as error:
            return "failed", f"it raised {shortened_error(error)}", traceback.format_exc()
        return "passed", "", ""


def demand(condition: object, message: str) -> None:
    """Raise ContractError with a message unless a condition holds."""
    if not condition:
        raise ContractError(message)


def shown_some(items: Sequence[object], most: int = 3) -> str:
    """Return the first of some items in words, for messages."""
    words = ", ".join(str(item) for item in items[:most])
    return f"{words} and {len(items) - most} more" if len(items) > most else words


def refuses_unknown_options(create: Callable[[dict[str, Any]], object]) -> None:
    """Check that a factory names an option that it does not know, instead of ignoring it."""
    unknown = "an_option_that_no_plugin_has"
    try:
        create({unknown: 1})
    except RtbenchError as error:
        told = str(error)
        if unknown not in told and "missing" not in told and "needs" not in told and "required" not in told:
            raise ContractError(f"the error about an unknown option does not name it: {told}") from error
        return
    except Exception as error:
        raise ContractError(
            f"an unknown option raises {shortened_error(error)}: read options with convert(options, MyOptions, where=…)"
        ) from error
    raise ContractError("an unknown option is ignored: read options with convert(options, MyOptions, where=…)")
