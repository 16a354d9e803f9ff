"""The format of a workspace: a newer one is refused, an older one is read."""

from __future__ import annotations

from pathlib import Path

import msgspec

from rtbench.errors import BadInputError, DamagedError
from rtbench.schema.base import Record
from rtbench.storage.place import FORMAT_FILE, Place
from rtbench.storage.reading import raw_bytes
from rtbench.storage.records import unsealed, write_record
from rtbench.version import __version__

FORMAT = 2
"""1: without checksums. 2: ledger lines, step files and records have checksums."""


class WorkspaceFormat(Record, frozen=True):
    """The ``format.json`` of a workspace. Workspaces of format 1 have none."""

    format: int
    written_by: str
    """Version of rtbench."""


class _Stated(msgspec.Struct, frozen=True):
    """What is read of any version's ``format.json``."""

    format: int
    written_by: str = "a later version"


def format_of(workspace: Path) -> int:
    """Return the format of a workspace; 1 where it states none.

    Raises:
        BadInputError: it is newer than this version of rtbench knows.
    """
    path = workspace / FORMAT_FILE
    if not path.is_file():
        return 1
    try:
        stated = msgspec.json.decode(unsealed(raw_bytes(path), path)[0], type=_Stated)
    except (DamagedError, msgspec.MsgspecError, UnicodeDecodeError):
        return FORMAT  # its files tell themselves whether they have checksums
    if stated.format > FORMAT:
        raise BadInputError(
            f"this workspace has format {stated.format}, written by rtbench {stated.written_by}; this version "
            f"({__version__}) reads formats up to {FORMAT}",
            where=str(path),
            next_step="Update rtbench, or use another --workspace.",
        )
    return stated.format


def mark_format(place: Place) -> None:
    """State the current format in a workspace."""
    path = place.root / FORMAT_FILE
    if format_of(place.root) < FORMAT or not path.is_file():
        write_record(path, WorkspaceFormat(format=FORMAT, written_by=__version__))
        place.publish(path)
