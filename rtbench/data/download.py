"""Downloads that resume: received bytes stay in a part file, and the next attempt requests only the rest."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rtbench.schema.progress import Progress, no_progress
from rtbench.storage.files import file_digest
from rtbench.storage.locks import try_locked
from rtbench.texts import without_secrets

if TYPE_CHECKING:
    import requests

TIMEOUT = (5.0, 60.0)
"""Timeouts in seconds: to connect, and between two chunks of the response."""
TRIES = 4
"""Consecutive attempts without new bytes after which a download fails."""
PAUSE = 0.5
"""Seconds before the second attempt; doubled before each later one."""
MOST_BYTES = 1 << 32
"""Highest number of bytes of a file whose size is not pinned."""
MOST_REDIRECTS = 10
CHUNK = 1 << 14
"""Bytes written at a time. When a connection breaks, fewer bytes than this are lost."""
_TRANSIENT = frozenset({408, 416, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that are worth another attempt; 416 (range not satisfiable) after the part file was emptied."""


class DownloadError(Exception):
    """A download failed.

    Args:
        reason: why, in one line.
        unreachable: no connection could be made, so that other downloads from the same host would fail as well.
    """

    def __init__(self, reason: str, *, unreachable: bool = False) -> None:
        super().__init__(reason)
        self.unreachable = unreachable


class WrongDigestError(Exception):
    """A download is complete, but its digest is wrong."""


class _TransientError(Exception):
    """A failure that is worth another attempt."""

    def __init__(self, reason: str, *, unreachable: bool = False) -> None:
        super().__init__(reason)
        self.unreachable = unreachable


class ResumingDownloader:
    """A downloader for :func:`pooch.retrieve`.

    Args:
        part: the part file, which keeps the received bytes when a download breaks off, for the next attempt of this or
            a later process.
        sha256: digest of the whole file, where known. Without a digest, a mixture of two versions could not be
            detected, so every attempt starts from the beginning.
        progress: called with the number of bytes received.
        size: number of bytes of the file, where known. More are never received, nor more than :data:`MOST_BYTES`.
    """

    def __init__(
        self, part: Path, sha256: str | None, progress: Progress = no_progress, size: int | None = None
    ) -> None:
        self.part = part
        self.sha256 = sha256
        self.most = MOST_BYTES if size is None else size
        self.progress = progress

    def __call__(self, url: str, output_file: str, _pooch: Any) -> None:
        """Download a file to ``output_file`` and check its digest.

        Raises:
            DownloadError: the download failed.
            WrongDigestError: the digest is wrong; nothing of the download is kept.
        """
        self.part.parent.mkdir(parents=True, exist_ok=True)
        with _part_file(self.part, keep=self.sha256 is not None) as (handle, path):
            resumed = self.sha256 is not None and handle.seek(0, os.SEEK_END) > 0
            if not (resumed and self._is_whole(path)):
                self._fill(url, handle)
                if resumed and not self._is_whole(path):  # an earlier process's part file may be damaged
                    handle.truncate(0)
                    self._fill(url, handle)
            if not self._is_whole(path):
                digest = file_digest(path)
                path.unlink()
                raise WrongDigestError(f"expected SHA-256 {self.sha256}, found {digest}")
            os.fsync(handle.fileno())
            os.replace(path, output_file)

    def _is_whole(self, path: Path) -> bool:
        return self.sha256 is None or file_digest(path) == self.sha256

    def _fill(self, url: str, handle: IO[bytes]) -> None:
        """Request the missing bytes until all have arrived, or until several attempts brought no new ones."""
        most_received = handle.seek(0, os.SEEK_END)
        tries = 0
        with _session(url) as http:
            while True:
                try:
                    self._request(http, url, handle)
                except _TransientError as error:
                    handle.flush()
                    received = handle.seek(0, os.SEEK_END)
                    tries = 1 if received > most_received else tries + 1
                    most_received = max(received, most_received)
                    if tries >= TRIES:
                        raise DownloadError(str(error), unreachable=error.unreachable) from error
                    time.sleep(PAUSE * 2 ** (tries - 1))
                else:
                    handle.flush()
                    return

    def _request(self, http: requests.Session, url: str, handle: IO[bytes]) -> None:
        """Send one request and write its response to the end of the file.

        Raises:
            DownloadError, _TransientError: the request failed, or its response is incomplete.
        """
        import requests

        if self.sha256 is None:
            handle.truncate(0)
        start = handle.seek(0, os.SEEK_END)
        headers = {"Accept-Encoding": "identity"}  # a range of a compressed response is not a range of the file
        if start:
            headers["Range"] = f"bytes={start}-"
        connected = False
        try:
            with http.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
                connected = True
                total = self._begin(response, handle, start)
                if total is not None and total > self.most:
                    raise DownloadError(f"the server has {total:,} bytes, and the file has at most {self.most:,}")
                for chunk in response.iter_content(CHUNK):
                    handle.write(chunk)
                    if handle.tell() > self.most:
                        handle.truncate(0)
                        raise DownloadError(f"the server sends more than the {self.most:,} bytes of the file")
                    self.progress(handle.tell(), total or 0, "bytes")
        except (requests.exceptions.SSLError, requests.exceptions.InvalidURL) as error:
            raise DownloadError(reason_of(error), unreachable=True) from error
        except requests.RequestException as error:
            raise _TransientError(reason_of(error), unreachable=not connected) from error
        if total is not None and handle.tell() != total:
            raise _TransientError(f"only {handle.tell()} of {total} bytes arrived")

    def _begin(self, response: requests.Response, handle: IO[bytes], start: int) -> int | None:
        """Read a response's status and headers, move to where its body belongs, and return the whole file's size.

        Returns:
            Size in bytes; None where the server does not state it.

        Raises:
            DownloadError, _TransientError: the response is not a file.
        """
        status = response.status_code
        if status == 206 and start:
            span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
            if span is None or int(span[1]) != start:
                handle.truncate(0)
                raise _TransientError("the server sent a different range than requested")
            return None if span[2] == "*" else int(span[2])
        if status == 200:
            handle.seek(0)
            handle.truncate(0)
            length = response.headers.get("Content-Length", "")
            return int(length) if length.isdecimal() else None
        if status == 416:
            handle.truncate(0)
        reason = f"HTTP {status} {response.reason or ''}".rstrip()
        raise _TransientError(reason) if status in _TRANSIENT else DownloadError(reason)


def _session(url: str) -> requests.Session:
    """Return a session that uses the proxies and certificates of the environment, and never a password of ``.netrc``.

    Such a password would be sent to a mirror, or to the host that a redirect leads to.
    """
    import requests

    http = requests.Session()
    http.trust_env = False
    http.max_redirects = MOST_REDIRECTS
    http.proxies.update(requests.utils.get_environ_proxies(url))
    http.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
    return http


@contextlib.contextmanager
def _part_file(path: Path, *, keep: bool) -> Iterator[tuple[IO[bytes], Path]]:
    """Open the part file for this download alone, and yield it with its path.

    While another process has it, a file of our own is used: both then download, and neither damages the other's file.

    Args:
        path: the part file.
        keep: leave what has arrived when the block fails.
    """
    with try_locked(path.with_name(f"{path.name}.lock")) as ours:
        if not ours:
            path, keep = path.with_name(f"{path.name}-{os.getpid()}-{threading.get_ident()}"), False
        with _open(path) as handle:
            try:
                yield handle, path
            finally:
                empty = handle.seek(0, os.SEEK_END) == 0
                if not keep or empty:
                    path.unlink(missing_ok=True)  # it is missing where it became the whole file


def _open(path: Path) -> IO[bytes]:
    """Open a file for reading and writing; it is created where it is missing, and keeps its content where it exists."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")


def reason_of(error: Exception) -> str:
    """Return the reason why a request failed, in one line.

    Network errors are nested; the innermost cause is the one that a user can understand.
    """
    reason = getattr(error, "reason", None) or (error.args[0] if error.args else error)
    reason = getattr(reason, "reason", reason)
    # By name: importing urllib3 here would slow every command down.
    if type(reason).__name__ == "NameResolutionError":
        return "the host's name cannot be resolved: is there a network?"
    text = str(reason).strip().splitlines()
    return without_secrets(text[0] if text else type(error).__name__)[:200]
