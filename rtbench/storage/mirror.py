"""A workspace below a URL, with a copy of its files on this machine.

Everything is written here first, exactly as in a workspace that is a folder, and is then published. What a killed process has
written and not published is published by the next run on this machine.

An open segment of the ledger is published in parts, which are small segments of their own, each time it is synced; when it is
closed, the whole segment takes their place. A step's ``meta.json`` is published after its other files. A machine that is lost
therefore loses what a power cut loses: at most a second or 256 completions, and the steps that were not finished.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from rtbench.errors import BadInputError
from rtbench.storage.known import Known, Version
from rtbench.storage.leases import Leases
from rtbench.storage.lines import CHECKED, sum_path
from rtbench.storage.locks import locked, try_locked
from rtbench.storage.objects import Objects
from rtbench.storage.paths import check_relative, inside
from rtbench.storage.place import ACCOUNT, ASKING, FORMAT_FILE, META, Place
from rtbench.storage.writing import TEMPORARY, make_folder, write_atomic

_FOLDERS = ("ledger", "store", "runs", "batches")
_PART = ".part-"
_MINE = ".mirror"
_ACTIVE = "active"
_APPEND_TRIES = 3
"""The next sync, or the end of the segment, tries again."""


class Mirror(Place):
    """A workspace that several machines share.

    Args:
        url: where it is kept.
        root: folder of this machine's copy.

    Raises:
        BadInputError: the address is wrong.
        MissingExtraError: its driver is not installed.
    """

    def __init__(self, url: str, root: Path) -> None:
        super().__init__(root)
        self._objects = Objects(url)
        self.url = self._objects.url
        self._leases = Leases(self._objects)
        self._known = Known(root / _MINE / "known.jsonl")
        self._lock = threading.Lock()
        self._published: dict[Path, list[int]] = {}
        """Offsets at which the published parts of an open segment begin; the last one is where the next part begins."""

    # ---- from the place to this machine

    def fetch(self, path: Path) -> bool:
        prefix = self._name(path)
        in_subfolder = _in_subfolder(f"{prefix}/x")
        with self._fetching():
            there = {name: stamp for name, stamp in self._listed(prefix).items() if _is_shared(name)}
            known = self._known.all()
            names = sorted(there) if in_subfolder else [name for name in _complete(there) if not _in_subfolder(name)]
            for name in names:
                if self._is_newer(name, there, known):
                    self._get(name, there[name])
            gone = {name for name in known if name not in there and _is_below(name, prefix)}
            self._forget(name for name in gone if in_subfolder or not _in_subfolder(name))
            if not prefix:
                self._known.compact()
        return bool(names)

    def holds(self, path: Path) -> bool:
        return bool(self._objects.list(self._name(path)))

    def _listed(self, prefix: str) -> dict[str, str]:
        """Return the stamps of the files below a name: for the whole workspace, without its locks, which are many.

        Raises:
            BadInputError: the whole workspace was removed. This machine's copy is not.
        """
        if prefix:
            return self._objects.list(prefix)
        stamps = {name: stamp for top in _FOLDERS for name, stamp in self._objects.list(top).items()}
        stamp = self._objects.stamp(FORMAT_FILE)
        if stamp is not None:
            return {**stamps, FORMAT_FILE: stamp}
        if FORMAT_FILE in self._known.all():
            raise BadInputError(
                f"the workspace is gone from there: it has no {FORMAT_FILE}",
                where=str(self.url),
                next_step=f"If it was removed on purpose, remove this machine's copy too: {self.root}",
            )
        return stamps

    def _is_newer(self, name: str, there: Mapping[str, str], known: Mapping[str, Version]) -> bool:
        """Return whether this machine lacks a file's version. Parts of a segment that it has, or that is there, are not needed."""
        whole = _whole_of(name)
        if whole is not None and (whole in there or self._path(whole).exists()):
            return False
        return name not in known or known[name].stamp != there[name] or not self._path(name).exists()

    def _get(self, name: str, stamp: str) -> bool:
        path = self._path(name)
        if self._objects.get(name, path):
            self._known.add(name, stamp, path)
            return True
        return False  # removed meanwhile

    def _forget(self, names: Iterable[str]) -> None:
        """Remove files that others have removed. A listing may be behind, so each is asked for by its name."""
        for name in sorted(names, key=lambda name: not name.endswith(f"/{META}")):
            if not self._objects.exists(name):
                self._path(name).unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # not empty
                    self._path(name).parent.rmdir()
                self._known.drop(name)

    @contextlib.contextmanager
    def _fetching(self) -> Iterator[None]:
        make_folder(self.root / _MINE)
        with locked(self.root / _MINE / "fetch.lock"):
            yield

    # ---- from this machine to the place

    def publish(self, path: Path) -> None:
        if not _is_shared(self._name(path)):
            return
        if path.is_dir():
            for file in _step_files(path):
                self._put(file)
            return
        self._put(path)
        if self._name(path).startswith("ledger/") and path.name.endswith(CHECKED):
            if (stated := sum_path(path)).exists():
                self._put(stated)
            self._drop_parts(path)

    def _put(self, path: Path) -> None:
        name = self._name(path)
        self._known.add(name, self._objects.put(name, path), path)

    def publish_other(self, path: Path, content: bytes) -> None:
        name = self._name(path)
        self._known.add_remote(name, self._objects.put(name, content))

    def append(self, segment: Path) -> None:
        with self._lock:
            offsets = self._published.setdefault(segment, [0])
            with segment.open("rb") as file:
                file.seek(offsets[-1])
                data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            if whole:
                name = self._name(_part(segment, offsets[-1]))
                self._known.add_remote(name, self._objects.put(name, whole, tries=_APPEND_TRIES))
                offsets.append(offsets[-1] + len(whole))

    def _drop_parts(self, segment: Path) -> None:
        """Remove the parts of a segment that was published whole, those that a killed process has left included."""
        prefix = self._name(_part(segment, 0)).rpartition(_PART)[0] + _PART
        with self._lock:
            offsets = self._published.pop(segment, [])
        names = {self._name(_part(segment, offset)) for offset in offsets[:-1]}
        names |= {name for name in self._known.all() if name.startswith(prefix)}
        self._objects.remove(sorted(names))
        for name in names:
            self._known.drop(name)

    def withdraw(self, path: Path) -> None:
        if not _is_shared(name := self._name(path)):
            return
        names = [one for one in self._objects.list(name) if _is_below(one, name)] or [name]
        self._objects.remove(sorted(names, key=lambda one: not one.endswith(f"/{META}")))
        for one in names:
            self._known.drop(one)

    def refetch(self, path: Path) -> bool:
        name = self._name(path)
        stamp = self._objects.stamp(name)
        return stamp is not None and self._get(name, stamp)

    def publish_leftovers(self, path: Path) -> None:
        known = self._known.all()
        for folder, files in self._folders(path):
            # A segment to which somebody appends is not left over.
            is_ledger = self._name(folder).startswith("ledger/")
            with try_locked(folder / ASKING) if is_ledger and folder != path else contextlib.nullcontext(True) as free:
                for file in files if free else ():
                    with contextlib.suppress(FileNotFoundError):  # a note that was just removed
                        if _changed(known.get(self._name(file)), file):
                            self.publish(file)

    def _folders(self, path: Path) -> Iterator[tuple[Path, list[Path]]]:
        """Yield folders with their files to share: for a finished step, all of its files, meta.json last; no accounts."""
        if path != self.root:
            yield path, [file for file in _step_files(path) if _is_shared(self._name(file))]
            return
        for step in sorted(self.root.glob("store/[!.]*/*")):
            if (step / META).is_file():
                yield step, _step_files(step)
        for top in ("ledger", "runs", "batches"):
            for folder, _, names in os.walk(self.root / top):
                files = [Path(folder, name) for name in sorted(names) if not name.endswith(ACCOUNT)]
                if shared := [file for file in files if _is_shared(self._name(file))]:
                    yield Path(folder), shared

    # ---- against other machines

    @contextlib.contextmanager
    def alone(self, lock: Path) -> Iterator[None]:
        with locked(lock), self._leases.held(self._name(lock)):
            yield

    @contextlib.contextmanager
    def running(self, name: str, *, exclusive: bool) -> Iterator[None]:
        """Say that a run is running, and publish what killed processes have left on this machine.

        Raises:
            BadInputError: another machine runs it.
        """
        with self._leases.shown(f"{_ACTIVE}/{name}@{self._copy}-{os.getpid()}-{secrets.token_hex(2)}"):
            if exclusive and (host := self._others().get(name)) is not None:
                raise BadInputError(
                    f"the run {name} is running on {host}",
                    where=str(self.url),
                    next_step="Wait for its end, or give this one another --name.",
                )
            self.fetch(self.root)
            self.publish_leftovers(self.root)
            yield

    def running_elsewhere(self) -> list[str]:
        return sorted(self._others())

    def _others(self) -> dict[str, str]:
        """Return the runs of other machines, and the machines. Takes a while where one was killed."""
        found = {}
        for lease, host in self._leases.holders(_ACTIVE).items():
            name, _, rest = lease.removeprefix(f"{_ACTIVE}/").rpartition("@")
            if rest.partition("-")[0] != self._copy:
                found[name] = host
        return found

    @property
    def _copy(self) -> str:
        """Return the id of this machine's copy of the workspace."""
        path = self.root / _MINE / "copy"
        if not path.exists():
            with self._fetching():
                if not path.exists():
                    write_atomic(path, secrets.token_hex(8).encode())
        return path.read_text(encoding="ascii")

    # ---- names

    def _name(self, path: Path) -> str:
        name = path.relative_to(self.root).as_posix()
        return "" if name == "." else name

    def _path(self, name: str) -> Path:
        return inside(self.root, name)  # names come from outside


def _part(segment: Path, offset: int) -> Path:
    """Return the path of the part of a segment that begins at an offset."""
    return segment.with_name(f"{segment.name.removesuffix(CHECKED)}{_PART}{offset:012d}{CHECKED}")


def _whole_of(name: str) -> str | None:
    """Return the name of the segment that a part belongs to; None for all other files."""
    stem, is_part, _ = name.rpartition(_PART)
    return f"{stem}{CHECKED}" if is_part and name.endswith(CHECKED) else None


def _complete(there: Mapping[str, str]) -> list[str]:
    """Return the names without those of steps that lack their meta.json; each step's meta.json comes last."""
    finished = {PurePosixPath(name).parts[:3] for name in there if name.endswith(f"/{META}")}
    names = [name for name in there if not name.startswith("store/") or PurePosixPath(name).parts[:3] in finished]
    return sorted(names, key=lambda name: (name.endswith(f"/{META}"), name))


def _step_files(folder: Path) -> list[Path]:
    """Return all files below a folder; that which says that a step is finished comes last."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return sorted(files, key=lambda path: path == folder / META)


def _is_shared(name: str) -> bool:
    """Return whether a file belongs to the workspace, and not to a process or a machine."""
    try:
        path = PurePosixPath(check_relative(name, where=name))
    except BadInputError:  # written by something else
        return False
    hidden = any(part.startswith(".") for part in path.parts)
    is_ours = path.parts[0] in _FOLDERS or name == FORMAT_FILE
    return is_ours and not hidden and path.suffix not in {".lock", TEMPORARY}


def _in_subfolder(name: str) -> bool:
    """Return whether a file is in a subfolder of a step's folder, as weights are."""
    return name.startswith("store/") and name.count("/") > 3


def _is_below(name: str, prefix: str) -> bool:
    return not prefix or name == prefix or name.startswith(f"{prefix}/")


def _changed(known: Version | None, path: Path) -> bool:
    """Return whether a file is not the version that was last fetched or published."""
    stat = path.stat()
    return known is None or (known.size, known.changed) != (stat.st_size, stat.st_mtime_ns)
