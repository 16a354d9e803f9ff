"""The ledger: all completions that were paid for or generated.

Each combination of model, data set and prompt has a folder of append-only JSON Lines segments, and each writer has a
segment of its own. A completion's key is the hash of model fingerprint, exact prompt, sampling parameters, sample index
and completion index. If 64 completions are needed and 8 are stored, only 56 are requested. The unfinished line of a
killed writer is ignored: its request is sent again, and the completion goes into the next writer's segment.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TypeVar

import msgspec

from rtbench.errors import BadInputError, StepFailedError
from rtbench.schema.completions import Completion, Request, Sampling, Usage
from rtbench.storage.files import locked, read_json, write_json
from rtbench.storage.keys import content_key, derived_seed

SYNC_EVERY = 256
"""Maximum number of completions that a power cut can lose. A killed process loses none: appends are unbuffered."""
SYNC_SECONDS = 1.0
"""Seconds after which appended completions are synced."""
_READ_BYTES = 1 << 20

_T = TypeVar("_T")


def make_request(
    fingerprint: str, dataset: str, sample_index: int, completion_index: int, prompt: str, sampling: Sampling
) -> Request:
    """Return a request with its content key and its own seed."""
    # A greedy completion does not depend on the seed, so another seed must not buy it again.
    seed = 0 if sampling.temperature == 0 else sampling.seed
    keyed = msgspec.structs.replace(sampling, seed=seed)
    return Request(
        task=dataset,
        sample_index=sample_index,
        completion_index=completion_index,
        prompt=prompt,
        sampling=keyed,
        key=content_key("request", fingerprint, prompt, keyed, dataset, sample_index, completion_index),
        seed=derived_seed("completion", seed, dataset, sample_index, completion_index),
    )


class _KeyLine(msgspec.Struct, frozen=True):
    """The field of a line by which a completion is looked up."""

    key: str


class _SampleLine(msgspec.Struct, frozen=True):
    """The fields of a line that are needed to count completions per sample."""

    key: str
    sample_index: int


class _UsageLine(msgspec.Struct, frozen=True):
    """The fields of a line from which its cost is computed."""

    key: str
    usage: Usage | None = None


class Ledger:
    """All partitions in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def partition(self, fingerprint: str, dataset: str, prompt: str) -> Partition:
        """Return the partition of a model, a data set and a prompt (name of its format and stage)."""
        return Partition(self.root / _folder(fingerprint) / _folder(dataset) / _folder(prompt))


class Partition:
    """The segments of one model, data set and prompt."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def beside(self, ending: str) -> Partition:
        """Return the partition of the same model and data set whose prompt's name has an ending."""
        return Partition(self.path.with_name(self.path.name + ending))

    def exists(self) -> bool:
        """Return whether completions are stored at this address."""
        return self.path.is_dir()

    def keys(self) -> set[str]:
        """Return the keys of all stored completions."""
        return set(self._read(_key_of))

    def completions_per_sample(self) -> Counter[int]:
        """Return the number of completions of each sample."""
        sample_by_key = {
            record.key: record.sample_index for record in self._read(msgspec.json.Decoder(_SampleLine).decode)
        }
        return Counter(sample_by_key.values())

    def usages(self) -> dict[str, Usage | None]:
        """Return the token usage of all stored completions, by key; None where it is unknown."""
        found: dict[str, Usage | None] = {}
        for record in self._read(msgspec.json.Decoder(_UsageLine).decode):
            found.setdefault(record.key, record.usage)  # of equal keys, the first counts, as in load()
        return found

    def load(self, keys: Collection[str] | None = None) -> dict[str, Completion]:
        """Return stored completions by key: all, or those with the given keys."""
        wanted = None if keys is None else set(keys)
        decoder = msgspec.json.Decoder(Completion)

        def wanted_only(line: bytes) -> Completion | None:
            return decoder.decode(line) if wanted is None or _key_of(line) in wanted else None

        found: dict[str, Completion] = {}
        for record in self._read(wanted_only):
            found.setdefault(record.key, record)
        return found

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the partition's lock while completions are looked up and requested. Waits until the lock is free.

        When two steps share requests, the second then finds the completions of the first, and nothing is paid twice.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with locked(self.path / "asking.lock"):
            yield

    def writer(self) -> Writer:
        """Return a writer that appends to a new segment."""
        return Writer(self.path)

    def note(self, name: str, type_: type[_T]) -> _T | None:
        """Return a small record about the partition, such as a recording's origin; None where it has none.

        Raises:
            BadInputError: the record's file is damaged.
        """
        path = self.path / f"{name}.json"
        return read_json(path, type_) if path.is_file() else None

    def write_note(self, name: str, value: Any) -> None:
        """Store a record in the partition's folder, in place of an earlier one of this name."""
        write_json(self.path / f"{name}.json", value)

    def _read(self, of_line: Callable[[bytes], _T | None]) -> Iterator[_T]:
        """Yield ``of_line`` of each complete line, except None. Lines are read one by one, to save memory."""
        if not self.path.is_dir():
            return
        for segment in sorted(self.path.glob("*.jsonl")):
            with segment.open("rb", buffering=_READ_BYTES) as file:
                for number, line in enumerate(file, 1):
                    if line[-1:] != b"\n":  # the last line of a killed writer
                        break
                    if line == b"\n":
                        continue
                    try:
                        found = of_line(line)
                    except msgspec.MsgspecError as error:
                        raise BadInputError(
                            f"not a valid completion: {error}",
                            where=f"{segment}, line {number}",
                            next_step="Another program has changed this ledger. Move the segment away. Its completions "
                            "are then requested again.",
                        ) from None
                    if found is not None:
                        yield found


class Writer:
    """Appends completions to its own segment, and syncs them to disk after at most one second or 256 completions.

    A thread syncs them where the next completion takes longer than that.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
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
            OSError: this completion could not be written.
        """
        line = self._encoder.encode(completion) + b"\n"
        with self._lock:
            if self._sync_error is not None:
                raise self._sync_error
            file = self._file or self._open()
            while line:  # a full disk may accept a part only, and the segment then ends with an unfinished line
                line = line[file.write(line) :]
            self._appended += 1
            unsynced = self._appended - self._synced
        if unsynced >= SYNC_EVERY:
            self.sync()
        elif unsynced == SYNC_EVERY // 2:  # the thread syncs in the background, so that append() rarely waits
            self._wake.set()

    def sync(self) -> None:
        """Sync all completions appended so far to disk.

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
                os.fsync(file.fileno())
            except OSError as error:
                with self._lock:
                    self._sync_error = self._sync_error or _not_written(error, file.name)
                raise self._sync_error from error
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
            self.sync()
        except StepFailedError as failure:
            if error is None:
                raise
            if error is not failure:
                error.add_note(str(failure))
        finally:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _open(self) -> IO[bytes]:
        self._folder.mkdir(parents=True, exist_ok=True)
        # Names sort by time of creation, so that the first of two equal keys is the older one.
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.jsonl"
        self._file = (self._folder / name).open("xb", buffering=0)
        self._syncer = threading.Thread(target=self._sync_each_second, daemon=True, name="ledger sync")
        self._syncer.start()
        return self._file


def _not_written(error: OSError, segment: str) -> StepFailedError:
    return StepFailedError(
        f"not all completions could be written to disk ({error.strerror or error})",
        where=segment,
        next_step="Check the disk, then run again to continue. If the segment may be damaged, delete it first: its "
        "completions are then requested again.",
    )


def _folder(name: str) -> str:
    """Return a name as a safe folder name. Where characters are replaced, a digest keeps different names distinct."""
    safe = re.sub(r"[^A-Za-z0-9._@=-]+", "_", name).strip("._")[:80]
    if safe == name:
        return safe
    return f"{safe}-{sha256(name.encode()).hexdigest()[:8]}"


def _key_of(line: bytes) -> str:
    """Return a line's key. In the writer's own layout it is sliced out, which is several times faster than decoding."""
    key = line[8:40]
    if line[:8] == b'{"key":"' and line[40:42] == b'",' and b'"' not in key:
        return key.decode()
    return msgspec.json.decode(line, type=_KeyLine).key
