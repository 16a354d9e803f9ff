"""Asynchronous engine of remote models.

It sends a step's calls concurrently, with rate limits, retries, a budget and a circuit breaker. Imports aiohttp.

:meth:`Engine._pump` alone decides what is sent: it sends all calls that may be sent, and sets a timer for the next call
that only has to wait. A waiting call is on a heap and takes no slot.
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
from rtbench_plugins.remote.lost import LostRequests
from rtbench_plugins.remote.replies import Again, Good, Refused, ReplyClass, classify
from rtbench_plugins.remote.wire import completions

from rtbench.api import Budget, Completion, RefusalKind, Request, StepFailedError

FIRST_WAIT = 0.1
LONGEST_WAIT = 60.0
"""Seconds before a call is sent again where the server states none. The time doubles with each try of the call, and with
each doubling of the endpoint's failures in a row; a random fraction of it is used."""
BUDGET_WAIT = 0.2
"""Seconds between checks of a budget whose rest is reserved by other processes."""
PATIENCE_AT_FIRST = 30.0
"""Longest time without a good answer, in seconds, before the first good answer: the address or the server is wrong."""
GRACE = 5.0
"""Seconds to wait for the calls in progress when the run stops."""
OUTAGE = 8
"""Failures in a row that indicate an outage, not faults of single calls."""
REFUSED_AT_ONCE = 5
"""Refusals in a row after which the run stops, if the server has given no good answer before."""


class EndpointError(StepFailedError):
    """The endpoint does not work, and will not until somebody fixes the cause."""

    stops_run = True


@dataclass(frozen=True)
class Policy:
    """When to send a call again and when to give up."""

    retries: int
    """How often a call is sent again after faults. Refusals because of rate limits (429) do not count."""
    patience: float
    """Seconds without a good answer after which the run stops, if more than ``retries`` calls in a row have also failed."""
    where: str
    """The model that errors name."""
    leaves_out: bool = False
    """Whether requests that are refused because of their content (by a filter) are left out."""


class Engine:
    """Engine for the requests of one step.

    Args:
        connection: to the endpoint.
        path: of the endpoint.
        calls: factory of calls.
        limits: of the endpoint.
        policy: when to try again and when to give up.
        thinking: tags around thinking in the text.
        budget: of the run; None: no money is counted.
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
        self._lost = LostRequests()
        self.refused: Counter[RefusalKind] = Counter()
        """Number of requests left out, by kind of refusal."""
        self._good_at = 0.0
        self._good = 0
        self._bad_in_a_row = 0
        self._random = random.Random()  # noqa: S311 - spreads waiting times, protects no secret

    def answers(self, requests: Sequence[Request]) -> Iterator[list[Completion]]:
        """Yield completions as they arrive, in lists.

        Raises:
            EndpointError: the endpoint does not work. Completions of the calls in progress that arrive within five seconds
                are yielded first.
            BudgetSpentError: the next call could exceed the budget. Completions of the calls in progress are yielded first.
            StepFailedError: some requests were refused or failed too often; all other completions have been yielded.
        """
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(self._begin(requests))
            while arrived := loop.run_until_complete(self._next()):
                yield arrived
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
        """Return the completions that have arrived since the last call; an empty list at the end."""
        while not self._done:
            if not self._under_way and (self._fault is not None or not (self._waiting or self._later)):
                return []
            self._news.clear()
            await self._news.wait()
        arrived, self._done = self._done, []
        return arrived

    async def _end(self) -> None:
        """Cancel the calls in progress, because the consumer needs no more."""
        if self._alarm is not None:
            self._alarm.cancel()
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._connection.close()

    def _pump(self) -> None:
        """Send all calls that may be sent now, and set a timer for the next call that has to wait."""
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
                self._stop(f"because of its rate limits, the endpoint takes no more calls for {wait:,.0f} s")
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
        if error is not None:  # a bug, or an error of the budget's account
            self._fault = error
        self._pump()

    def _unpaid(self, call: Call) -> float:
        """Reserve the highest cost of a call.

        Returns:
            seconds to wait where the calls in progress have reserved the money; 0 if the call may be sent.
        """
        if self._budget is None or call.worst == 0 or self._budget.reserve(call.worst):
            return 0.0
        if not self._under_way and self._budget.account().reserved == 0:
            self._fault = self._budget.spent_out(call.worst)
        return BUDGET_WAIT

    async def _send(self, call: Call, sent: float) -> None:
        outcome: ReplyClass
        booked = False
        try:
            try:
                answer = await self._connection.send("POST", self._path, call.body, most=call.most_bytes)
            except NoAnswerError as error:
                outcome = Again(str(error), perhaps_billed=error.reached)
            else:
                outcome = call.checked(classify(answer, self._connection.without_key))
                if isinstance(outcome, Good) and outcome.reply.usage is not None:
                    self._limits.used(call.most_tokens, outcome.reply.usage.read + outcome.reply.usage.written)
                self._limits.learn(answer.headers, asyncio.get_running_loop().time())
            self._settle(call, outcome)
            booked = True
        finally:
            if not booked:  # cancelled in progress: it may still be answered and charged
                self._book(call, call.worst)
        self._take(call, outcome, sent)

    def _settle(self, call: Call, outcome: ReplyClass) -> None:
        if isinstance(outcome, Good):
            self._book(call, self._calls.cost(outcome.reply.usage, call.worst))
        elif outcome.usage is not None:
            self._book(call, self._calls.cost(outcome.usage, call.worst))
        else:
            self._book(call, call.worst if outcome.perhaps_billed else 0)

    def _book(self, call: Call, spent: int) -> None:
        if self._budget is not None and call.worst:
            self._budget.settle(call.worst, spent)

    def _take(self, call: Call, outcome: ReplyClass, sent: float) -> None:
        now = asyncio.get_running_loop().time()
        if isinstance(outcome, Good):
            if self._bad_in_a_row >= OUTAGE:
                self._back_from_outage(now)
            self._good_at, self._bad_in_a_row = now, 0
            self._good += 1
            self._limits.went_well()
            answered = completions(call.requests, outcome.reply, self._thinking)
            self._done += answered
            refused = outcome.reply.unanswered[: len(call.requests) - len(answered)]
            for one in refused:
                self._give_up(one.kind, one.why, 1, one.said)
            if rest := call.requests[len(answered) + len(refused) :]:  # fewer choices than requested
                self._waiting.appendleft(self._calls.one(rest))
            return
        self._bad_in_a_row += 1
        if isinstance(outcome, Refused):
            self._refused(call, outcome)
            return
        if outcome.throttled:
            call.throttled += 1
            self._limits.throttled(len(self._under_way), sent, now)
        else:
            call.faults += 1
        self._check_outage(outcome, now)
        if call.faults > self._policy.retries:
            self._lost.add(self._why(outcome), len(call.requests))
        else:
            pause = self._pause(call, outcome)
            heapq.heappush(self._later, (now + pause, next(self._numbers), call))

    def _pause(self, call: Call, outcome: Again) -> float:
        """Return the seconds before a call is sent again.

        That is the server's time plus up to 10 %, or else a random fraction of a time that doubles.
        """
        call.told = outcome.after is not None
        doublings = call.faults + call.throttled - 1 + (self._bad_in_a_row // 4).bit_length()
        longest = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(doublings, 10))
        own = longest * (0.5 + 0.5 * self._random.random())
        if not outcome.after:  # 0 means "at once", which some servers state with every refusal
            return own
        return outcome.after * (1 + 0.1 * self._random.random())

    def _back_from_outage(self, now: float) -> None:
        """Shorten, to at most a second, the waits of calls whose time was not set by the server."""
        soon = [(min(at, now + self._random.random()), n, call) for at, n, call in self._later if not call.told]
        self._later = soon + [item for item in self._later if item[2].told]
        heapq.heapify(self._later)

    def _refused(self, call: Call, outcome: Refused) -> None:
        self._give_up("filtered" if outcome.filtered else None, self._why(outcome), len(call.requests))
        if outcome.persistent or (self._good == 0 and not outcome.filtered and self._bad_in_a_row >= REFUSED_AT_ONCE):
            self._stop(f"the endpoint refuses: {self._why(outcome)}")

    def _give_up(self, kind: RefusalKind | None, why: str, requests: int, said: str = "") -> None:
        """Count requests that get no completion.

        Args:
            kind: kind of refusal, where it is about the content of the request; None: another reason.
            why: the reason.
            requests: their number.
            said: the model's own words.
        """
        if kind is not None and self._policy.leaves_out:
            self.refused[kind] += requests
        else:
            self._lost.add(why, requests, self._connection.without_key(said), optional=kind is not None)

    def _why(self, outcome: Again | Refused) -> str:
        """Return the reason of a failure, with the address that was asked where that may be wrong."""
        return f"{outcome.why} ({self._connection.asked(self._path)})" if outcome.astray else outcome.why

    def _check_outage(self, outcome: Again, now: float) -> None:
        """Stop the run (circuit breaker) after too long without a good answer, or if the server asks for too long a wait."""
        patience = self._policy.patience
        if self._good == 0:
            patience = min(patience, PATIENCE_AT_FIRST)
        if outcome.after is not None and outcome.after > self._policy.patience:
            self._stop(f"the endpoint asks for a wait of {outcome.after:.0f} s: {outcome.why}")
        elif now - self._good_at > patience and self._bad_in_a_row > self._policy.retries:
            self._stop(f"no successful response for {now - self._good_at:.0f} s; last error: {self._why(outcome)}")
        elif outcome.astray and self._good == 0 and self._bad_in_a_row >= REFUSED_AT_ONCE:
            self._stop(f"the address is not that of an OpenAI-compatible endpoint: {self._why(outcome)}")

    def _stop(self, why: str) -> None:
        self._fault = EndpointError(
            self._connection.without_key(why),
            where=self._policy.where,
            next_step="Completions received so far are kept. The same command continues.",
        )
        asyncio.get_running_loop().call_later(GRACE, self._cancel_calls)

    def _cancel_calls(self) -> None:
        """Cancel the calls that are still in progress."""
        for task in self._under_way:
            task.cancel()

    def _lost_error(self, total: int) -> StepFailedError:
        return self._lost.error(total, self._policy.where, self._connection.without_key)
