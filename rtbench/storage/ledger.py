"""The ledger: all completions that were paid for or generated.

Each combination of model, data set and prompt has a folder of append-only JSON Lines segments, and each writer has a
segment of its own. A completion's key is the hash of model fingerprint, exact prompt, sampling parameters, sample index
and completion index. If 64 completions are needed and 8 are stored, only 56 are requested. The unfinished line of a
killed writer is ignored: its request is sent again, and the completion goes into the next writer's segment.

Each line ends with a checksum of itself (:mod:`rtbench.storage.lines`). A line that has changed is left out and named in
``Ledger.damaged``, and its request is sent again.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from rtbench.errors import listed
from rtbench.schema.completions import Completion, Request, Sampling, Usage
from rtbench.storage.appending import Writer
from rtbench.storage.keys import content_key, derived_seed
from rtbench.storage.lines import CHECKED, PLAIN, sum_path, write_sum
from rtbench.storage.locks import try_locked
from rtbench.storage.place import ASKING, Place
from rtbench.storage.records import read_record, write_record
from rtbench.storage.segments import Damage, examined, intact_lines, lines_text, read_lines
from rtbench.storage.writing import free_name, make_folder, write_atomic

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

    def __init__(self, root: Path, place: Place | None = None) -> None:
        self.root = root
        self._place = place or Place(root.parent)
        self.damaged: Damage = {}
        """Lines that were left out because they have changed since they were written."""

    def partition(self, fingerprint: str, dataset: str, prompt: str) -> Partition:
        """Return the partition of a model, a data set and a prompt (name of its format and stage)."""
        path = self.root / _folder(fingerprint) / _folder(dataset) / _folder(prompt)
        return Partition(path, self.damaged, self._place)

    def partition_of(self, segment: Path) -> Partition:
        """Return the partition that a segment belongs to."""
        return Partition(segment.parent, self.damaged, self._place)

    def damage_below(self, path: Path) -> str:
        """Return the segments below a folder in which damaged lines were found so far, with their lines; empty: none was."""
        found = {segment: lines for segment, lines in self.damaged.items() if segment.is_relative_to(path)}
        return listed([f"{segment}, {lines_text(lines)}" for segment, lines in found.items()], 3)

    def partitions(self) -> Iterator[Partition]:
        """Yield all partitions that are stored."""
        for path in sorted(self.root.glob("*/*/*")):
            if path.is_dir() and not path.name.startswith("."):
                yield Partition(path, self.damaged, self._place)


class Partition:
    """The segments of one model, data set and prompt.

    Args:
        path: folder of the segments.
        damaged: takes the damaged lines that are found; see ``Ledger.damaged``.
        place: of the workspace; None: a folder.
    """

    def __init__(self, path: Path, damaged: Damage | None = None, place: Place | None = None) -> None:
        self.path = path
        self.damaged = {} if damaged is None else damaged
        self._place = place or Place(path)

    def beside(self, ending: str) -> Partition:
        """Return the partition of the same model and data set whose prompt's name has an ending."""
        return Partition(self.path.with_name(self.path.name + ending), self.damaged, self._place)

    def segments(self) -> list[Path]:
        """Return the segments, oldest first."""
        return sorted(self.path.glob(f"*{PLAIN}"))

    def exists(self) -> bool:
        """Return whether completions are stored at this address."""
        return self.path.is_dir()

    def size(self) -> int:
        """Return the bytes of all segments."""
        return sum(segment.stat().st_size for segment in self.segments())

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
        found = self._loaded(wanted)
        # A stored completion never changes: only those that are not here may be elsewhere.
        if wanted is not None and (lacking := wanted - found.keys()) and self._place.fetch(self.path):
            found |= self._loaded(lacking)
        return found

    def _refetched(self) -> bool:
        """Get damaged segments again from where the workspace is kept, and return whether any was there."""
        got = [one for one in self.damaged if one.parent == self.path and self._place.refetch(one)]
        for segment in got:
            del self.damaged[segment]
        return bool(got)

    def _loaded(self, wanted: set[str] | None) -> dict[str, Completion]:
        decoder = msgspec.json.Decoder(Completion)

        def wanted_only(line: bytes) -> Completion | None:
            return decoder.decode(line) if wanted is not None and _key_of(line) in wanted else None

        found: dict[str, Completion] = {}
        for record in self._read(decoder.decode if wanted is None else wanted_only, strip=True):
            found.setdefault(record.key, record)
        return found

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the partition's lock while completions are looked up and requested. Waits until the lock is free.

        When two steps share requests, the second then finds the completions of the first, and nothing is paid twice.
        """
        make_folder(self.path)
        with self._place.alone(self.path / ASKING):
            self._place.fetch(self.path)
            self._place.publish_leftovers(self.path)  # what is found here, others must find too
            yield

    def writer(self) -> Writer:
        """Return a writer that appends to a new segment."""
        return Writer(self.path, self._place)

    def note(self, name: str, type_: type[_T]) -> _T | None:
        """Return a small record about the partition, such as a recording's origin; None where it has none.

        Raises:
            DamagedError: the record's file is damaged.
        """
        path = self.path / f"{name}.json"
        return read_record(path, type_) if path.is_file() else None

    def write_note(self, name: str, value: Any) -> None:
        """Store a record in the partition's folder, in place of an earlier one of this name."""
        write_record(self.path / f"{name}.json", value)
        self._place.publish(self.path / f"{name}.json")

    def cut_out_damage(self, segment: Path, aside: Path) -> bool:
        """Write a segment anew, with its intact lines only and a checksum for each; return False where the partition is in use.

        Where lines were damaged, the old segment is kept in the folder ``aside``, and notes on the partition are removed: what
        they say of its completions is no longer true.
        """
        with try_locked(self.path / ASKING) as ours:
            if not ours:
                return False
            _, damaged = examined(segment)
            if damaged and self._place.refetch(segment):  # only this machine's copy was damaged
                _, damaged = examined(segment)
            if damaged:
                kept = free_name(aside / f"ledger-{segment.name}")
                write_atomic(kept, segment.read_bytes())
                for note in self.path.glob("*.json"):
                    note.unlink(missing_ok=True)
                    self._place.withdraw(note)
            target = segment.with_name(segment.name.removesuffix(CHECKED).removesuffix(PLAIN) + CHECKED)
            sum_path(target).unlink(missing_ok=True)  # first: it would say that the end of the new one is missing
            write_atomic(target, b"".join(intact_lines(segment)))
            write_sum(target)
            self._place.publish(target)
            if target != segment:
                segment.unlink()
                sum_path(segment).unlink(missing_ok=True)
                self._place.withdraw(segment)
            self.damaged.pop(segment, None)
        return True

    def _read(self, of_line: Callable[[bytes], _T | None], *, strip: bool = False) -> Iterable[_T]:
        """Return ``of_line`` of each complete and intact line, except None.

        Args:
            of_line: reads a line.
            strip: leave out the line's checksum, which a reader of whole records does not know.
        """
        batches = list(self._batches(of_line, strip=strip))
        if self._refetched():
            batches = list(self._batches(of_line, strip=strip))
        return chain.from_iterable(batches)  # as fast as a loop over the lists

    def _batches(self, of_line: Callable[[bytes], _T | None], *, strip: bool) -> Iterator[list[_T]]:
        for segment in self.segments() if self.path.is_dir() else ():
            try:
                yield from read_lines(segment, of_line, self.damaged, strip=strip)
            except FileNotFoundError:  # written anew meanwhile, with checksums
                anew = segment.with_name(segment.name.removesuffix(PLAIN) + CHECKED)
                yield from read_lines(anew, of_line, self.damaged, strip=strip)


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
