"""The ledger: every completion ever bought or computed, request by request.

Append-only JSON Lines segments, one writer each, in one folder per model, data set and prompt. A completion's key is
the hash of model fingerprint, exact prompt, sampling parameters, sample index and completion index; asking for 64
completions where 8 are there asks for 56. A line that a killed writer left unfinished is not read and not repaired:
its request is asked again and goes into the next writer's segment.
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
from rtbench.storage.files import locked, write_json
from rtbench.storage.keys import content_key, derived_seed

SYNC_EVERY = 256
"""Completions at most that a power cut can lose. (A killed process loses none: each append is a write of its own.)"""
SYNC_SECONDS = 1.0
"""Seconds after which what was appended is synced."""
_READ_BYTES = 1 << 20

_T = TypeVar("_T")


def make_request(
    fingerprint: str, dataset: str, sample_index: int, completion_index: int, prompt: str, sampling: Sampling
) -> Request:
    """A request with its content key and its own seed."""
    # A greedy completion does not depend on the seed, so the seed must not buy it twice.
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


class _Keyed(msgspec.Struct, frozen=True):
    """The one field that finding a completion needs."""

    key: str


class _Placed(msgspec.Struct, frozen=True):
    """What counting completions per sample needs."""

    key: str
    sample_index: int


class _UsageLine(msgspec.Struct, frozen=True):
    """What money follows from."""

    key: str
    usage: Usage | None = None


class Ledger:
    """All partitions under one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def partition(self, fingerprint: str, dataset: str, prompt: str) -> Partition:
        """The partition of a model, a data set and a prompt (name of its format and stage)."""
        return Partition(self.root / _folder(fingerprint) / _folder(dataset) / _folder(prompt))


class Partition:
    """The segments of one model, data set and prompt."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        return self.path.is_dir()

    def keys(self) -> set[str]:
        """Keys of all completions that are there."""
        return set(self._read(_key_of))

    def completions_per_sample(self) -> Counter[int]:
        """How many completions each sample has."""
        placed = {record.key: record.sample_index for record in self._read(msgspec.json.Decoder(_Placed).decode)}
        return Counter(placed.values())

    def usages(self) -> dict[str, Usage | None]:
        """Tokens of all completions that are there, by key; None where nobody counted."""
        found: dict[str, Usage | None] = {}
        for record in self._read(msgspec.json.Decoder(_UsageLine).decode):
            found.setdefault(record.key, record.usage)  # the first of equal keys counts, as for its text
        return found

    def load(self, keys: Collection[str] | None = None) -> dict[str, Completion]:
        """Completions by key; all of them, or those asked for that are there."""
        wanted = None if keys is None else set(keys)
        decoder = msgspec.json.Decoder(Completion)

        def asked_for(line: bytes) -> Completion | None:
            return decoder.decode(line) if wanted is None or _key_of(line) in wanted else None

        found: dict[str, Completion] = {}
        for record in self._read(asked_for):
            found.setdefault(record.key, record)
        return found

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Waits until nobody else asks for completions of the partition, and keeps others waiting: what two steps share
        is looked up by the second when the first has asked for it, not asked for (and paid) twice."""
        self.path.mkdir(parents=True, exist_ok=True)
        with locked(self.path / "asking.lock"):
            yield

    def writer(self) -> Writer:
        """A new segment to append to."""
        return Writer(self.path)

    def note(self, name: str) -> Any:
        """Reads a small JSON note that stands beside the segments (a recording's origin); None where there is none."""
        path = self.path / f"{name}.json"
        return msgspec.json.decode(path.read_bytes()) if path.is_file() else None

    def write_note(self, name: str, value: Any) -> None:
        write_json(self.path / f"{name}.json", value)

    def _read(self, of_line: Callable[[bytes], _T | None]) -> Iterator[_T]:
        """What ``of_line`` makes of each whole line, but None. One line at a time: a segment may outgrow the memory."""
        if not self.path.is_dir():
            return
        for segment in sorted(self.path.glob("*.jsonl")):
            with segment.open("rb", buffering=_READ_BYTES) as file:
                for number, line in enumerate(file, 1):
                    if line[-1:] != b"\n":  # a killed writer's last
                        break
                    if line == b"\n":
                        continue
                    try:
                        found = of_line(line)
                    except msgspec.MsgspecError as error:
                        raise BadInputError(
                            f"a line is no completion: {error}",
                            where=f"{segment}, line {number}",
                            next_step="Something else wrote into this ledger. Move the segment away; its completions "
                            "will be asked for again.",
                        ) from None
                    if found is not None:
                        yield found


class Writer:
    """Appends completions to a segment of its own and syncs them to disk at most a second or 256 completions later, by a
    thread of its own where the model lets one wait longer for the next."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._encoder = msgspec.json.Encoder()
        self._appended = 0
        self._synced = 0
        """Of those appended, so many from the first on are on the disk for certain."""
        self._lock = threading.Lock()
        self._fault: StepFailedError | None = None
        """Why the disk did not take what was appended."""
        self._wake = threading.Event()
        self._closing = False
        self._syncer: threading.Thread | None = None

    def append(self, completion: Completion) -> None:
        """Append one completion.

        Raises:
            StepFailedError: the disk refused to sync what was appended before.
            OSError: it refuses this one.
        """
        line = self._encoder.encode(completion) + b"\n"
        with self._lock:
            if self._fault is not None:
                raise self._fault
            file = self._file or self._open()
            while line:  # a full disk takes a part, and then refuses the rest: the segment ends with a torn line
                line = line[file.write(line) :]
            self._appended += 1
            unsynced = self._appended - self._synced
        if unsynced >= SYNC_EVERY:
            self.sync()
        elif unsynced == SYNC_EVERY // 2:  # the thread does it meanwhile: a disk's milliseconds hold nobody up
            self._wake.set()

    def sync(self) -> None:
        """Return when everything appended so far is on the disk.

        A failure is final: the kernel may have dropped the pages that it could not write, and then reports the next fsync
        of them as a success.

        Raises:
            StepFailedError: the disk refuses, or refused before.
        """
        with self._lock:
            if self._fault is not None:
                raise self._fault
            file, appended = self._file, self._appended
        if file is not None and appended > self._synced:
            try:
                os.fsync(file.fileno())
            except OSError as error:
                with self._lock:
                    self._fault = self._fault or _not_synced(error, file.name)
                raise self._fault from error
            with self._lock:  # thread and owner may sync at once
                self._synced = max(self._synced, appended)

    def _sync_each_second(self) -> None:
        while not self._closing:
            self._wake.wait(SYNC_SECONDS)
            self._wake.clear()
            try:
                self.sync()
            except StepFailedError:  # raised again where the work goes on, or ends
                return

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keep what is finished, whatever ended the work.

        Raises:
            StepFailedError: it is not certain to be on the disk. Where the work has failed already, its error carries this
                as a note.
        """
        self._closing = True
        self._wake.set()
        if self._syncer is not None:
            self._syncer.join()
        try:
            self.sync()
        except StepFailedError as fault:
            if error is None:
                raise
            if error is not fault:
                error.add_note(str(fault))
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


def _not_synced(error: OSError, segment: str) -> StepFailedError:
    return StepFailedError(
        f"the disk did not take all completions ({error.strerror or error})",
        where=segment,
        next_step="Check the disk, then run again to go on. Delete this segment first where its completions may be damaged: "
        "they are asked for again.",
    )


def _folder(name: str) -> str:
    """A name as a safe folder name; a digest keeps two names apart that look alike once made safe."""
    safe = re.sub(r"[^A-Za-z0-9._@=-]+", "_", name).strip("._")[:80]
    if safe == name:
        return safe
    return f"{safe}-{sha256(name.encode()).hexdigest()[:8]}"


def _key_of(line: bytes) -> str:
    """A line's key; cut out where the line is as the writer writes it, which is several times faster than decoding."""
    key = line[8:40]
    if line[:8] == b'{"key":"' and line[40:42] == b'",' and b'"' not in key:
        return key.decode()
    return msgspec.json.decode(line, type=_Keyed).key
