"""The asynchronous engine under remote teachers: all of a step's calls, so many at once, with limits, retries, a budget
and a circuit breaker. Imports aiohttp.

One place decides (:meth:`Engine._pump`): it sends what may be sent, and sets an alarm where only time is missing. A call
that must wait waits on a heap, not in a slot.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rtbench_plugins.methods.thinking import Tags
from rtbench_plugins.remote.calls import Call, Calls
from rtbench_plugins.remote.http import Connection, NoAnswerError
from rtbench_plugins.remote.limits import Limits
from rtbench_plugins.remote.verdicts import Again, Good, Refused, Verdict, verdict_on
from rtbench_plugins.remote.wire import completions

from rtbench.api import Budget, Completion, Request, StepFailedError

FIRST_WAIT = 0.1
LONGEST_WAIT = 60.0
"""Seconds before a call is sent again where the server names none: doubled with each try of the call, and with each
doubling of what went wrong in a row on the whole endpoint; of that a random part."""
BUDGET_WAIT = 0.2
"""Seconds between looks at a budget whose rest other processes hold."""
PATIENCE_AT_FIRST = 30.0
"""Seconds at most without a good answer while there was none at all: the address or the server is wrong."""
GRACE = 5.0
"""Seconds that calls under way are waited for when the run stops."""
OUTAGE = 8
"""Failures in a row that are no single call's bad luck."""
REFUSED_AT_ONCE = 5
"""Refusals in a row after which a server that has not answered anything well is not asked on."""


class EndpointError(StepFailedError):
    """The endpoint does not answer, and will not while nobody does something about it."""

    stops_run = True


@dataclass(frozen=True)
class Policy:
    """When to send again and when to give up."""

    retries: int
    """Times that one call is sent again after faults."""
    patience: float
    """Seconds without a good answer."""
    where: str
    """Whose endpoint it is, for errors."""
    leaves_out: bool = False
    """Requests that are refused for themselves are left out."""


class Engine:
    """Answers the requests of one step.

    Args:
        connection: to the endpoint.
        path: of the endpoint.
        calls: makes calls of requests.
        limits: of the endpoint.
        policy: when to give up.
        thinking: tags of thoughts in the text.
        budget: of the run; None: money is no matter.
    """

    def __init__(
        self,
        connection: Connection,
        path: str,
        calls: Calls,
        limits: Limits,
        policy: Policy,
        *,
        thinking: Tags | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._connection = connection
        self._path = path
        self._calls = calls
        self._limits = limits
        self._policy = policy
        self._thinking = thinking
        self._budget = budget
        self._waiting: deque[Call] = deque()
        self._later: list[tuple[float, int, Call]] = []
        self._numbers = itertools.count()
        self._under_way: set[asyncio.Task[None]] = set()
        self._done: list[Completion] = []
        self._news = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None
        self._fault: BaseException | None = None
        self._lost: Counter[str] = Counter()
        """Completions given up, by reason."""
        self._good_at = 0.0
        self._good = 0
        self._bad_in_a_row = 0
        self._random = random.Random()  # noqa: S311 - spreads waits, keeps no secret

    def answers(self, requests: Sequence[Request]) -> Iterator[list[Completion]]:
        """Yields completions as they come, in bunches.

        Raises:
            EndpointError: the endpoint is out of order. What came of the calls under way within five seconds is yielded.
            BudgetSpentError: the next call could go over the budget; the same.
            StepFailedError: single requests were refused or went wrong too often; all others have been yielded.
        """
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(self._begin(requests))
            while found := loop.run_until_complete(self._next()):
                yield found
        finally:
            loop.run_until_complete(self._end())
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
        if self._fault is not None:
            raise self._fault
        if self._lost:
            raise self._lost_error(len(requests))

    # ---- within the loop

    async def _begin(self, requests: Sequence[Request]) -> None:
        await self._connection.open()
        self._waiting.extend(self._calls.of(requests))
        self._good_at = asyncio.get_running_loop().time()
        self._pump()

    async def _next(self) -> list[Completion]:
        """What has come since; empty at the end."""
        while not self._done:
            if not self._under_way and (self._fault is not None or not (self._waiting or self._later)):
                return []
            self._news.clear()
            await self._news.wait()
        found, self._done = self._done, []
        return found

    async def _end(self) -> None:
        """Cancels what is under way: the consumer wants no more."""
        if self._alarm is not None:
            self._alarm.cancel()
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._connection.close()

    def _pump(self) -> None:
        """Sends all that may be sent now."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        while self._later and self._later[0][0] <= now:
            self._waiting.appendleft(heapq.heappop(self._later)[2])
        pause = self._later[0][0] - now if self._later else None
        while self._fault is None and self._waiting and len(self._under_way) < self._limits.width:
            call = self._waiting[0]
            wait = self._limits.wait(call.most_tokens, now)
            if wait > self._policy.patience:
                self._stop(f"by its limits the endpoint takes no more calls for {wait:,.0f} s")
                break
            wait = wait or self._unpaid(call)
            if wait:
                pause = wait if pause is None else min(pause, wait)
                break
            self._waiting.popleft()
            self._limits.take(call.most_tokens)
            task = loop.create_task(self._send(call, now))
            self._under_way.add(task)
            task.add_done_callback(self._finished)
        if pause is not None and self._fault is None:
            self._alarm = loop.call_later(pause, self._pump)
        self._news.set()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if task.cancelled():
            self._news.set()
            return
        error = task.exception()
        if error is not None:  # a fault of ours, or of the budget's account
            self._fault = error
        self._pump()

    def _unpaid(self, call: Call) -> float:
        """Reserves a call's worst cost; seconds to wait where the money is held by calls that are under way."""
        if self._budget is None or call.worst == 0 or self._budget.reserve(call.worst):
            return 0.0
        if not self._under_way and self._budget.account().reserved == 0:
            self._fault = self._budget.spent_out(call.worst)
        return BUDGET_WAIT

    async def _send(self, call: Call, sent: float) -> None:
        verdict: Verdict
        booked = False
        try:
            try:
                answer = await self._connection.send("POST", self._path, call.body)
            except NoAnswerError as error:
                verdict = Again(str(error), perhaps_billed=error.reached)
            else:
                verdict = verdict_on(answer)
                if isinstance(verdict, Good) and verdict.reply.usage is not None:
                    self._limits.used(call.most_tokens, verdict.reply.usage.read + verdict.reply.usage.written)
                self._limits.learn(answer.headers, asyncio.get_running_loop().time())
            self._settle(call, verdict)
            booked = True
        finally:
            if not booked:  # cancelled on the way: it may be answered and billed all the same
                self._book(call, call.worst)
        self._take(call, verdict, sent)

    def _settle(self, call: Call, verdict: Verdict) -> None:
        if isinstance(verdict, Good):
            self._book(call, self._calls.cost(verdict.reply.usage, call.worst))
        else:
            self._book(call, call.worst if isinstance(verdict, Again) and verdict.perhaps_billed else 0)

    def _book(self, call: Call, spent: int) -> None:
        if self._budget is not None and call.worst:
            self._budget.settle(call.worst, spent)

    def _take(self, call: Call, verdict: Verdict, sent: float) -> None:
        now = asyncio.get_running_loop().time()
        if isinstance(verdict, Good):
            if self._bad_in_a_row >= OUTAGE:
                self._back_from_outage(now)
            self._good_at, self._bad_in_a_row = now, 0
            self._good += 1
            self._limits.went_well()
            found = completions(call.requests, verdict.reply, self._thinking)
            self._done += found
            if rest := call.requests[len(found) :]:  # fewer choices than asked for
                self._waiting.appendleft(self._calls.one(rest))
            return
        self._bad_in_a_row += 1
        if isinstance(verdict, Refused):
            self._refused(call, verdict)
            return
        if verdict.throttled:
            call.throttled += 1
            self._limits.throttled(len(self._under_way), sent, now)
        else:
            call.faults += 1
        self._judge(verdict, now)
        if call.faults > self._policy.retries:
            self._lost[verdict.why] += len(call.requests)
        else:
            pause = self._pause(call, verdict)
            heapq.heappush(self._later, (now + pause, next(self._numbers), call))

    def _pause(self, call: Call, verdict: Again) -> float:
        """Seconds before the call is sent again: what the server says and a little, or a random part of a time that
        doubles."""
        call.told = verdict.after is not None
        doublings = call.faults + call.throttled - 1 + (self._bad_in_a_row // 4).bit_length()
        longest = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(doublings, 10))
        own = longest * (0.5 + 0.5 * self._random.random())
        if not verdict.after:  # 0 is "at once", again and again
            return own
        return verdict.after * (1 + 0.1 * self._random.random())

    def _back_from_outage(self, now: float) -> None:
        """What waits longer than a second on a guess of ours need not any more."""
        soon = [(min(at, now + self._random.random()), n, call) for at, n, call in self._later if not call.told]
        self._later = soon + [item for item in self._later if item[2].told]
        heapq.heapify(self._later)

    def _refused(self, call: Call, verdict: Refused) -> None:
        if not self._policy.leaves_out:
            self._lost[verdict.why] += len(call.requests)
        if verdict.persistent or (self._good == 0 and not verdict.filtered and self._bad_in_a_row >= REFUSED_AT_ONCE):
            self._stop(f"the endpoint refuses: {verdict.why}")

    def _judge(self, verdict: Again, now: float) -> None:
        """The circuit breaker: no good answer for too long, or the server asks for more patience than there is."""
        patience = self._policy.patience
        if self._good == 0:
            patience = min(patience, PATIENCE_AT_FIRST)
        if verdict.after is not None and verdict.after > self._policy.patience:
            self._stop(f"the endpoint asks to wait {verdict.after:.0f} s: {verdict.why}")
        elif now - self._good_at > patience and self._bad_in_a_row > self._policy.retries:
            self._stop(f"no good answer for {now - self._good_at:.0f} s, at last: {verdict.why}")

    def _stop(self, why: str) -> None:
        self._fault = EndpointError(
            self._connection.without_key(why),
            where=self._policy.where,
            next_step="What came is kept; the same command goes on from there.",
        )
        asyncio.get_running_loop().call_later(GRACE, self._give_up)

    def _give_up(self) -> None:
        """Calls that are still under way at an endpoint that is out of order are not waited for."""
        for task in self._under_way:
            task.cancel()

    def _lost_error(self, asked: int) -> StepFailedError:
        lost = sum(self._lost.values())
        reasons = "; ".join(f"{self._connection.without_key(why)} ({n})" for why, n in self._lost.most_common(3))
        return StepFailedError(
            f"{lost} of {asked} requests got no completion: {reasons}",
            where=self._policy.where,
            next_step="What came is kept; run again to ask for the rest.",
        )
