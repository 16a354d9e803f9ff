"""Where files may lie, and what may be their name: texts from others never lead out of the folder meant for them."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from rtbench.errors import BadInputError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""The one grammar of names that become file names: of runs, matrices, repositories and commits."""


def check_name(name: str, *, where: str) -> str:
    """Return the name.

    Raises:
        BadInputError: it is no file name of its own.
    """
    if not NAME.fullmatch(name):
        raise BadInputError(
            f"{name!r} is no name",
            where=where,
            next_step="Use letters, digits, '.', '_' and '-' only, 128 at most; the first is a letter or a digit.",
        )
    return name


def as_name(text: str) -> str:
    """Return any text as a name: what :func:`check_name` refuses becomes ``_``."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text).lstrip("._-")[:128] or "unnamed"


def check_relative(path: str, *, where: str) -> str:
    """Return a path that stays below the folder it is joined to, whichever that is.

    Raises:
        BadInputError: it is empty, absolute, climbs with ``..``, or holds a backslash or a control character.
    """
    parts = PurePosixPath(path).parts
    climbs = not parts or ".." in parts or PurePosixPath(path).is_absolute() or re.match(r"[A-Za-z]:", path)
    if climbs or "\\" in path or not path.isprintable():
        raise BadInputError(
            f"{path!r} leads out of its folder",
            where=where,
            next_step="Write a relative path without `..`, such as a/b.json.",
        )
    return path


def inside(root: Path, *parts: str, where: str | None = None) -> Path:
    """Return a place below a folder, with symbolic links followed.

    Args:
        root: the folder, there or not.
        parts: relative path.
        where: whose path it is, for the message; None: the path itself.

    Raises:
        BadInputError: the place is not below the folder.
    """
    path = root.joinpath(*parts)
    if not path.resolve().is_relative_to(root.resolve()):
        raise BadInputError(f"{'/'.join(parts)!r} leads out of {root}", where=where or str(path))
    return path
