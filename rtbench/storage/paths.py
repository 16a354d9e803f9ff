"""Checks of file names and paths: untrusted text never leads out of the folder that it is meant for."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

from rtbench.errors import BadInputError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""Pattern of all names that become file names: of runs, matrices, repositories and commits."""
LABEL = re.compile(r"\w(?:[\w .,:+@=()-]*[\w.,:+@=()-])?")
"""Pattern of one part of a name that people read: of tasks, teachers, students, extractors, variants, splits and claims."""
MOST_LABEL = 128
"""Characters of such a name."""
_MOST_PART = 255
"""Bytes of a file's name, on all usual file systems."""


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


def check_label(name: str, *, where: str, parts: bool = False) -> str:
    """Return the name, if it can be printed anywhere and be a part of a cell's name.

    Args:
        name: the name.
        where: file and key, or option, that it comes from.
        parts: allow ``/`` between parts, as in ids of the hub.

    Raises:
        BadInputError: it has another form (:data:`LABEL`) or is too long.
    """
    pieces = name.split("/") if parts else [name]
    if len(name) > MOST_LABEL or not all(LABEL.fullmatch(piece) for piece in pieces):
        shown = repr(name) if len(name) <= MOST_LABEL else f"{name[:20]!r}… ({len(name)} characters)"
        signs = "'.', '_', '-', '+', '@', ':', '=' and spaces" + (", and '/' between parts" if parts else "")
        raise BadInputError(
            f"{shown} is not a valid name",
            where=where,
            next_step=f"Use at most {MOST_LABEL} letters, digits, {signs}. Start with a letter or a digit.",
        )
    return name


def as_name(text: str) -> str:
    """Return any text as a name. Characters that :func:`check_name` refuses become ``_``."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text).lstrip("._-")[:128] or "unnamed"


def is_url(workspace: str) -> bool:
    """Return whether a workspace is named by a URL instead of a folder."""
    scheme, colon, _ = workspace.partition("://")
    return bool(colon) and scheme.replace("+", "").isalnum()


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
    if any(len(part.encode(errors="replace")) > _MOST_PART for part in parts):
        raise BadInputError(
            f"{path[:20]!r}… is too long for a file's name", where=where, next_step="Use a shorter one."
        )
    return path


def inside(root: Path, *parts: str, where: str | None = None) -> Path:
    """Return a path below a folder. All paths that others may have written go through this function.

    Args:
        root: the folder; need not exist.
        parts: relative path, checked by :func:`check_relative`. Its symbolic links must not lead out of the folder.
        where: source of the path, for the error message; None: the path itself.

    Raises:
        BadInputError: the path is not below the folder.
    """
    relative = "/".join(parts)
    check_relative(relative, where=where or str(root))
    path = root / relative
    if not resolved(path, where=where).is_relative_to(resolved(root, where=where)):
        raise BadInputError(
            f"{relative!r} leads out of {root}",
            where=where or str(path),
            next_step="Put the file itself in that folder.",
        )
    return path


def resolved(path: Path, *, where: str | None = None) -> Path:
    """Return an absolute path without symbolic links. A pipe's path is only made absolute.

    Args:
        path: the path; need not exist.
        where: source of the path, for the error message; None: the path itself.

    Raises:
        BadInputError: it is no path, such as a loop of symbolic links.
    """
    try:
        str(path).encode()  # records of paths are UTF-8
        try:
            path.stat()
        except FileNotFoundError:
            pass
        else:
            if not (path.is_file() or path.is_dir()):
                return path.absolute()
        return path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise _no_path(str(path), error, where) from None


def user_path(text: str, *, where: str | None = None) -> Path:
    """Return a path that a user wrote, with ``~`` as the home folder.

    Args:
        text: the path.
        where: file and key, or option, that it comes from; None: the path itself.

    Raises:
        BadInputError: it is no path, or names the home folder of an unknown user.
    """
    try:
        path = Path(text).expanduser()
        os.fsencode(path)
        if "\0" not in text:
            path.is_dir()  # an error where a name is too long
            return path
        error: Exception = ValueError("NUL")
    except (OSError, RuntimeError, ValueError) as caught:
        error = caught
    raise _no_path(text, error, where) from None


def _no_path(text: str, error: Exception, where: str | None) -> BadInputError:
    shown = repr(text) if len(text) <= 200 else f"{text[:60]!r}…"
    if isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    elif "home" in str(error):
        reason = "its user is unknown"
    elif "loop" in str(error).lower():
        reason = "a loop of symbolic links"
    else:
        reason = "it has a character that no path has"
    return BadInputError(f"{shown} is not a path: {reason}", where=where, next_step="Check the path.")
