"""Calls: requests that are sent together, with their highest possible cost."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rtbench_plugins.remote.bodies import MOST_REPLY, allowed
from rtbench_plugins.remote.replies import ReplyClass, with_checked_usage
from rtbench_plugins.remote.usage import UsageReply
from rtbench_plugins.remote.wire import Body

from rtbench.api import Price, Request, nano

OVERHEAD_TOKENS = 64
"""Upper bound on the tokens that a chat format adds to a prompt."""


@dataclass
class Call:
    """A call for one or more completions of one prompt."""

    requests: tuple[Request, ...]
    body: bytes
    most_read: int
    """Upper bound on the tokens of the prompt. A token has at least one byte."""
    most_written: int
    """Upper bound on the tokens of all completions."""
    worst: int
    """Highest possible cost, in billionths of the currency; 0 without a price or a budget."""
    faults: int = 0
    """Number of tries that failed."""
    throttled: int = 0
    """Number of tries that the server refused because of its rate limits."""
    told: bool = False
    """Whether its current wait was set by the server."""

    @property
    def most_tokens(self) -> int:
        """Return an upper bound on the tokens of prompt and completions."""
        return self.most_read + self.most_written

    @property
    def most_bytes(self) -> int:
        """Return the highest number of bytes of a good reply."""
        sampling = self.requests[0].sampling
        return MOST_REPLY + allowed(self.most_written, sampling.top_logprobs)

    def checked(self, outcome: ReplyClass) -> ReplyClass:
        """Return an outcome of the call without token counts that cannot be."""
        return with_checked_usage(outcome, self.most_read, self.most_written)


class Calls:
    """Factory of calls.

    Args:
        body: builds the bodies of calls.
        n: highest number of completions per call.
        price: of the model; None where there is no budget to keep.
    """

    def __init__(self, body: Body, n: int, price: Price | None) -> None:
        self._body = body
        self._n = n
        self._price = price

    def of(self, requests: Sequence[Request]) -> Iterator[Call]:
        """Yield the calls for requests. Adjacent requests with the same prompt and sampling share a call."""
        if self._n == 1:
            for request in requests:
                yield self.one((request,))
            return
        for _, same in itertools.groupby(requests, key=lambda r: (r.task, r.sample_index, r.prompt, r.sampling)):
            group = tuple(same)
            for start in range(0, len(group), self._n):
                yield self.one(group[start : start + self._n])

    def one(self, requests: tuple[Request, ...]) -> Call:
        """Return the call for requests that have the same prompt."""
        body = self._body.encoded(requests[0], len(requests))
        completion = requests[0].sampling.max_new_tokens * len(requests)
        prompt = len(body) + OVERHEAD_TOKENS
        worst = 0 if self._price is None else nano(self._price.of(prompt, completion))
        return Call(requests, body, prompt, completion, worst)

    def cost(self, usage: UsageReply | None, worst: int) -> int:
        """Return the cost of a good reply, in billionths of the currency; ``worst`` where the server does not count tokens."""
        if self._price is None:
            return 0
        if usage is None:
            return worst
        return nano(self._price.of(usage.read, usage.written, usage.cached))
