"""Text model behind an endpoint, called directly or in batches. Imports aiohttp."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from rtbench_plugins.remote.batch_notes import notes_in
from rtbench_plugins.remote.batches import Batches
from rtbench_plugins.remote.calls import Calls
from rtbench_plugins.remote.engine import Engine, Policy
from rtbench_plugins.remote.http import Connection, key_of
from rtbench_plugins.remote.limits import Limits
from rtbench_plugins.remote.options import EndpointOptions, continues_answers, profile_of
from rtbench_plugins.remote.wire import Body

from rtbench.api import BadInputError, Completion, Price, RefusalKind, Request, Services, StepFailedError, TextModel

PATHS = {"chat": "chat/completions", "completions": "completions"}


class RemoteModel(TextModel):
    """A model behind an endpoint.

    Args:
        fingerprint: of the model.
        options: address of the endpoint, and how to call it.
        services: of the session; they have the budget and the folder of pending batches.
        price: per million tokens, direct or in batches as in the options; None where it is unknown.
        where: the model that errors name.
        leaves_out: leave refused requests out, instead of raising an error at the end.

    Raises:
        BadInputError: the environment has no key, or a budget cannot be kept.
    """

    def __init__(
        self,
        fingerprint: str,
        options: EndpointOptions,
        services: Services,
        price: Price | None,
        *,
        where: str,
        leaves_out: bool = False,
    ) -> None:
        self.fingerprint = fingerprint
        self._options = options
        self._services = services
        self._price = price
        self._where = where
        self._leaves_out = leaves_out
        self.continues_answers = continues_answers(options)
        self.refused: Counter[RefusalKind] = Counter()
        key_of(options, where=where)
        if services.budget is not None and price is not None and "max_tokens" in profile_of(options).without:
            raise BadInputError(
                "its profile leaves out `max_tokens`, so the highest cost of a call is unknown",
                where=where,
                next_step="Run it without a budget and without a price, or use another `profile`.",
            )

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Yield completions as they arrive.

        Raises:
            StepFailedError: some requests are in pending batches, but the options no longer say ``batch``. Further errors
                are those of :meth:`Engine.answers` and :meth:`Batches.answers`.
        """
        if not self._options.batch:
            self._check_batches(requests)
        way = self._way()
        for bunch in way.answers(requests):
            yield from bunch
        self.refused.update(way.refused)

    def _check_batches(self, requests: Sequence[Request]) -> None:
        """Refuse to send requests again that are in a pending, paid batch."""
        keys = {request.key for request in requests}
        pending = sum(key in keys for _, batch in notes_in(self._folder) for key in batch.keys)
        if pending:
            raise StepFailedError(
                f"{pending} of {len(keys)} requests are in pending batches",
                where=self._where,
                next_step=f"Run with `batch: true` until they are done, or delete {self._folder} to send and pay them again.",
            )

    @property
    def _folder(self) -> Path:
        return self._services.workspace / "batches" / self.fingerprint

    def _way(self) -> Engine | Batches:
        """Return what sends the requests of a step: the engine, or batches."""
        options, budget = self._options, self._services.budget
        profile = profile_of(options)
        connection, path = Connection(options, where=self._where), PATHS[options.endpoint]
        calls = Calls(Body(options, profile), min(options.n, profile.most_n), self._price if budget else None)
        policy = Policy(options.retries, options.patience, self._where, self._leaves_out)
        if options.batch:
            return Batches(
                connection,
                path,
                calls,
                policy,
                self._folder,
                self._services.place,
                thinking=options.thinking,
                budget=budget,
            )
        limits = Limits(options.concurrency, options.requests_per_minute, options.tokens_per_minute)
        return Engine(connection, path, calls, limits, policy, thinking=options.thinking, budget=budget)
