"""Registries: the registered names of one kind, each with a lazy target."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from rtbench.errors import BadInputError, PluginError, RtbenchError, UnknownNameError
from rtbench.texts import shortened_error

Target = str | Path | Callable[..., Any]
"""What a name stands for."""


class Register(Protocol):
    """The function that a register hook calls for each name that it registers."""

    def __call__(
        self,
        name: str,
        target: Target,
        *,
        summary: str = "",
        options: dict[str, Any] | None = None,
    ) -> None:
        """Register a name.

        Args:
            name: the name that matrices and commands use.
            target: a factory, or ``module:attribute`` of one, which is imported when the name is first used. For a task, it may
                be the path of a file that ``--task`` reads.
            summary: one phrase for `rtbench plugins` and the help texts.
            options: default options of this name; a matrix may override them.
        """


@dataclass(frozen=True)
class RegistryEntry:
    """One registered name."""

    name: str
    target: Target
    origin: str
    """Name of the plugin that registered it."""
    summary: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    """Default options of this name; a matrix may override them."""

    def resolve(self) -> Callable[..., Any]:
        """Import and return the target.

        Raises:
            PluginError: it cannot be imported, or is not callable.
        """
        if isinstance(self.target, Path):
            raise PluginError(
                f"{self.name!r} points at a file, which only tasks do",
                where=f"plugin {self.origin!r}",
            )
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        try:
            target = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise PluginError(
                f"{self.name!r} points at {self.target!r}, which cannot be imported ({error})",
                where=f"plugin {self.origin!r}",
                next_step=f"Fix the plugin, or run without it: -p no:{self.origin}",
            ) from error
        if not callable(target):
            raise PluginError(f"{self.target!r} is not callable", where=f"plugin {self.origin!r}")
        return target  # type: ignore[no-any-return]


def make(entry: RegistryEntry, kind: str, base: type, *arguments: Any) -> Any:
    """Call an entry's target and return its result, checked.

    Args:
        entry: the registered name.
        kind: kind of the result, for messages.
        base: type that the result must have.
        arguments: passed to the target.

    Raises:
        PluginError: the target raises an exception that is not an RtbenchError, or the result is not a ``base``.
    """
    factory = entry.resolve()
    where, cure = f"plugin {entry.origin!r}", f"Fix the plugin, or run without it: -p no:{entry.origin}"
    try:
        product = factory(*arguments)
    except RtbenchError:
        raise
    except Exception as error:
        what = f"{kind} {entry.name!r} cannot be created: {shortened_error(error)}"
        raise PluginError(what, where=where, next_step=cure) from error
    if not isinstance(product, base):
        what = f"{kind} {entry.name!r} is a {type(product).__name__}, not a {base.__name__}"
        raise PluginError(what, where=where, next_step=cure)
    return product


class Registry:
    """All names of one kind. Each name is registered at most once.

    Args:
        kind: the kind in the singular, for messages.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, RegistryEntry] = {}

    def registrar(self, origin: str) -> Register:
        """Return the function with which a plugin registers names.

        Args:
            origin: the plugin's name.

        Raises:
            PluginError: (from the function) the name is registered already.
        """

        def register(
            name: str,
            target: Target,
            *,
            summary: str = "",
            options: dict[str, Any] | None = None,
        ) -> None:
            if name in self._entries:
                other = self._entries[name].origin
                raise PluginError(
                    f"{self.kind} {name!r} is registered twice: by {other!r} and by {origin!r}",
                    where=f"plugin {origin!r}",
                    next_step=f"Block one of them: -p no:{other} or -p no:{origin}",
                )
            self._entries[name] = RegistryEntry(name, target, origin, summary, dict(options or {}))

        return register

    def get(self, name: str, *, where: str | None = None) -> RegistryEntry:
        """Return the entry of a name.

        Args:
            name: registered name.
            where: place that the name was read from, for messages.

        Raises:
            UnknownNameError: the name is not registered.
        """
        if name not in self._entries:
            raise UnknownNameError.of(self.kind, name, self._entries, where=where, listing="rtbench plugins")
        return self._entries[name]

    def default(self, *, where: str | None = None) -> RegistryEntry:
        """Return the entry that was registered with the option ``default``.

        Raises:
            BadInputError: there is no such entry.
        """
        for entry in self:
            if entry.options.get("default"):
                return entry
        raise BadInputError(
            f"no {self.kind} is the default", where=where, next_step=f"Name one: {', '.join(self.names())}."
        )

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[RegistryEntry]:
        return iter(self._entries.values())

    def names(self) -> list[str]:
        """Return all registered names."""
        return list(self._entries)
