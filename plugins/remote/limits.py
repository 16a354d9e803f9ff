"""Rate limits of an endpoint, learned from its replies."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

SHORTEST_HOLD, LONGEST_HOLD = 0.1, 5.0
"""Seconds for which a bucket is paused after a refusal; doubled with each refusal in a row."""
LONGEST_RESET = 86400.0
"""Longest plausible time until a limit resets, in seconds. Higher values are points in time, or invalid."""
_PARTS = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Bucket:
    """Token bucket: the requests or tokens that may still be sent. It fills at a steady rate up to a capacity.

    Args:
        per_minute: a limit to keep regardless of the server; None: the limit in the server's headers, and no limit
            before the first reply.
    """

    def __init__(self, per_minute: int | None = None) -> None:
        self.rate = None if per_minute is None else per_minute / 60
        # A second's worth at once, so that no minute sees more than a sixtieth above its limit.
        self._capacity = float("inf") if self.rate is None else max(1.0, self.rate)
        self._level = self._capacity
        self._at = 0.0
        self._own = per_minute is not None
        self._whole_at = 0.0
        """Time at which the limit resets, according to the last reply; 0 unless that reply said it was nearly used up."""
        self._held_until = 0.0
        self._pause = SHORTEST_HOLD

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until an amount may be sent; 0: now. An amount above the capacity waits for a full bucket."""
        self._fill(now)
        pause = max(0.0, self._held_until - now)
        missing = min(amount, self._capacity) - self._level
        if missing <= 0:
            return pause
        return max(pause, missing / self.rate if self.rate else 1.0)

    def take(self, amount: float) -> None:
        """Subtract an amount that is being sent."""
        self._level -= amount

    def refused(self, now: float) -> None:
        """Note that the server refused a call although the bucket had room.

        Where the limit was nearly used up, it does not fill steadily, but resets at the end of a window. The bucket then
        pauses until that time at most, longer with each refusal.
        """
        if now >= self._held_until and now < self._whole_at:
            self._held_until = min(self._whole_at, now + self._pause)
            self._pause = min(LONGEST_HOLD, 2 * self._pause)

    def went_well(self) -> None:
        """Note a good answer, after which the next pause is short again."""
        self._pause = SHORTEST_HOLD

    def give_back(self, amount: float) -> None:
        """Add back an amount that was taken and not used."""
        self._level = min(self._capacity, self._level + amount)

    def learn(self, limit: float | None, remaining: float | None, reset: float | None, now: float) -> None:
        """Update the bucket from the headers of a reply.

        The rate is computed from the three values, so the limit may be per minute, per day or for any other time.

        Args:
            limit: the whole limit, in requests or tokens.
            remaining: what is left of it.
            reset: seconds until the limit is restored.
            now: seconds of the event loop's clock.
        """
        if remaining is None or limit is None or limit <= 0 or remaining < 0:
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
    """Limits of an endpoint: a bucket of requests, a bucket of tokens, and the number of concurrent calls.

    Args:
        concurrency: highest number of concurrent calls.
        requests_per_minute: limit to keep; None: the limit in the server's headers.
        tokens_per_minute: the same for tokens: those of the prompt plus the highest number that may be generated, as
            servers count them.
    """

    def __init__(self, concurrency: int, requests_per_minute: int | None, tokens_per_minute: int | None) -> None:
        self.requests = Bucket(requests_per_minute)
        self.tokens = Bucket(tokens_per_minute)
        self.most = concurrency
        self._width = float(concurrency)
        self._narrowed_at = float("-inf")
        self._ceiling = float(concurrency)
        """Concurrent calls at the last refusal."""
        self._well, self._refused = 0, 0
        """Good and refused calls since the number of concurrent calls was last reduced."""

    @property
    def width(self) -> int:
        """Return the number of calls that may be in progress at once."""
        return int(self._width)

    def wait(self, tokens: int, now: float) -> float:
        """Return the seconds until a call with this many tokens may be sent."""
        return max(self.requests.wait(1, now), self.tokens.wait(tokens, now))

    def take(self, tokens: int) -> None:
        """Subtract a call that is being sent."""
        self.requests.take(1)
        self.tokens.take(tokens)

    def used(self, reserved: int, tokens: int) -> None:
        """Correct the tokens of a call: ``reserved`` is an upper bound from bytes, ``tokens`` the server's count."""
        self.tokens.give_back(max(0, reserved - tokens))

    def throttled(self, under_way: int, sent: float, now: float) -> None:
        """Reduce the number of concurrent calls, because the server refused a call.

        Refusals of calls that were sent before the last reduction have no effect.

        Args:
            under_way: calls in progress.
            sent: when the call was sent, in seconds of the event loop's clock.
            now: the current time of that clock.
        """
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
        """Increase the number of concurrent calls slowly, because a call was answered.

        The number grows by 1 in as many good calls as there are concurrent calls, and by a quarter of that near the number
        at which a call was last refused.
        """
        self._well += 1
        self.requests.went_well()
        if self._width < self.most:
            step = 1.0 if self._width < 0.8 * self._ceiling else 0.25
            self._width = min(float(self.most), self._width + step / self._width)

    def learn(self, headers: Mapping[str, str], now: float) -> None:
        """Update both buckets from ``x-ratelimit-{limit,remaining,reset}-{requests,tokens}``.

        Args:
            headers: of a reply.
            now: seconds of the event loop's clock.
        """
        if "x-ratelimit-limit-requests" in headers:
            self.requests.learn(*_stated(headers, "requests"), now)
        if "x-ratelimit-limit-tokens" in headers:
            self.tokens.learn(*_stated(headers, "tokens"), now)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return the seconds that a server asks to wait; None where the headers do not say, or are invalid.

    The headers are ``retry-after-ms``, or ``retry-after`` as a number or a date.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000)
    value = headers.get("retry-after")
    if value is None:
        return None
    seconds = duration(value)
    if seconds is not None:
        return max(0.0, seconds)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())


def duration(text: str | None) -> float | None:
    """Return the seconds in ``12``, ``1.5``, ``250ms``, ``6m0s`` or ``1h2m``; None for any other text."""
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
