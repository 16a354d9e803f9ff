"""Downloads that resume: what has come stays in a part file, and the next try asks for the rest only."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rtbench.schema.base import Progress, no_progress
from rtbench.storage.files import file_digest

if TYPE_CHECKING:
    import requests

TIMEOUT = (5.0, 60.0)
"""Seconds to connect, and between two pieces of the answer."""
TRIES = 4
"""Tries in a row that bring nothing new before a download is given up."""
PAUSE = 0.5
"""Seconds before the second try; doubled before each later one."""
CHUNK = 1 << 14
"""Bytes written at a time; when a connection breaks, less than this is lost."""
_PASSING = frozenset({408, 416, 425, 429, 500, 502, 503, 504})
"""HTTP answers that may be another one soon; 416 (no such range) once the part file is gone."""


class DownloadError(Exception):
    """A download did not come about; the text says why, in one line.

    Args:
        said: why.
        unreachable: no connection could be made, so that other files of the place will fare no better.
    """

    def __init__(self, said: str, *, unreachable: bool = False) -> None:
        super().__init__(said)
        self.unreachable = unreachable


class WrongDigestError(Exception):
    """What came is complete but not what was asked for."""


class _PassingError(Exception):
    """Worth another try."""

    def __init__(self, said: str, *, unreachable: bool = False) -> None:
        super().__init__(said)
        self.unreachable = unreachable


class ResumingDownloader:
    """A downloader for :func:`pooch.retrieve`.

    Args:
        part: keeps what has come when a download breaks off, for this process's next try or for a later one.
        sha256: digest of the whole, where known. Without one nothing would tell a mixture of two versions from the
            file, so every try starts from the beginning.
        progress: told the bytes that have come.
    """

    def __init__(self, part: Path, sha256: str | None, progress: Progress = no_progress) -> None:
        self.part = part
        self.sha256 = sha256
        self.progress = progress

    def __call__(self, url: str, output_file: str, _pooch: Any) -> None:
        """Leaves the whole file, its digest checked, under ``output_file``.

        Raises:
            DownloadError: it could not be had.
            WrongDigestError: it is another file; nothing of it is kept.
        """
        self.part.parent.mkdir(parents=True, exist_ok=True)
        with _part_file(self.part, keep=self.sha256 is not None) as (handle, path):
            resumed = self.sha256 is not None and handle.seek(0, os.SEEK_END) > 0
            if not (resumed and self._is_whole(path)):
                self._fill(url, handle)
                if resumed and not self._is_whole(path):  # what an earlier process left may have been damaged
                    handle.truncate(0)
                    self._fill(url, handle)
            if not self._is_whole(path):
                found = file_digest(path)
                path.unlink()
                raise WrongDigestError(f"expected SHA-256 {self.sha256}, found {found}")
            os.fsync(handle.fileno())
            os.replace(path, output_file)

    def _is_whole(self, path: Path) -> bool:
        return self.sha256 is None or file_digest(path) == self.sha256

    def _fill(self, url: str, handle: IO[bytes]) -> None:
        """Tries until all has come, or until nothing new comes any more."""
        import requests

        farthest = handle.seek(0, os.SEEK_END)
        tries = 0
        with requests.Session() as http:
            while True:
                try:
                    self._ask(http, url, handle)
                except _PassingError as error:
                    handle.flush()
                    reached = handle.seek(0, os.SEEK_END)
                    tries = 1 if reached > farthest else tries + 1
                    farthest = max(reached, farthest)
                    if tries >= TRIES:
                        raise DownloadError(str(error), unreachable=error.unreachable) from error
                    time.sleep(PAUSE * 2 ** (tries - 1))
                else:
                    handle.flush()
                    return

    def _ask(self, http: requests.Session, url: str, handle: IO[bytes]) -> None:
        """One request, answered to its end."""
        import requests

        if self.sha256 is None:
            handle.truncate(0)
        start = handle.seek(0, os.SEEK_END)
        headers = {"Accept-Encoding": "identity"}  # a range of a compressed answer is no range of the file
        if start:
            headers["Range"] = f"bytes={start}-"
        connected = False
        try:
            with http.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
                connected = True
                total = self._begin(answer, handle, start)
                for chunk in answer.iter_content(CHUNK):
                    handle.write(chunk)
                    self.progress(handle.tell(), total or 0, "bytes")
        except (requests.exceptions.SSLError, requests.exceptions.InvalidURL) as error:
            raise DownloadError(reason_of(error), unreachable=True) from error
        except requests.RequestException as error:
            raise _PassingError(reason_of(error), unreachable=not connected) from error
        if total is not None and handle.tell() != total:
            raise _PassingError(f"{handle.tell()} of {total} bytes came")

    def _begin(self, answer: requests.Response, handle: IO[bytes], start: int) -> int | None:
        """Reads the head of an answer and puts the file where its body goes; returns the size of the whole file.

        Raises:
            DownloadError, _PassingError: the answer is no file.
        """
        status = answer.status_code
        if status == 206 and start:
            span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
            if span is None or int(span[1]) != start:
                handle.truncate(0)
                raise _PassingError("the server sent another range than the one asked for")
            return None if span[2] == "*" else int(span[2])
        if status == 200:
            handle.seek(0)
            handle.truncate(0)
            length = answer.headers.get("Content-Length", "")
            return int(length) if length.isdecimal() else None
        if status == 416:
            handle.truncate(0)
        failed = f"HTTP {status} {answer.reason or ''}".rstrip()
        raise _PassingError(failed) if status in _PASSING else DownloadError(failed)


@contextlib.contextmanager
def _part_file(path: Path, *, keep: bool) -> Iterator[tuple[IO[bytes], Path]]:
    """Opens the part file for this process alone, and yields it with its path. While another process has it, one of our
    own serves: both then download, and neither spoils the other's.

    Args:
        path: the part file.
        keep: leave what has come when the block fails.
    """
    handle = _locked(path)
    if handle is None:
        path, keep = path.with_name(f"{path.name}-{os.getpid()}"), False
        handle = _open(path)
    with handle:
        try:
            yield handle, path
        finally:
            # Once renamed, the path is free for the next process; only what we still hold is ours to remove.
            with contextlib.suppress(FileNotFoundError):
                if _is_at(handle, path) and (not keep or handle.seek(0, os.SEEK_END) == 0):
                    path.unlink()


def _open(path: Path) -> IO[bytes]:
    """Opens for reading and writing; made where it is not there, left as it is where it is."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")


def _is_at(handle: IO[bytes], path: Path) -> bool:
    return os.path.samestat(os.fstat(handle.fileno()), path.stat())


def _locked(path: Path) -> IO[bytes] | None:
    """The part file, locked; None where another process has it."""
    try:
        import fcntl
    except ImportError:  # no POSIX locks: the digest tells when two processes wrote one file
        return _open(path)
    while True:
        handle = _open(path)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(handle, path):
                return handle
        except FileNotFoundError:
            pass  # finished and renamed by the process that had it; open a new one
        except BlockingIOError:
            handle.close()
            return None
        except OSError:
            return handle  # a file system without locks
        handle.close()


def reason_of(error: Exception) -> str:
    """One line on why a request failed. Network errors nest; the innermost cause is what a user can understand."""
    reason = getattr(error, "reason", None) or (error.args[0] if error.args else error)
    reason = getattr(reason, "reason", reason)
    text = str(reason).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:200]
