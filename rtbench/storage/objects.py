"""Files in a place that fsspec reaches by URL, such as the objects of a bucket.

Such places have no append, no rename and no locks. What they have is used here: whole files that are put, read, listed and
removed, and a file that is created only if there is none of its name. Calls that fail in passing are repeated.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from rtbench.errors import BadInputError, MissingExtraError, StepFailedError
from rtbench.storage.system_errors import is_of_room
from rtbench.storage.writing import TEMPORARY, make_folder, naming, sync_file, sync_folder
from rtbench.texts import without_secrets

T = TypeVar("T")
TRIES = 8
"""How often a call is made before the place counts as out of reach."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 15.0
"""Seconds before a call is repeated: doubled with each try, and a random half of it left out."""
_EXTRAS = {"s3": "s3", "s3a": "s3"}
"""Extra of this package that has the driver of a protocol. Drivers of other protocols are named by fsspec."""
_FINAL = (
    FileExistsError,
    PermissionError,
    NotADirectoryError,
    IsADirectoryError,
    TypeError,
    NotImplementedError,
)
"""Errors that another try does not change."""
_MOST_WHY = 300


class NotReachedError(StepFailedError):
    """A place does not answer, or refuses. Other steps would fail for the same reason."""

    stops_run = True


class Objects:
    """The files below a URL. All names are relative to it, with slashes.

    Args:
        url: such as ``s3://bucket/folder``.

    Raises:
        BadInputError: it is no URL that fsspec knows.
        MissingExtraError: the driver of its protocol is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._fs, self._root = _opened(self.url)

    def list(self, prefix: str = "") -> dict[str, str]:
        """Return the names of all files below a folder, each with a stamp that changes when the file is put again."""
        folder = self._at(prefix)

        def listed() -> dict[str, Any]:
            self._fs.invalidate_cache()
            try:
                found = dict(self._fs.find(folder, detail=True))
            except FileNotFoundError:  # some file systems list no folder that is not there
                return {}
            return {name: info for name, info in found.items() if info["type"] == "file"}  # some name an empty folder

        files = self._call(listed, prefix)
        start = len(self._root.rstrip("/")) + 1
        return {self._fs._strip_protocol(name)[start:]: _stamp(info) for name, info in files.items()}  # noqa: SLF001 - no other name

    def read(self, name: str) -> bytes | None:
        """Return a file's content; None where there is no such file."""
        try:
            return bytes(self._call(lambda: self._fs.cat_file(self._at(name)), name))
        except FileNotFoundError:
            return None

    def exists(self, name: str) -> bool:
        """Return whether a file is there, without asking a listing, which may be behind."""
        return self.stamp(name) is not None

    def stamp(self, name: str) -> str | None:
        """Return a file's stamp as in :meth:`list`; None where there is no such file."""

        def info() -> dict[str, Any]:
            self._fs.invalidate_cache()
            return dict(self._fs.info(self._at(name)))

        try:
            return _stamp(self._call(info, name))
        except FileNotFoundError:
            return None

    def get(self, name: str, path: Path) -> bool:
        """Copy a file to a local path, which then has all of it or what it had before; return whether it is there."""
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}{TEMPORARY}")

        def copy() -> None:
            self._fs.get_file(self._at(name), str(temporary))
            size = self._fs.info(self._at(name))["size"]
            if (got := temporary.stat().st_size) != size:
                raise OSError(f"{got} of {size} bytes arrived")

        make_folder(path.parent)
        try:
            with naming(path):
                self._call(copy, name)
            sync_file(temporary)
            temporary.replace(path)
        except FileNotFoundError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)
        return True

    def put(self, name: str, content: Path | bytes, *, tries: int | None = None) -> str:
        """Put a file in place of an earlier one, compare its size there, and return its stamp.

        Args:
            name: of the file.
            content: its bytes, or the path of a local file.
            tries: how often the call is made; None: :data:`TRIES`.
        """

        def send() -> str:
            size = len(content) if isinstance(content, bytes) else content.stat().st_size
            target = self._path_to_write(name)
            if isinstance(content, bytes):
                self._fs.pipe_file(target, content)
            else:
                self._fs.put_file(str(content), target)
            self._fs.invalidate_cache()
            info = self._fs.info(target)
            if info["size"] != size:
                raise OSError(f"{info['size']} of {size} bytes arrived")
            return _stamp(info)

        try:
            return self._call(send, name, tries)
        except FileNotFoundError as error:  # of the bucket
            raise self._failure(error, name) from error

    def create(self, name: str, content: bytes) -> bool:
        """Create a file; return False where there is one of its name with another content."""

        def make() -> bool:
            try:
                self._fs.pipe_file(self._path_to_write(name), content, mode="create")
            except FileExistsError:
                return self.read(name) == content  # by an earlier try whose answer was lost
            if self._fs.info(self._at(name))["size"] != len(content):  # ours, with a part of its content
                self.put(name, content)
            return True

        try:
            return self._call(make, name)
        except FileNotFoundError as error:
            raise self._failure(error, name) from error

    def remove(self, names: Iterable[str], *, tries: int | None = None) -> None:
        """Remove files. Those that are not there are passed over. ``tries`` is as in :meth:`put`."""
        for name in names:
            try:
                self._call(lambda name=name: self._fs.rm_file(self._at(name)), name, tries)  # type: ignore[misc]
            except FileNotFoundError:
                continue

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def _path_to_write(self, name: str) -> str:
        """Return the path of a file, whose folder is made where the place has folders. Buckets have none."""
        from fsspec.asyn import AsyncFileSystem  # type: ignore[import-untyped]

        target = self._at(name)
        if not isinstance(self._fs, AsyncFileSystem):
            self._fs.makedirs(str(PurePosixPath(target).parent), exist_ok=True)
        return target

    def _call(self, work: Callable[[], T], name: str, tries: int | None = None) -> T:
        """Return what a call returns, made again where it fails in passing.

        Raises:
            FileNotFoundError: there is no such file.
            NotReachedError: all tries failed, or access is refused.
        """
        pause, tries = FIRST_PAUSE, tries or TRIES
        for turn in range(1, tries + 1):
            try:
                return work()
            except FileNotFoundError:
                raise
            except Exception as error:
                if isinstance(error, OSError) and is_of_room(error):  # of this machine's disk
                    raise
                if turn == tries or isinstance(error, _FINAL) or _is_refusal(error):
                    raise self._failure(error, name) from error
            time.sleep(pause * (0.5 + 0.5 * random.random()))  # noqa: S311 - spreads the waiting
            pause = min(LONGEST_PAUSE, 2 * pause)
        raise AssertionError("the last try returns or raises")

    def _failure(self, error: Exception, name: str) -> NotReachedError:
        why = " ".join(without_secrets(str(error) or type(error).__name__).split())[:_MOST_WHY]
        where = f"{self.url}/{name}" if name else self.url
        if isinstance(error, PermissionError) or _is_refusal(error):
            return NotReachedError(
                f"access is refused: {why}", where=where, next_step="Check the credentials and what they allow."
            )
        return NotReachedError(
            why,
            where=where,
            next_step="Check the address, and run the same command again: finished work is kept in this machine's copy.",
        )


def _opened(url: str) -> tuple[Any, str]:
    import fsspec.core  # type: ignore[import-untyped]

    protocol = url.partition("://")[0].lower()
    try:
        fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
    except ImportError as error:
        if (extra := _EXTRAS.get(protocol)) is not None:
            raise MissingExtraError.of("s3fs", extra) from None
        raise BadInputError(str(error), where=url, next_step="Install the driver that it names.") from None
    except ValueError as error:
        raise BadInputError(str(error), where=url, next_step="Name a folder, or a URL such as s3://…") from None
    return fs, str(root).rstrip("/")


def _stamp(info: dict[str, Any]) -> str:
    """Return what tells one version of a file from another."""
    changed = info.get("ETag") or info.get("etag") or info.get("mtime") or info.get("created") or ""
    if isinstance(changed, datetime):
        changed = changed.timestamp()
    return f"{info['size']}:{changed}".replace('"', "")


def _is_refusal(error: Exception) -> bool:
    """Return whether an error is about credentials, whatever class the driver raises."""
    return type(error).__name__ in {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"}
