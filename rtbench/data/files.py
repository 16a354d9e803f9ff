"""Data files: find them, download them once, and check their digests.

A task states which upstream files it needs as :class:`PinnedFile`. This package finds them, and does not depend on
tasks.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from rtbench.data.pins import BASE_URL, PinnedFile
from rtbench.errors import BadInputError, MissingDataError
from rtbench.schema.progress import Progress, no_progress
from rtbench.storage.files import file_digest
from rtbench.storage.paths import inside
from rtbench.storage.places import cache_folder

State = Literal["data-dir", "cache", "absent", "wrong digest"]


class DataFiles:
    """Finds pinned files in the user's data folder, then in the cache, and otherwise downloads them.

    Args:
        data_dir: folder with the upstream files under their upstream names, or its parent folder (with the files in
            ``raw/``).
        cache_dir: folder of downloads; the default is ``$RTBENCH_CACHE``, else the user's cache folder.
        offline: never download.
        base_url: address to download from; the default is ``$RTBENCH_MIRROR``, else :data:`BASE_URL`.
        progress: called during downloads with the number of bytes received.

    Raises:
        BadInputError: ``data_dir`` is not a folder, or ``base_url`` is not an address.
    """

    def __init__(
        self,
        data_dir: Path | None = None,
        cache_dir: Path | None = None,
        offline: bool = False,
        base_url: str | None = None,
        progress: Progress = no_progress,
    ) -> None:
        if data_dir is not None and not data_dir.is_dir():
            raise BadInputError("no such folder", where=f"--data-dir {data_dir}", next_step="Check the path.")
        self.data_dir = data_dir
        self.offline = offline
        self._cache_dir = cache_dir
        self.progress = progress
        self._digests: dict[tuple[str, int, int], str] = {}
        self._base_url = base_url or os.environ.get("RTBENCH_MIRROR") or BASE_URL
        if not self._base_url.startswith(("http://", "https://")):
            raise BadInputError(
                f"{self._base_url!r} is not the address of a mirror",
                where="RTBENCH_MIRROR" if base_url is None else "base_url",
                next_step="Give an address that begins with https:// or http://, or leave it out.",
            )
        self._failed: dict[str, str] = {}
        """Reasons why downloads failed, by address. They are not repeated in this process."""
        self._unreachable: str | None = None
        """Reason why no connection could be made; every other download would wait for the same timeout."""

    @property
    def cache_dir(self) -> Path:
        """Return the folder of downloaded files, which is created with the first download."""
        if self._cache_dir is None:
            self._cache_dir = cache_folder(None)
        return self._cache_dir

    def url(self, pin: PinnedFile) -> str:
        """Return the address that a file is downloaded from."""
        return pin.url_at(self._base_url)

    def find(self, pin: PinnedFile, progress: Progress | None = None) -> Path:
        """Return the path of a verified copy of a file, which is downloaded if necessary.

        Args:
            pin: the file.
            progress: called with the number of bytes received; None: :attr:`progress`.

        Raises:
            BadInputError: a copy has a wrong digest; the message names the file and both digests.
            MissingDataError: there is no copy, and the file cannot be downloaded.
        """
        return self.local(pin) or self._download(pin, progress or self.progress)

    def local(self, pin: PinnedFile) -> Path | None:
        """Return the path of a verified local copy, or None; never download.

        Raises:
            BadInputError: a copy has a wrong digest.
        """
        pin.check(where=f"pin of {pin.name!r}")
        for path in (self._in_data_dir(pin), self._in_cache(pin)):
            if path is not None:
                self._check(pin, path)
                return path
        return None

    def status(self, pin: PinnedFile) -> State:
        """Return the state of a file without downloading it. A wrong digest is a state here, not an error."""
        pin.check(where=f"pin of {pin.name!r}")
        places: tuple[tuple[State, Path | None], ...] = (
            ("data-dir", self._in_data_dir(pin)),
            ("cache", self._in_cache(pin)),
        )
        for state, path in places:
            if path is not None:
                return state if pin.sha256 in {None, self.digest(path)} else "wrong digest"
        return "absent"

    def verify(self, pin: PinnedFile) -> Literal["verified", "not pinned", "absent"]:
        """Read a local file again and check its digest.

        Returns:
            ``not pinned`` where there is a file, but its digest is not known.

        Raises:
            BadInputError: the digest is wrong; the message names the file and both digests.
        """
        self._digests.clear()
        if self.local(pin) is None:
            return "absent"
        return "verified" if pin.sha256 else "not pinned"

    def digest(self, path: Path) -> str:
        """Return the SHA-256 of a local file, computed once per process for a given size and modification time."""
        info = path.stat()
        key = (str(path), info.st_size, info.st_mtime_ns)
        if key not in self._digests:
            self._digests[key] = file_digest(path)
        return self._digests[key]

    # ---- finding

    def _in_data_dir(self, pin: PinnedFile) -> Path | None:
        if self.data_dir is None:
            return None
        for folder in (self.data_dir, self.data_dir / "raw", self.data_dir.parent):
            if (path := folder / pin.name).is_file():
                return path
        return None

    def _in_cache(self, pin: PinnedFile) -> Path | None:
        path = self._cached(pin)
        return path if path.is_file() else None

    def _cached(self, pin: PinnedFile) -> Path:
        """Return the path of a file in the cache. The commit is part of it, because files change between commits."""
        folder = self.cache_dir / pin.repository.replace("/", "--") / pin.commit[:12]
        return inside(folder, pin.path, where=f"pin of {pin.name}")

    def _check(self, pin: PinnedFile, path: Path) -> None:
        if pin.sha256 is None:
            return
        digest = self.digest(path)
        if digest != pin.sha256:
            raise BadInputError(
                f"wrong SHA-256: expected {pin.sha256}, found {digest}",
                where=str(path),
                next_step=f"Remove the file and run `rtbench data pull`, or download {self.url(pin)} yourself.",
            )

    # ---- downloading

    def _download(self, pin: PinnedFile, progress: Progress) -> Path:
        if self.offline:
            raise self._missing(pin, "downloads are disabled (--offline)")
        url = self.url(pin)
        if (failed := self._failed.get(url) or self._unreachable) is not None:
            raise self._missing(pin, failed)
        from rtbench.data.download import DownloadError, WrongDigestError

        try:
            return self._retrieve(pin, url, progress)
        except WrongDigestError as error:
            raise BadInputError(
                f"the download is not the pinned file: {error}",
                where=url,
                next_step=f"Download it yourself as {pin.name}, and give its folder with --data-dir.",
            ) from error
        except (DownloadError, OSError) as error:
            # Whatever the cause (no route, unknown host, 404, a full disk), the next step for the user is the same.
            failed = f"the download failed ({getattr(error, 'strerror', None) or error})"
            self._failed[url] = failed
            if isinstance(error, DownloadError) and error.unreachable:
                self._unreachable = failed
            raise self._missing(pin, failed) from error

    def _retrieve(self, pin: PinnedFile, url: str, progress: Progress) -> Path:
        import logging

        import pooch

        from rtbench.data.download import ResumingDownloader

        target = self._cached(pin)
        pooch.get_logger().setLevel(logging.WARNING)
        pooch.retrieve(
            url,
            known_hash=f"sha256:{pin.sha256}" if pin.sha256 else None,
            fname=target.name,
            path=target.parent,
            downloader=ResumingDownloader(target.with_name(f"{target.name}.part"), pin.sha256, progress, pin.bytes),
        )
        return target

    def _missing(self, pin: PinnedFile, why: str) -> MissingDataError:
        url, searched, source = self.url(pin), "", ""
        if self.data_dir is not None:
            searched, source = f"it is not in --data-dir {self.data_dir}, and ", f" (from {url})"
        return MissingDataError(
            f"data file {pin.name} is missing: {searched}{why}",
            where=None if searched else url,
            next_step=f"Run `rtbench data pull` on a machine with network access{source}, or give a folder that "
            f"contains {pin.name} with --data-dir.",
        )
