"""Progress that is reported often, but shown rarely."""

from __future__ import annotations

import time

import pytest

from rtbench.schema.progress import Throttle, duration_text, span_text, throttled


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time, as a list of one number, to set."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_progress_is_forwarded_at_first_then_rarely_and_at_the_end(clock: list[float]) -> None:
    seen: list[int] = []
    progress = throttled(lambda done, _total, _unit: seen.append(done), 1.0)
    for done in range(1, 10):
        clock[0] += 0.4
        progress(done, 10, "questions")
    progress(10, 10, "questions")
    assert seen == [1, 4, 7, 10]


def test_first_occurrence_can_wait_too(clock: list[float]) -> None:
    throttle = Throttle(10.0, wait_first=True)
    assert not throttle.due()
    clock[0] += 10.0
    assert throttle.due()
    assert not throttle.due()


def test_durations_have_hours_only_where_needed() -> None:
    assert [duration_text(seconds) for seconds in (0, 59.9, 61, 3599, 3600, 45_296)] == [
        "0:00", "0:59", "1:01", "59:59", "1:00:00", "12:34:56",
    ]  # fmt: skip


def test_estimated_durations_have_their_units() -> None:
    spans = {0.2: "1 s", 59: "59 s", 59.4: "1 min", 61: "1 min", 3570: "1 h 0 min", 30_720: "8 h 32 min"}
    spans |= {359_960: "99 h 59 min", 359_999: "100 h", 360_000: "100 h", 252e6: "70,000 h"}
    assert {seconds: span_text(seconds) for seconds in spans} == spans
