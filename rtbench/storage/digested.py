"""Large files that a later attempt goes on from, such as the state of a training, with their digest in their name.

A name and a content that do not match cannot be mistaken for a good state, and writing both is one rename.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO

from rtbench.storage.files import file_digest
from rtbench.storage.writing import TEMPORARY, make_folder, naming, sync_file, sync_folder

_DIGITS = 32


def save_digested(folder: Path, stem: str, save: Callable[[IO[bytes]], object]) -> Path:
    """Write ``STEM-DIGEST.pt`` into a folder, and remove the file of this stem that was there before.

    Args:
        folder: made if it is not there.
        stem: first part of the name, without a hyphen at its end.
        save: writes the content into an open file.

    Returns:
        path of the file.

    Raises:
        OSError: the file could not be written; the older one is kept.
    """
    make_folder(folder)
    temporary = folder / f".{stem}.{secrets.token_hex(8)}{TEMPORARY}"
    try:
        with naming(temporary), temporary.open("xb") as handle:
            save(handle)
        sync_file(temporary)
        target = folder / f"{stem}-{file_digest(temporary)[:_DIGITS]}.pt"
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise
    sync_folder(folder)
    for other in _files(folder, stem):
        if other != target:
            other.unlink(missing_ok=True)
    for other in folder.glob(f".{stem}.*{TEMPORARY}"):  # of attempts that were killed
        other.unlink(missing_ok=True)
    return target


def digested(folder: Path, stem: str) -> Path | None:
    """Return the file of a stem whose content matches its name; None where there is none.

    Nothing is removed: other processes of a training may be reading.
    """
    for path in sorted(_files(folder, stem)):
        with contextlib.suppress(FileNotFoundError):
            if file_digest(path)[:_DIGITS] == path.stem.rpartition("-")[2]:
                return path
    return None


def _files(folder: Path, stem: str) -> list[Path]:
    return [path for path in folder.glob(f"{stem}-*.pt") if path.stem.rpartition("-")[0] == stem]
