"""Calls: what is sent in one go, and what it may cost."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rtbench_plugins.remote.wire import Body, UsageReply

from rtbench.api import Price, Request, nano

OVERHEAD_TOKENS = 64
"""Of a chat's own marks around a prompt, from above."""


@dataclass
class Call:
    """Completions of one prompt that are asked for in one go."""

    requests: tuple[Request, ...]
    body: bytes
    most_tokens: int
    """Prompt and completions, at most: a token is at least one byte."""
    worst: int
    """What it may cost at most, in billionths; 0 without a price or a budget."""
    faults: int = 0
    """Times that it was sent and went wrong."""
    throttled: int = 0
    """Times that the server refused it for being asked too much."""
    told: bool = False
    """It waits for as long as the server said."""


class Calls:
    """Makes calls of requests.

    Args:
        body: makes their bodies.
        n: completions of one prompt in a call, at most.
        price: of the model, where a budget is kept.
    """

    def __init__(self, body: Body, n: int, price: Price | None) -> None:
        self._body = body
        self._n = n
        self._price = price

    def of(self, requests: Sequence[Request]) -> Iterator[Call]:
        """Neighbours with one prompt and sampling share a call."""
        if self._n == 1:
            for request in requests:
                yield self.one((request,))
            return
        for _, same in itertools.groupby(requests, key=lambda r: (r.task, r.sample_index, r.prompt, r.sampling)):
            group = tuple(same)
            for start in range(0, len(group), self._n):
                yield self.one(group[start : start + self._n])

    def one(self, requests: tuple[Request, ...]) -> Call:
        """The call for these requests, which have one prompt."""
        body = self._body.encoded(requests[0], len(requests))
        written = requests[0].sampling.max_new_tokens * len(requests)
        prompt = len(body) + OVERHEAD_TOKENS
        worst = 0 if self._price is None else nano(self._price.of(prompt, written))
        return Call(requests, body, prompt + written, worst)

    def cost(self, usage: UsageReply | None, worst: int) -> int:
        """What a good reply came to, in billionths; the worst where the server does not count tokens."""
        if self._price is None:
            return 0
        if usage is None:
            return worst
        return nano(self._price.of(usage.read, usage.written, usage.cached))
