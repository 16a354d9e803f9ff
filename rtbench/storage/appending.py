"""Append completions to a segment of the ledger, and sync them."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import IO

import msgspec

from rtbench.errors import StepFailedError
from rtbench.schema.completions import Completion
from rtbench.storage.lines import CHECKED, checked_line, write_sum
from rtbench.storage.place import Place
from rtbench.storage.writing import make_folder, sync_folder

SYNC_EVERY = 256
"""Maximum number of completions that a power cut can lose. A killed process loses none: appends are unbuffered."""
SYNC_SECONDS = 1.0
"""Seconds after which appended completions are synced."""


class Writer:
    """Appends completions to its own segment, and syncs them to disk after at most one second or 256 completions.

    A thread syncs them where the next completion takes longer than that.

    Args:
        folder: of the segment.
        place: of the workspace, which gets what was synced.
    """

    def __init__(self, folder: Path, place: Place) -> None:
        self._folder = folder
        self._place = place
        self._file: IO[bytes] | None = None
        self._encoder = msgspec.json.Encoder()
        self._appended = 0
        self._synced = 0
        """Number of appended completions, counted from the first, that are synced."""
        self._lock = threading.Lock()
        self._sync_error: StepFailedError | None = None
        """Error of the first sync that failed."""
        self._wake = threading.Event()
        self._closing = False
        self._syncer: threading.Thread | None = None

    def append(self, completion: Completion) -> None:
        """Append one completion.

        Raises:
            StepFailedError: an earlier sync failed.
            OSError: this completion could not be written; the error names the segment.
        """
        line = checked_line(self._encoder.encode(completion))
        with self._lock:
            if self._sync_error is not None:
                raise self._sync_error
            file = self._file or self._open()
            try:
                while line:  # a full disk may accept a part only, and the segment then ends with an unfinished line
                    line = line[file.write(line) :]
            except OSError as error:
                error.filename = file.name
                raise
            self._appended += 1
            unsynced = self._appended - self._synced
        if unsynced >= SYNC_EVERY:
            self.sync()
        elif unsynced == SYNC_EVERY // 2:  # the thread syncs in the background, so that append() rarely waits
            self._wake.set()

    def sync(self) -> None:
        """Sync all completions appended so far to disk, and give them to the place of the workspace.

        A failure is final: the kernel may have dropped the pages that it could not write, and may then report success
        for the next fsync.

        Raises:
            StepFailedError: this sync or an earlier one failed.
        """
        with self._lock:
            if self._sync_error is not None:
                raise self._sync_error
            file, appended = self._file, self._appended
        if file is not None and appended > self._synced:
            try:
                _sync(file.fileno())
            except OSError as error:
                with self._lock:
                    self._sync_error = self._sync_error or _not_written(error, file.name)
                raise self._sync_error from error
            with contextlib.suppress(
                StepFailedError
            ):  # the next sync tries again, and the end of the segment for longer
                self._place.append(Path(file.name))
            with self._lock:  # the thread and the owner may sync at the same time
                self._synced = max(self._synced, appended)

    def _sync_each_second(self) -> None:
        while not self._closing:
            self._wake.wait(SYNC_SECONDS)
            self._wake.clear()
            try:
                self.sync()
            except StepFailedError:  # raised again by the next append(), or when the writer is closed
                return

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Sync all completions and close the segment, even after an error.

        Raises:
            StepFailedError: the sync failed. After another error, this one is added to it as a note instead.
        """
        self._closing = True
        self._wake.set()
        if self._syncer is not None:
            self._syncer.join()
        try:
            try:
                self.sync()
            finally:
                self._close()
        except StepFailedError as failure:
            if error is None:
                raise
            if error is not failure:
                error.add_note(str(failure))

    def _close(self) -> None:
        if self._file is None:
            return
        self._file.close()
        if self._sync_error is None:
            with contextlib.suppress(OSError):  # without it, readers check line by line
                write_sum(Path(self._file.name))
            self._place.publish(Path(self._file.name))
        self._file = None

    def _open(self) -> IO[bytes]:
        make_folder(self._folder)
        # Names sort by time of creation, so that the first of two equal keys is the older one.
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}{CHECKED}"
        self._file = (self._folder / name).open("xb", buffering=0)
        sync_folder(self._folder)
        self._syncer = threading.Thread(target=self._sync_each_second, daemon=True, name="ledger sync")
        self._syncer.start()
        return self._file


def _sync(descriptor: int) -> None:
    os.fsync(descriptor)


def _not_written(error: OSError, segment: str) -> StepFailedError:
    return StepFailedError(
        f"not all completions could be written to disk ({error.strerror or error})",
        where=segment,
        next_step="Check the disk, then run again to continue. Lines that were damaged are found and requested again.",
    )
