"""Fixtures of the tests of storage."""

from __future__ import annotations

import atexit
from collections.abc import Iterator

import pytest

from rtbench.storage.leases import Leases


@pytest.fixture(autouse=True)
def _no_process_outlives_its_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """End the signs of life of all machines that a test has made up."""
    made: list[Leases] = []
    real = Leases._live

    def live(self: Leases) -> None:
        real(self)
        made.append(self)

    monkeypatch.setattr(Leases, "_live", live)
    yield
    for one in made:
        one._ending.set()
        atexit.unregister(one.close)
