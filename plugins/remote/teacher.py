"""The ``openai`` teacher: any model behind an OpenAI-compatible endpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msgspec.structs import replace
from rtbench_plugins.methods.formats import TEACHER_FORMATS
from rtbench_plugins.remote.options import RemoteOptions, identity, plain, profile_of, remote_options
from rtbench_plugins.remote.prices import price_of

from rtbench.hookspecs import hookimpl
from rtbench.interfaces import Services, Teacher, TextModel
from rtbench.keys import content_key
from rtbench.records import Completion, ModelSpec, Price, Request, Resources

if TYPE_CHECKING:
    from rtbench_plugins.remote.batches import Batches
    from rtbench_plugins.remote.engine import Engine

    from rtbench.registry import Register

PATHS = {"chat": "chat/completions", "completions": "completions"}


class RemoteTeacher(Teacher):
    """One model behind an endpoint.

    Args:
        name: as in the matrix.
        options: see :class:`~rtbench_plugins.remote.options.RemoteOptions`.
        services: the session: what the run may spend, and where batches that are out are written down.
    """

    def __init__(self, name: str, options: RemoteOptions, services: Services) -> None:
        self.name = name
        self.options = options
        self.format = TEACHER_FORMATS[options.format]
        self.max_new_tokens = options.max_new_tokens
        self.price = _batch_price(price_of(options)) if options.batch else price_of(options)
        self.paid = options.api_key_env is not None
        # In two stages the rationale is the first stage's text.
        self.learns_from = None if options.format == "zero-shot-cot" else options.rationale
        self.services = services

    def members(self) -> Sequence[ModelSpec]:
        return (
            ModelSpec(
                role="teacher",
                plugin="openai",
                name=self.name,
                options=plain(self.options),
                fingerprint=f"openai-{content_key('openai', identity(self.options))}",
            ),
        )

    def open(self, member: ModelSpec) -> TextModel:
        return RemoteModel(member.fingerprint, self)

    def resources(self) -> Resources:
        """One endpoint is asked by one step at a time; batches of many may be out."""
        lane = "" if self.options.batch else urlsplit(self.options.base_url).netloc
        return Resources(cpus=1, memory_gb=0.5, lane=lane)


class RemoteModel(TextModel):
    """Asks the endpoint.

    Args:
        fingerprint: of the model.
        teacher: whose it is.

    Raises:
        BadInputError: the environment has no key.
    """

    def __init__(self, fingerprint: str, teacher: RemoteTeacher) -> None:
        from rtbench_plugins.remote.http import key_of

        self.fingerprint = fingerprint
        self._teacher = teacher
        key_of(teacher.options, where=f"teacher {teacher.name!r}")

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        for bunch in self._way().answers(requests):
            yield from bunch

    def _way(self) -> Engine | Batches:
        """How one step's requests are asked."""
        from rtbench_plugins.remote.calls import Calls
        from rtbench_plugins.remote.engine import Engine, Policy
        from rtbench_plugins.remote.http import Connection
        from rtbench_plugins.remote.limits import Limits
        from rtbench_plugins.remote.wire import Body

        teacher = self._teacher
        options, budget = teacher.options, teacher.services.budget
        profile, where = profile_of(options), f"teacher {teacher.name!r}"
        connection, path = Connection(options, where=where), PATHS[options.endpoint]
        calls = Calls(Body(options, profile), min(options.n, profile.most_n), teacher.price if budget else None)
        policy = Policy(options.retries, options.patience, where)
        if options.batch:
            from rtbench_plugins.remote.batches import Batches

            folder = teacher.services.workspace / "batches" / self.fingerprint
            return Batches(connection, path, calls, policy, folder, thinking=options.thinking, budget=budget)
        limits = Limits(options.concurrency, options.requests_per_minute, options.tokens_per_minute)
        return Engine(connection, path, calls, limits, policy, thinking=options.thinking, budget=budget)


def remote_teacher(name: str, options: dict[str, Any], services: Services) -> RemoteTeacher:
    """Factory of the ``openai`` teacher."""
    return RemoteTeacher(name, remote_options(name, options), services)


def _batch_price(price: Price | None) -> Price | None:
    if price is None:
        return None
    cached = None if price.cached is None else price.cached * price.batch
    return replace(price, input=price.input * price.batch, output=price.output * price.batch, cached=cached, batch=1.0)


@hookimpl
def rtbench_register_teachers(register: Register) -> None:
    register(
        "openai",
        "rtbench_plugins.remote.teacher:remote_teacher",
        summary="any model behind an OpenAI-compatible endpoint (options `model`, `base_url`, `api_key_env`)",
    )
