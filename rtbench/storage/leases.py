"""Locks between machines, as files that are created only if there is none of their name.

The files of a lock are numbered. Who creates the next number holds the lock, until it writes that the lock is free, or until it
is dead. Files stay: who was slow may still try to create one of them, and must not succeed. Each process that holds a lock
changes a file of its own every few seconds; one whose file has not changed for a while, or is gone, is dead. Clocks of machines
are not compared.

A holder that was cut off for longer, and comes back, is not stopped. What locks protect here can be done twice: the work of
steps and the requests of a ledger have content keys.
"""

from __future__ import annotations

import atexit
import contextlib
import platform
import threading
import time
import uuid
from collections.abc import Iterator

import msgspec

from rtbench.errors import BadInputError, RtbenchError
from rtbench.schema.base import Record
from rtbench.storage.objects import Objects

BEAT = 5.0
"""Seconds between two signs of life of a process."""
DEAD_AFTER = 30.0
"""Seconds without a sign of life after which a process counts as dead."""
POLL = 0.5


class _Holder(Record, frozen=True):
    """The content of a lock's newest file."""

    process: str
    """Id of the process that holds the lock; empty: the lock is free."""
    host: str
    """Its machine."""


_TORN = "torn "
_FREE = _Holder(process="", host="")


class Leases:
    """The locks below a URL.

    Args:
        objects: the files there.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._me = _Holder(process=uuid.uuid4().hex, host=platform.node())
        self._lock = threading.Lock()
        self._beating: threading.Thread | None = None
        self._ending = threading.Event()
        self._signs: dict[str, tuple[bytes, float]] = {}
        """Last sign of life of other processes, and when it was first seen."""
        self._dead: dict[str, bytes | None] = {}
        """Last sign of life of dead processes. One that gives another sign was only cut off."""
        self._held: dict[str, int] = {}
        """Numbers of the files of the locks that this process holds, by name."""
        self._unreleased: set[str] = set()
        """Files of locks that this process no longer holds, and could not say so."""

    @contextlib.contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Hold a lock. Waits until it is free."""
        self._live()
        number = self._taken(name)
        self._held[name] = number
        try:
            yield
        finally:
            del self._held[name]
            self._release(_file(name, number))

    @contextlib.contextmanager
    def shown(self, name: str) -> Iterator[None]:
        """Hold a lock whose name nobody else uses, so that others see it; remove its file at the end."""
        self._live()
        self._objects.put(_file(name, 1), msgspec.json.encode(self._me))
        try:
            yield
        finally:
            self._objects.remove([_file(name, 1)])

    def holders(self, prefix: str) -> dict[str, str]:
        """Return the machines of the holders of all locks below a name. Waits for signs of life, in all at once.

        Files of locks that dead processes have shown are removed.
        """
        files = self._objects.list(f"leases/{prefix}")
        owners = {name: owner for name in files if (owner := self._holder(name)) is not None and owner.process}
        found = {}
        last = {owner.process: self._last_sign(owner) for owner in owners.values()}
        for name, owner in owners.items():
            while not (is_dead := self._is_dead(owner)) and self._last_sign(owner) == last[owner.process]:
                time.sleep(POLL)
            if is_dead:
                self._objects.remove([name])
            else:
                found[name.rpartition("/")[0].removeprefix("leases/")] = owner.host
        return found

    def close(self) -> None:
        """Take this process's sign of life away."""
        self._ending.set()
        if self._beating is not None:
            self._beating.join(BEAT)
            with contextlib.suppress(RtbenchError):
                self._objects.remove([_alive(self._me)], tries=1)

    # ---- locks

    def _taken(self, name: str) -> int:
        """Return the number of the file with which the lock was taken."""
        while True:
            number = self._newest(name)
            owner = self._holder(_file(name, number)) if number else None
            is_free = owner is None or not owner.process or self._is_dead(owner) or self._is_left(owner, name, number)
            # A listing may be behind: whether a later number is there is asked by its name.
            if (
                is_free
                and self._objects.create(_file(name, number + 1), msgspec.json.encode(self._me))
                and not self._objects.exists(_file(name, number + 2))
            ):
                return number + 1
            if not is_free:
                time.sleep(POLL)

    def _is_left(self, owner: _Holder, name: str, number: int) -> bool:
        """Return whether a file is this process's own, of a lock that it no longer holds."""
        return owner == self._me and self._held.get(name) != number

    def _release(self, file: str) -> None:
        try:
            self._objects.put(file, msgspec.json.encode(_FREE), tries=2)
            self._unreleased.discard(file)
        except RtbenchError:  # tried again with each sign of life
            self._unreleased.add(file)

    def _newest(self, name: str) -> int:
        """Return the highest number of a lock's files; 0 where it was never taken."""
        names = [one.rpartition("/")[2] for one in self._objects.list(f"leases/{name}")]
        number = max((int(one) for one in names if one.isdecimal()), default=0)
        while self._objects.exists(_file(name, number + 1)):  # where the listing is behind
            number += 1
        return number

    def _holder(self, file: str) -> _Holder | None:
        """Return the content of a lock's file; None where it is gone. One that is torn is being written, or its writer died."""
        data = self._objects.read(file)
        try:
            return None if data is None else msgspec.json.decode(data, type=_Holder)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return _Holder(process=f"{_TORN}{file}", host="?")

    # ---- signs of life

    def _live(self) -> None:
        """Give signs of life from now on. The first one is there before a lock is taken."""
        with self._lock:
            if self._beating is None:
                self._check_creation()
                self._objects.put(_alive(self._me), b"0")
                self._beating = threading.Thread(target=self._beat, daemon=True, name="signs of life")
                self._beating.start()
                atexit.register(self.close)

    def _check_creation(self) -> None:
        """Check that a file is created only if there is none of its name, without which there are no locks.

        Raises:
            BadInputError: the driver or the server does not do that.
        """
        probe = f"alive/probe-{self._me.process}"
        created = [self._objects.create(probe, content) for content in (b"1", b"2")]
        self._objects.remove([probe])
        if created != [True, False]:
            raise BadInputError(
                "a file there can be created twice, so machines cannot keep out of each other's way",
                where=self._objects.url,
                next_step="Update the driver of its protocol, or use a server that knows conditional writes (If-None-Match).",
            )

    def _beat(self) -> None:
        beat = 0
        while not self._ending.wait(BEAT):
            beat += 1
            with contextlib.suppress(RtbenchError):  # the next one is soon
                self._objects.put(_alive(self._me), str(beat).encode(), tries=1)
                for file in list(self._unreleased):
                    self._release(file)

    def _is_dead(self, owner: _Holder) -> bool:
        """Return whether a process is dead, as far as is known by now."""
        if owner == self._me:
            return False
        process = owner.process
        sign = b"" if process.startswith(_TORN) else self._objects.read(_alive(owner))
        if sign is None or (process in self._dead and self._dead[process] == sign):
            self._dead[process] = sign
            return True
        now = time.monotonic()
        before, since = self._signs.get(process, (None, now))
        self._signs[process] = (sign, since if sign == before else now)
        if sign == before and now - since > DEAD_AFTER:
            self._dead[process] = sign
            return True
        return False

    def _last_sign(self, owner: _Holder) -> object:
        """Return what changes with a process's signs of life."""
        if owner == self._me:
            return object()
        return None if self._is_dead(owner) else self._signs[owner.process][0]


def _file(name: str, number: int) -> str:
    return f"leases/{name}/{number:012d}"


def _alive(owner: _Holder) -> str:
    return f"alive/{owner.process}"
