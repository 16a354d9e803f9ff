"""The place of a workspace, by its name: a folder or a URL."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

from rtbench.storage.paths import as_name, is_url
from rtbench.storage.place import Place

if TYPE_CHECKING:
    from rtbench.schema.environment import Environment


def place_of(environment: Environment) -> Place:
    """Return where a workspace is kept.

    Raises:
        BadInputError: its address is wrong.
        MissingExtraError: the driver of its protocol is not installed.
    """
    workspace = environment.workspace
    if not is_url(workspace):
        return Place(Path(workspace))
    from rtbench.storage.mirror import Mirror

    copies = cache_folder(environment.cache_dir).absolute() / "workspaces"
    # Machines may share a home folder, and with it the cache.
    return Mirror(workspace, copies / as_name(platform.node()) / copy_name(workspace))


def cache_folder(stated: str | None) -> Path:
    """Return the folder of what can be downloaded again: the stated one, ``$RTBENCH_CACHE``, or the user's cache folder."""
    if folder := stated or os.environ.get("RTBENCH_CACHE"):
        return Path(folder)
    import platformdirs

    return Path(platformdirs.user_cache_dir("rtbench"))


def copy_name(url: str) -> str:
    """Return the name of the folder with the copy of a workspace: readable, and unique by a digest."""
    url = url.rstrip("/")
    return f"{as_name(url.rpartition('/')[2])}-{hashlib.sha256(url.encode()).hexdigest()[:12]}"
