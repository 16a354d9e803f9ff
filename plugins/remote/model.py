"""A model behind an endpoint, asked call by call or in batches. Imports aiohttp."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rtbench_plugins.remote.batches import Batches
from rtbench_plugins.remote.calls import Calls
from rtbench_plugins.remote.engine import Engine, Policy
from rtbench_plugins.remote.http import Connection, key_of
from rtbench_plugins.remote.limits import Limits
from rtbench_plugins.remote.options import EndpointOptions, profile_of
from rtbench_plugins.remote.wire import Body

from rtbench.interfaces import Services, TextModel
from rtbench.records import Completion, Price, Request

PATHS = {"chat": "chat/completions", "completions": "completions"}


class RemoteModel(TextModel):
    """Asks the endpoint.

    Args:
        fingerprint: of the model.
        options: where it is and how it is asked.
        services: the session: what the run may spend, and where batches that are out are written down.
        price: per million tokens, the way it is asked.
        where: whose it is, for errors.

    Raises:
        BadInputError: the environment has no key.
    """

    def __init__(
        self, fingerprint: str, options: EndpointOptions, services: Services, price: Price | None, *, where: str
    ) -> None:
        self.fingerprint = fingerprint
        self._options = options
        self._services = services
        self._price = price
        self._where = where
        key_of(options, where=where)

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        for bunch in self._way().answers(requests):
            yield from bunch

    def _way(self) -> Engine | Batches:
        """How one step's requests are asked."""
        options, budget = self._options, self._services.budget
        profile = profile_of(options)
        connection, path = Connection(options, where=self._where), PATHS[options.endpoint]
        calls = Calls(Body(options, profile), min(options.n, profile.most_n), self._price if budget else None)
        policy = Policy(options.retries, options.patience, self._where)
        if options.batch:
            folder = self._services.workspace / "batches" / self.fingerprint
            return Batches(connection, path, calls, policy, folder, thinking=options.thinking, budget=budget)
        limits = Limits(options.concurrency, options.requests_per_minute, options.tokens_per_minute)
        return Engine(connection, path, calls, limits, policy, thinking=options.thinking, budget=budget)
