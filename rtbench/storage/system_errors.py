"""What errors of the system mean to a user: why a file cannot be read or written, and what to do."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from rtbench.errors import StepFailedError
from rtbench.texts import shown_in_line, without_secrets

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FILES = frozenset({errno.EMFILE, errno.ENFILE})
_UNWRITABLE = _NO_ROOM | {errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
MOST_WHY = 300
"""Highest number of characters of the reason why a file cannot be written."""


class NotWrittenError(StepFailedError):
    """The system did not let a file be written or opened. Other steps would fail for the same reason."""

    stops_run = True

    @classmethod
    def of(cls, error: OSError, *, where: str, workspace: Path) -> NotWrittenError | None:
        """Return the error for one of the system's; None for errors of other causes, such as those of a network or a model's file.

        Args:
            error: the system's error.
            where: what was being done, where the error names no file.
            workspace: folder of the workspace. A lack of permission elsewhere concerns one step only.
        """
        ours = isinstance(error.filename, str) and Path(error.filename).is_relative_to(workspace)
        if error.errno not in _NO_ROOM | _FILES | {errno.EROFS} and not (
            ours and error.errno in {errno.EACCES, errno.EPERM, errno.EIO}
        ):
            return None
        reason = error.strerror or os.strerror(error.errno or 0)
        return cls(reason, where=str(error.filename or where), next_step=advice_on(error))


def is_of_room(error: OSError) -> bool:
    """Return whether an error is about a disk that is full or may not be written to."""
    return error.errno in _NO_ROOM | {errno.EROFS}


def is_of_writing(error: OSError) -> bool:
    """Return whether an error is about a place that cannot be written to, as far as its number says."""
    return error.errno in _UNWRITABLE


def reason_of(error: OSError) -> str:
    """Return why a file cannot be read or written, in one line."""
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list) and error.args[0]:
        return reason_of(OSError(str(error.args[0][0][-1])))  # the first of the files that could not be copied
    text = error.strerror or str(error) or type(error).__name__
    return shown_in_line(without_secrets(str(text)[:MOST_WHY]))


def advice_on(error: OSError) -> str:
    """Return what a user can do about an error of the system."""
    if error.errno in _NO_ROOM:
        return "Make room, or raise the quota, then run the same command again: finished work is kept."
    if error.errno in _FILES:
        return "Raise the limit on open files (`ulimit -n`), or use fewer `--workers`."
    if error.errno == errno.ENAMETOOLONG:
        return "Use a shorter name or path."
    return "Check the path and its permissions."
