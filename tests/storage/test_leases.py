"""Locks between machines: files that are created only if there is none of their name."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from rtbench.storage import leases
from rtbench.storage.leases import Leases
from rtbench.storage.objects import Objects
from tests.helpers.s3_server import s3_environment, s3_server

# Drivers forget connections that a server has cut.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "BEAT", 0.1)
    monkeypatch.setattr(leases, "DEAD_AFTER", 1.0)
    monkeypatch.setattr(leases, "POLL", 0.01)


@pytest.fixture
def nobody_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs of life may be late on a busy machine. A lock that is taken in the test's time was then given back."""
    monkeypatch.setattr(leases, "DEAD_AFTER", 3600.0)


def refuse_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, no lock may be waited for."""

    def sleep(_: float) -> None:
        raise AssertionError("a lock is waited for")

    monkeypatch.setattr(leases, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))


def at_once(places: list[Leases], turns: int) -> int:
    """Take a lock in a thread for each place, again and again; return how many were in it at once at most."""
    inside, most, errors = [0], [0], list[BaseException]()

    def take(place: Leases) -> None:
        try:
            for _ in range(turns):
                with place.held("a/b.lock"):
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    time.sleep(0.005)
                    inside[0] -= 1
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=take, args=(place,)) for place in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
    return most[0]


@pytest.mark.usefixtures("nobody_dies")
def test_one_holds_a_lock_at_a_time(tmp_path: Path) -> None:
    assert at_once([Leases(Objects(f"file://{tmp_path}/ws")) for _ in range(4)], 5) == 1


@pytest.mark.parametrize(
    ("shares", "behind"),
    [({}, 0.5), ({"busy": 0.05, "dropped": 0.05, "lost": 0.05, "torn": 0.05}, 0.0)],
    ids=["listings are behind", "faults"],
)
def test_one_holds_a_lock_on_a_server_that_misbehaves(
    shares: dict[str, float], behind: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A beat may be late. A file can remain torn, though rarely, and its lock is then free only when it counts as dead.
    monkeypatch.setattr(leases, "DEAD_AFTER", 120.0 if shares else 3600.0)
    with s3_server() as (address, faults):
        for name, value in s3_environment(address).items():
            monkeypatch.setenv(name, value)
        faults.behind = behind
        places = [Leases(Objects(f"s3://bucket/ws{address[-5:]}")) for _ in range(2)]
        faults.shares = shares
        assert at_once(places, 6) == 1
        assert bool(faults.met) == bool(shares)


def test_a_lock_whose_holder_died_is_free_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dead, living = (Leases(Objects(f"file://{tmp_path}/ws")) for _ in range(2))
    held = [dead.held(name) for name in ("x.lock", "y.lock")]
    for one in held:
        one.__enter__()
    dead._ending.set()  # its process was killed
    started = time.monotonic()
    with living.held("x.lock"):
        assert time.monotonic() - started >= leases.DEAD_AFTER
        refuse_waits(monkeypatch)
        monkeypatch.setattr(leases, "DEAD_AFTER", 3600.0)
        with living.held("y.lock"):  # known to be dead
            pass


def count_waits(monkeypatch: pytest.MonkeyPatch, then: Callable[[int], None]) -> list[int]:
    """Put a clock of the test's own in place of the real one. Who waits for a lock moves it on by almost the time after which
    a process counts as dead.

    Args:
        monkeypatch: of the test.
        then: what happens during a wait, given its number.

    Returns:
        numbers of the waits so far.
    """
    waits = list[int]()

    def sleep(_: float) -> None:
        waits.append(len(waits) + 1)
        then(len(waits))

    clock = SimpleNamespace(monotonic=lambda: 0.9 * leases.DEAD_AFTER * len(waits), sleep=sleep)
    monkeypatch.setattr(leases, "time", clock)
    monkeypatch.setattr(leases, "BEAT", 3600.0)  # signs of life are given by the test
    return waits


def test_a_holder_that_lives_keeps_its_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, others = (Leases(Objects(f"file://{tmp_path}/ws")) for _ in range(2))
    lock = mine.held("x.lock")

    def live_and_release(wait: int) -> None:
        mine._objects.put(leases._alive(mine._me), f"sign {wait}".encode())
        if wait == 10:
            lock.__exit__(None, None, None)

    waits = count_waits(monkeypatch, live_and_release)
    lock.__enter__()
    with others.held("x.lock"):
        assert waits[-1] == 10
    assert not others._dead


def test_a_holder_loses_its_lock_when_its_signs_of_life_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, others = (Leases(Objects(f"file://{tmp_path}/ws")) for _ in range(2))

    def live(wait: int) -> None:
        if wait <= 10:
            mine._objects.put(leases._alive(mine._me), f"sign {wait}".encode())

    waits = count_waits(monkeypatch, live)
    with mine.held("x.lock"), others.held("x.lock"):
        assert waits[-1] == 12, "the second wait after the last sign passes the limit"


@pytest.mark.usefixtures("nobody_dies")
def test_a_process_that_ended_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended, living = (Leases(Objects(f"file://{tmp_path}/ws")) for _ in range(2))
    held = ended.held("x.lock")
    held.__enter__()
    ended.close()
    refuse_waits(monkeypatch)
    with living.held("x.lock"):
        pass
    assert not list((tmp_path / "ws" / "alive").glob(f"{ended._me.process}"))


@pytest.mark.usefixtures("nobody_dies")
def test_a_shown_lock_leaves_nothing_and_a_dead_one_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, others = (Leases(Objects(f"file://{tmp_path}/ws")) for _ in range(2))
    with mine.shown("active/run"):
        assert list(others.holders("active")) == ["active/run"]
    assert others.holders("active") == {}
    killed = mine.shown("active/killed")
    killed.__enter__()
    mine._ending.set()
    assert mine._beating is not None
    mine._beating.join()  # its last sign of life is written
    monkeypatch.setattr(leases, "DEAD_AFTER", 0.5)
    assert others.holders("active") == {}
    assert not others._objects.list("leases/active")


def test_a_torn_file_holds_a_lock_for_a_while(tmp_path: Path) -> None:
    place = Leases(Objects(f"file://{tmp_path}/ws"))
    place._objects.put("leases/x.lock/000000000001", b'{"proc')
    started = time.monotonic()
    with place.held("x.lock"):
        assert time.monotonic() - started >= leases.DEAD_AFTER
