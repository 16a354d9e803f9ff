"""Names of one kind, each with a lazy target."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from rtbench.errors import BadInputError, PluginError, RtbenchError, UnknownNameError


class Register(Protocol):
    """What a register hook is given."""

    def __call__(
        self,
        name: str,
        target: str | Callable[..., Any],
        *,
        summary: str = "",
        options: dict[str, Any] | None = None,
    ) -> None: ...


@dataclass(frozen=True)
class RegistryEntry:
    """One registered name."""

    name: str
    target: str | Callable[..., Any]
    origin: str
    """Plugin that registered it."""
    summary: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    """Defaults that the name stands for; a matrix may override them."""

    def resolve(self) -> Callable[..., Any]:
        """Imports the target.

        Raises:
            PluginError: it cannot be imported.
        """
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        try:
            found = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise PluginError(
                f"{self.name!r} points at {self.target!r}, which cannot be imported ({error})",
                where=f"plugin {self.origin!r}",
                next_step=f"Mend the plugin, or run without it: -p no:{self.origin}",
            ) from error
        if not callable(found):
            raise PluginError(f"{self.target!r} is not callable", where=f"plugin {self.origin!r}")
        return found  # type: ignore[no-any-return]


def make(entry: RegistryEntry, kind: str, base: type, *arguments: Any) -> Any:
    """Calls an entry's target and checks what comes back.

    Raises:
        PluginError: it raises something of its own, or returns something else than a ``base``.
    """
    factory = entry.resolve()
    where, cure = f"plugin {entry.origin!r}", f"Mend the plugin, or run without it: -p no:{entry.origin}"
    try:
        made = factory(*arguments)
    except RtbenchError:
        raise
    except Exception as error:
        said = f"{kind} {entry.name!r} cannot be made: {type(error).__name__}: {error}"
        raise PluginError(said, where=where, next_step=cure) from error
    if not isinstance(made, base):
        said = f"{kind} {entry.name!r} is a {type(made).__name__}, not a {base.__name__}"
        raise PluginError(said, where=where, next_step=cure)
    return made


class Registry:
    """All names of one kind. A name is taken once.

    Args:
        kind: for messages.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, RegistryEntry] = {}

    def registrar(self, origin: str) -> Register:
        """The callable that a plugin of that name registers with."""

        def register(
            name: str,
            target: str | Callable[..., Any],
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
        if name not in self._entries:
            raise UnknownNameError.of(self.kind, name, self._entries, where=where, listing="rtbench plugins")
        return self._entries[name]

    def default(self, *, where: str | None = None) -> RegistryEntry:
        """Return the entry whose plugin registered it with the option ``default``.

        Raises:
            BadInputError: there is none.
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
        return list(self._entries)
