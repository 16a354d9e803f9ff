from __future__ import annotations

from datetime import UTC, datetime

import pytest
from rtbench_plugins.remote.limits import Bucket, Limits, duration, retry_after


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("12", 12), ("1.5", 1.5), ("250ms", 0.25), ("6m0s", 360), ("1h2m3.5s", 3723.5), ("soon", None), ("1x", None),
     ("", None), ("nan", None), (None, None), ("2m later", None)],
)  # fmt: skip
def test_durations(text: str | None, seconds: float | None) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.2"}, 0.2),
        ({"retry-after": "-1"}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Wed, 25 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Wed, 25 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "later"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, datetime(2026, 11, 25, 12, tzinfo=UTC)) == seconds


def test_bucket_keeps_its_rate() -> None:
    bucket = Bucket(per_minute=120)
    sent = []
    now = 100.0
    while now < 160:
        wait = bucket.wait(1, now)
        if wait == 0:
            bucket.take(1)
            sent.append(now)
        now += wait or 0.001
    assert 118 <= len(sent) <= 123


def test_reset_that_is_a_point_in_time_says_nothing() -> None:
    bucket = Bucket()
    bucket.learn(600, 0, 1_764_000_000.0, 0.0)
    assert bucket.wait(1, 0.0) == pytest.approx(0.1), "600 a minute, as nothing else is known"


def test_tokens_that_were_reserved_and_not_used_are_given_back() -> None:
    limits = Limits(4, None, 6000)
    limits.take(3000)
    before = limits.wait(100, 0.0)
    limits.used(3000, 1000)
    assert before - limits.wait(100, 0.0) == pytest.approx(20.0), "2,000 tokens at 100 a second"


def test_more_than_a_bucket_holds_waits_for_a_full_one() -> None:
    bucket = Bucket(per_minute=60)
    assert bucket.wait(500, 0.0) == 0
    bucket.take(500)
    assert bucket.wait(1, 1.0) == pytest.approx(499)


@pytest.mark.parametrize(("limit", "reset"), [(600, 60.0), (10, 1.0), (14_400, 1440.0)])
def test_rate_is_learned_whatever_span_the_limit_is_for(limit: int, reset: float) -> None:
    """600 a minute, 10 a second and 14,400 in 24 minutes are one rate."""
    bucket = Bucket()
    assert bucket.wait(10**9, 0.0) == 0, "nothing is known, nothing is held back"
    bucket.learn(limit, 0, reset, 0.0)
    assert bucket.rate == pytest.approx(10)
    assert bucket.wait(1, 0.0) == pytest.approx(0.1)


def test_own_limit_is_not_overridden_by_a_wider_one() -> None:
    bucket = Bucket(per_minute=60)
    bucket.learn(6000, 5000, 10, 0.0)
    assert bucket.rate == 1


def test_width_narrows_once_for_calls_that_were_sent_together() -> None:
    limits = Limits(100, None, None)
    for _ in range(40):
        limits.throttled(100, sent=0.0, now=1.0)
    assert limits.width == 50, "more were refused than went well"
    limits.throttled(50, sent=1.5, now=2.0)
    assert limits.width == 25, "still so"
    for _ in range(20):
        limits.went_well()
    limits.throttled(20, sent=2.5, now=3.0)
    assert limits.width == 18, "one of many"


def test_width_grows_again_with_good_answers_and_never_below_one() -> None:
    limits = Limits(10, None, None)
    for at in range(100):
        limits.throttled(limits.width, sent=at + 0.5, now=at + 1.0)
    assert limits.width == 1
    for _ in range(1000):
        limits.went_well()
    assert limits.width == 10


def sent_by(limits: Limits, calls: int, headers: dict[str, str]) -> list[float]:
    """When calls are sent, one after the other, each as soon as the limits allow; the clock is ours."""
    now, sent = 0.0, []
    for _ in range(calls):
        while (pause := limits.wait(1, now)) > 0:
            now += pause + 1e-9
        limits.take(1)
        sent.append(now)
        limits.learn(headers, now)
    return sent


def test_own_limit_is_kept_without_any_refusal() -> None:
    sent = sent_by(Limits(64, 600, None), 30, {})
    assert sent[9] == 0.0, "a second's worth at once"
    assert sent[10:] == pytest.approx([(at - 9) / 10 for at in range(10, 30)]), "then ten a second"


def test_limit_told_in_headers_is_kept() -> None:
    told = {"limit": "10", "remaining": "0", "reset": "2s"}
    sent = sent_by(Limits(64, None, None), 12, {f"x-ratelimit-{what}-requests": value for what, value in told.items()})
    assert sent == pytest.approx([at / 5 for at in range(12)]), "after the first reply, five a second"
