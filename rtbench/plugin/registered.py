"""Objects that a Python program registers for its own process, and how its worker processes get them."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rtbench.errors import BadInputError
from rtbench.texts import shortened_error

ORIGIN = "rtbench.register"
"""Name in place of the plugin's."""


@dataclass(frozen=True)
class Registered:
    """A registered object."""

    kind: str
    """``methods``, ``curators``, ``teachers`` or ``students``."""
    name: str
    target: Callable[..., Any]
    summary: str = ""


def packed(objects: Sequence[Registered]) -> bytes:
    """Return objects as bytes for worker processes of this program. Classes of the program itself are included.

    Raises:
        BadInputError: one of them cannot be sent to another process.
    """
    import cloudpickle

    for one in objects:
        try:
            cloudpickle.dumps(one)
        except Exception as error:
            raise BadInputError(
                f"it cannot be sent to worker processes: {shortened_error(error)}",
                where=f"{one.kind[:-1]} {one.name!r}",
                next_step="Open files, locks and connections in its methods, not beside them.",
            ) from error
    return bytes(cloudpickle.dumps(tuple(objects))) if objects else b""


def unpacked(objects: bytes) -> tuple[Registered, ...]:
    """Return the objects of :func:`packed`, in a worker process of the same program."""
    found: tuple[Registered, ...] = pickle.loads(objects) if objects else ()  # noqa: S301 - from this process's parent
    return found
