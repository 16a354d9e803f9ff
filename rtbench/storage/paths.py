"""Checks of file names and paths: untrusted text never leads out of the folder that it is meant for."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from rtbench.errors import BadInputError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""Pattern of all names that become file names: of runs, matrices, repositories and commits."""


def check_name(name: str, *, where: str) -> str:
    """Return the name.

    Raises:
        BadInputError: it is not a valid name (:data:`NAME`).
    """
    if not NAME.fullmatch(name):
        raise BadInputError(
            f"{name!r} is not a valid name",
            where=where,
            next_step="Use at most 128 letters, digits, '.', '_' and '-'. Start with a letter or a digit.",
        )
    return name


def as_name(text: str) -> str:
    """Return any text as a name. Characters that :func:`check_name` refuses become ``_``."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text).lstrip("._-")[:128] or "unnamed"


def check_relative(path: str, *, where: str) -> str:
    """Return the path, if it stays below any folder that it is joined to.

    Raises:
        BadInputError: it is empty or absolute, or contains ``..``, a backslash or a control character.
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
    """Return a path below a folder, after checking that symbolic links do not lead out of it.

    Args:
        root: the folder; need not exist.
        parts: relative path.
        where: source of the path, for the error message; None: the path itself.

    Raises:
        BadInputError: the path is not below the folder.
    """
    path = root.joinpath(*parts)
    if not path.resolve().is_relative_to(root.resolve()):
        raise BadInputError(f"{'/'.join(parts)!r} leads out of {root}", where=where or str(path))
    return path
