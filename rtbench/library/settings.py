"""Where the functions of the Python API work: workspace, data, plugins. As on the command line, with the same defaults."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtbench.errors import BadInputError
from rtbench.schema.environment import Environment
from rtbench.storage.paths import is_url, resolved
from rtbench.texts import shown

if TYPE_CHECKING:
    from rtbench.plugin.registered import Registered
    from rtbench.session import Session

DEFAULT_WORKSPACE = "rtbench-workspace"
PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Settings:
    """Settings of the Python API. None stands for the environment variable of the option, or else its default."""

    workspace: PathLike | None = None
    """Folder of ledger, store and runs, or a URL."""
    data_dir: PathLike | None = None
    """Folder with the upstream data files."""
    recordings: PathLike | None = None
    """Folder with recorded completions."""
    cache_dir: PathLike | None = None
    """Folder of downloads."""
    offline: bool = False
    """Disable downloads."""
    plugins: tuple[PathLike, ...] = ()
    """Plugin files."""
    task_files: tuple[PathLike, ...] = ()
    """Task files."""
    blocked: tuple[str, ...] = ()
    """Names of plugins that are not loaded."""
    trust_remote_code: bool = False
    """Allow Hugging Face models to run their own code."""


class _Current:
    """The settings and registered objects of this process."""

    def __init__(self) -> None:
        self.settings = Settings()
        self.objects: tuple[Registered, ...] = ()
        """Registered objects (:mod:`rtbench.library.registering`)."""
        self.tasks: dict[str, Path] = {}
        """Files of registered tasks, by name."""
        self.registered: bytes = b""
        """``objects`` for worker processes."""


CURRENT = _Current()


def configure(**changes: Any) -> Settings:
    """Change where all functions of the Python API work, and return the settings. What is not named stays as it is.

    Args:
        changes: fields of :class:`Settings`: ``workspace``, ``data_dir``, ``recordings``, ``cache_dir``, ``offline``,
            ``plugins``, ``task_files``, ``blocked``, ``trust_remote_code``.

    Raises:
        UnknownNameError: there is no such setting.
        BadInputError: a folder or file does not exist.
    """
    known = Settings.__dataclass_fields__
    for name, value in changes.items():
        if name not in known:
            from rtbench.errors import UnknownNameError

            raise UnknownNameError.of("setting", name, known, where="rtbench.configure")
        changes[name] = _checked(name, value)
    settings = replace(CURRENT.settings, **changes)
    _environment(settings)  # reports what is wrong now, not at the first run
    CURRENT.settings = settings
    return settings


_LISTS, _SWITCHES = {"plugins", "task_files", "blocked"}, {"offline", "trust_remote_code"}
"""Settings that are lists of paths or names, and those that are true or false; all others are paths."""


def _checked(name: str, value: object) -> object:
    """Return a setting's value: a list as a tuple.

    Raises:
        BadInputError: it is of another type.
    """
    if name in _SWITCHES:
        if not isinstance(value, bool):
            raise BadInputError(f"{value!r} is not True or False", where=f"rtbench.configure({name}=…)")
        return value
    if name not in _LISTS:
        if not (value is None or isinstance(value, str | os.PathLike)):
            raise BadInputError(f"{value!r} is not a path", where=f"rtbench.configure({name}=…)")
        return value
    if isinstance(value, str | os.PathLike) or not isinstance(value, Sequence):
        raise BadInputError(
            f"{value!r} is not a list",
            where=f"rtbench.configure({name}=…)",
            next_step=f"Write {name}=[{str(value)!r}].",
        )
    for one in value:
        if not isinstance(one, str | os.PathLike):
            raise BadInputError(f"{one!r} is not a path or name", where=f"rtbench.configure({name}=…)")
    return tuple(value)


def open_session(workspace: PathLike | None = None) -> Session:
    """Return a session with the present settings.

    Args:
        workspace: instead of that of the settings.

    Raises:
        BadInputError, PluginError: a setting is wrong, or a plugin cannot be loaded.
    """
    from rtbench.session import Session

    settings = CURRENT.settings if workspace is None else replace(CURRENT.settings, workspace=workspace)
    return Session(_environment(settings), warn=_warn, registered=CURRENT.objects).fetch()


def _environment(settings: Settings) -> Environment:
    """Return the environment of settings."""
    workspace = os.fspath(settings.workspace or os.environ.get("RTBENCH_WORKSPACE") or DEFAULT_WORKSPACE)
    return Environment(
        workspace=workspace if is_url(workspace) else _absolute(workspace, "workspace"),
        data_dir=_folder(settings.data_dir, "data_dir", "RTBENCH_DATA_DIR"),
        cache_dir=_folder(settings.cache_dir, "cache_dir", "RTBENCH_CACHE", exists=False),
        recordings=_folder(settings.recordings, "recordings", "RTBENCH_RECORDINGS"),
        plugin_files=tuple(_absolute(path, "plugins") for path in settings.plugins),
        task_files=tuple(_absolute(path, "task_files") for path in [*settings.task_files, *CURRENT.tasks.values()]),
        blocked=settings.blocked,
        trust_remote_code=settings.trust_remote_code,
        offline=settings.offline,
        registered=CURRENT.registered,
    )


def _folder(path: PathLike | None, setting: str, variable: str, *, exists: bool = True) -> str | None:
    """Return the absolute path of a folder, or None where neither setting nor variable names one."""
    if path is None:
        path, setting = os.environ.get(variable) or None, variable
    if path is None:
        return None
    if exists and not Path(path).is_dir():
        raise BadInputError("no such folder", where=f"{setting}: {path}", next_step="Name an existing folder.")
    return _absolute(path, setting)


def _absolute(path: PathLike, setting: str) -> str:
    return str(resolved(Path(path), where=setting))


def _warn(text: str) -> None:
    print(shown(text), file=sys.stderr)  # noqa: T201 - in a notebook, standard error is shown below the cell
