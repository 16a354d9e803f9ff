"""How fast an endpoint may be asked: what it allows is learned from what it says."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

SHORTEST_HOLD, LONGEST_HOLD = 0.1, 5.0
"""Seconds."""
LONGEST_RESET = 86400.0
"""Seconds; what is longer is a point in time, or nonsense."""
_PARTS = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Bucket:
    """What may still be asked for, in requests or tokens: it fills at a steady rate up to a capacity.

    Args:
        per_minute: a limit to keep by oneself; None: whatever the headers say, and no limit before they do.
    """

    def __init__(self, per_minute: int | None = None) -> None:
        self.rate = None if per_minute is None else per_minute / 60
        # A second's worth at once, so that no minute sees more than a sixtieth above its limit.
        self._capacity = float("inf") if self.rate is None else max(1.0, self.rate)
        self._level = self._capacity
        self._at = 0.0
        self._own = per_minute is not None
        self._whole_at = 0.0
        """When the limit is whole again, as the last reply told that said it was nearly used up; 0: it did not."""
        self._held_until = 0.0
        self._pause = SHORTEST_HOLD

    def wait(self, amount: float, now: float) -> float:
        """Seconds until so much may be asked for; 0: now. More than the capacity waits for a full bucket."""
        self._fill(now)
        held = max(0.0, self._held_until - now)
        missing = min(amount, self._capacity) - self._level
        if missing <= 0:
            return held
        return max(held, missing / self.rate if self.rate else 1.0)

    def take(self, amount: float) -> None:
        self._level -= amount

    def refused(self, now: float) -> None:
        """The server refused a call although there should have been room: where its limit was nearly used up, it does not
        fill steadily but at the end of a window. Waits for that, longer each time."""
        if now >= self._held_until and now < self._whole_at:
            self._held_until = min(self._whole_at, now + self._pause)
            self._pause = min(LONGEST_HOLD, 2 * self._pause)

    def went_well(self) -> None:
        self._pause = SHORTEST_HOLD

    def give_back(self, amount: float) -> None:
        """Of what was taken, so much was not used."""
        self._level = min(self._capacity, self._level + amount)

    def learn(self, limit: float | None, remaining: float | None, reset: float | None, now: float) -> None:
        """Takes over what a reply's headers say: the limit, what is left of it, and the seconds until it is whole. The
        rate follows from the three, whatever span of time the limit is for."""
        if remaining is None or limit is None or limit <= 0:
            return
        self._fill(now)
        self._level = min(self._level, remaining)
        if self._own:
            return
        self._capacity = limit
        used_up = reset is not None and reset <= LONGEST_RESET and remaining <= limit / 10
        self._whole_at = now + (reset or 0.0) if used_up else 0.0
        if reset is not None and 0 < reset <= LONGEST_RESET and remaining < limit:
            self.rate = (limit - remaining) / reset
        elif self.rate is None:
            self.rate = limit / 60

    def _fill(self, now: float) -> None:
        if self.rate is not None and self._level < self._capacity:
            self._level = min(self._capacity, self._level + (now - self._at) * self.rate)
        self._at = now


class Limits:
    """The two buckets of an endpoint, and how many calls it takes at once.

    Args:
        concurrency: calls at once, at most.
        requests_per_minute: limit to keep; None: as the headers say.
        tokens_per_minute: the same of tokens (prompt and most that may be written, as servers count it).
    """

    def __init__(self, concurrency: int, requests_per_minute: int | None, tokens_per_minute: int | None) -> None:
        self.requests = Bucket(requests_per_minute)
        self.tokens = Bucket(tokens_per_minute)
        self.most = concurrency
        self._width = float(concurrency)
        self._narrowed_at = float("-inf")
        self._ceiling = float(concurrency)
        """So many were under way when one was last refused."""
        self._well, self._refused = 0, 0
        """Since the last narrowing."""

    @property
    def width(self) -> int:
        """Calls that may be under way at once."""
        return int(self._width)

    def wait(self, tokens: int, now: float) -> float:
        """Seconds until one more call may be sent."""
        return max(self.requests.wait(1, now), self.tokens.wait(tokens, now))

    def take(self, tokens: int) -> None:
        self.requests.take(1)
        self.tokens.take(tokens)

    def used(self, reserved: int, tokens: int) -> None:
        """A call that ``reserved`` so many tokens used fewer: bytes stand in for a prompt's tokens until they are counted."""
        self.tokens.give_back(max(0, reserved - tokens))

    def throttled(self, under_way: int, sent: float, now: float) -> None:
        """The server refused one call of those under way: fewer at once from here on. Refusals of calls that were sent
        before the last narrowing say nothing new. ``sent`` and ``now`` are seconds of the loop's clock."""
        self.requests.refused(now)
        self._refused += 1
        if sent <= self._narrowed_at:
            return
        far_above = self._refused > self._well
        self._narrowed_at = now
        self._ceiling = float(under_way)
        self._well, self._refused = 0, 0
        self._width = max(1.0, min(self._width, under_way) * (0.5 if far_above else 0.9))

    def went_well(self) -> None:
        """More at once, step by step, so that a limit is felt for, not run into: one more with as many good calls as there
        are at once, and a quarter of that near where one was last refused."""
        self._well += 1
        self.requests.went_well()
        if self._width < self.most:
            step = 1.0 if self._width < 0.8 * self._ceiling else 0.25
            self._width = min(float(self.most), self._width + step / self._width)

    def learn(self, headers: Mapping[str, str], now: float) -> None:
        """Reads ``x-ratelimit-{limit,remaining,reset}-{requests,tokens}``, at ``now`` of the loop's clock."""
        if "x-ratelimit-limit-requests" in headers:
            self.requests.learn(*_stated(headers, "requests"), now)
        if "x-ratelimit-limit-tokens" in headers:
            self.tokens.learn(*_stated(headers, "tokens"), now)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that a server asks to wait: ``retry-after-ms``, or ``retry-after`` as a number or a date; None where it does
    not say, or says what cannot be."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000)
    said = headers.get("retry-after")
    if said is None:
        return None
    seconds = duration(said)
    if seconds is not None:
        return max(0.0, seconds)
    try:
        at = parsedate_to_datetime(said)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())


def duration(text: str | None) -> float | None:
    """Seconds in ``12``, ``1.5``, ``250ms``, ``6m0s`` or ``1h2m``; None for anything else."""
    if text is None:
        return None
    number = _number(text)
    if number is not None:
        return number
    parts = _PARTS.findall(text)
    if not parts or "".join(value + unit for value, unit in parts) != text.strip():
        return None
    return sum(float(value) * _SECONDS[unit] for value, unit in parts)


def _stated(headers: Mapping[str, str], what: str) -> tuple[float | None, float | None, float | None]:
    return (
        _number(headers.get(f"x-ratelimit-limit-{what}")),
        _number(headers.get(f"x-ratelimit-remaining-{what}")),
        duration(headers.get(f"x-ratelimit-reset-{what}")),
    )


def _number(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
