"""Provider of fine-tuning jobs: the endpoints of OpenAI (``/files``, ``/fine_tuning/jobs``). Imports aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
from rtbench_plugins.remote.client import MARK, TOO_MANY_AFTER, Client, GoneError, PerhapsDoneError, TooManyError
from rtbench_plugins.remote.engine import Policy
from rtbench_plugins.remote.http import Connection
from rtbench_plugins.remote.messages import shortened
from rtbench_plugins.remote.options import EndpointOptions
from rtbench_plugins.remote.provider import Checkpoint, FineTuningJob, Order, Provider

from rtbench.api import NotYetError

JOBS = "fine_tuning/jobs"
_FINAL = frozenset({"succeeded", "failed", "cancelled"})
MOST_TOKENS = 10**13
"""Number of trained tokens that no job has."""
T = TypeVar("T")


class _Hyperparameters(msgspec.Struct, frozen=True):
    n_epochs: int | str | None = None


class _Supervised(msgspec.Struct, frozen=True):
    hyperparameters: _Hyperparameters | None = None


class _JobMethod(msgspec.Struct, frozen=True):
    supervised: _Supervised | None = None


class _Error(msgspec.Struct, frozen=True):
    message: str | None = None


class _JobReply(msgspec.Struct, frozen=True):
    id: str
    status: str
    fine_tuned_model: str | None = None
    trained_tokens: int | None = None
    hyperparameters: _Hyperparameters | None = None
    method: _JobMethod | None = None
    error: _Error | None = None
    metadata: Any = None


class _CheckpointMetrics(msgspec.Struct, frozen=True):
    train_loss: float | None = None
    valid_loss: float | None = None
    full_valid_loss: float | None = None


class _CheckpointReply(msgspec.Struct, frozen=True):
    fine_tuned_model_checkpoint: str
    step_number: int
    metrics: _CheckpointMetrics = _CheckpointMetrics()


def _count(tokens: int | None) -> int | None:
    """Return a number of tokens; None for one that cannot be."""
    return tokens if tokens is not None and 0 <= tokens < MOST_TOKENS else None


def _short(event: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an event that are numbers or texts, the texts at most as long as other messages of servers."""
    return {
        shortened(key, 40): shortened(value) if isinstance(value, str) else value
        for key, value in event.items()
        if value is None or isinstance(value, str | int | float)
    }


class OpenAiJobs(Provider):
    """Fine-tuning jobs behind an OpenAI-compatible endpoint.

    Args:
        options: of the endpoint.
        extra: further fields of each job.
        where: the student that errors name.

    Raises:
        BadInputError: the environment has no key.
    """

    def __init__(self, options: EndpointOptions, extra: dict[str, Any], *, where: str) -> None:
        self._extra = extra
        self._client = Client(
            Connection(options, where=where),
            Policy(options.retries, options.patience, where),
            next_step="Pending jobs continue. The same command fetches their results.",
        )

    def upload(self, name: str, content: bytes) -> str:
        return self._run(lambda client: client.upload(name, content, "fine-tune"))

    def create(self, order: Order) -> str | None:
        body: dict[str, Any] = {
            "model": order.model,
            "training_file": order.training,
            "seed": order.seed % 2**31,
            "suffix": f"rtbench-{order.mark[:8]}",
            "metadata": {MARK: order.mark},
        }
        if order.validation is not None:
            body["validation_file"] = order.validation
        if order.hyperparameters:
            supervised = {"hyperparameters": order.hyperparameters}
            body["method"] = {"type": "supervised", "supervised": supervised}
        try:
            return self._run(lambda client: client.create(JOBS, {**body, **self._extra}))
        except PerhapsDoneError:
            return None
        except TooManyError as error:
            raise NotYetError(error.what, where=error.where, after=TOO_MANY_AFTER) from None

    def find(self, mark: str) -> FineTuningJob | None:
        async def look(client: Client) -> FineTuningJob | None:
            async for entry in client.listed(JOBS):
                if client.marked(entry, mark):
                    job = self._job(entry)
                    if job.state in {"out", "succeeded"}:
                        return job
            return None

        return self._run(look)

    def look_at(self, job: str) -> FineTuningJob | None:
        try:
            return self._job(self._run(lambda client: client.get(f"{JOBS}/{quote(job, safe='')}")))
        except GoneError:
            return None

    def events(self, job: str) -> list[dict[str, Any]]:
        return [_short(event) for event in self._listed(f"{JOBS}/{job}/events")[::-1]]

    def checkpoints(self, job: str) -> list[Checkpoint]:
        path = f"{JOBS}/{job}/checkpoints"
        entries = [self._converted(entry, _CheckpointReply, path) for entry in self._listed(path)]
        return [
            Checkpoint(
                model=entry.fine_tuned_model_checkpoint,
                step=entry.step_number,
                train_loss=entry.metrics.train_loss,
                validation_loss=entry.metrics.full_valid_loss,
            )
            for entry in sorted(entries, key=lambda entry: entry.step_number)
        ]

    def _listed(self, path: str) -> list[dict[str, Any]]:
        async def all_of(client: Client) -> list[dict[str, Any]]:
            return [entry async for entry in client.listed(path)]

        return self._run(all_of)

    def _job(self, value: dict[str, Any]) -> FineTuningJob:
        reply = self._converted(value, _JobReply, JOBS)
        of_method = (reply.method and reply.method.supervised and reply.method.supervised.hyperparameters) or None
        epochs = (of_method or reply.hyperparameters or _Hyperparameters()).n_epochs
        return FineTuningJob(
            id=reply.id,
            state=reply.status if reply.status in _FINAL else "out",  # type: ignore[arg-type]
            said=shortened(reply.status, 40),
            model=reply.fine_tuned_model,
            trained_tokens=_count(reply.trained_tokens),
            epochs=epochs if isinstance(epochs, int) and 0 <= epochs < 10**6 else None,
            error=shortened(self._client.redacted((reply.error.message if reply.error else None) or "")),
        )

    def _converted(self, value: dict[str, Any], type_: type[T], path: str) -> T:
        try:
            return msgspec.convert(value, type_)
        except msgspec.ValidationError as error:
            raise self._client.error(f"{path}: the reply has an unexpected form: {error}") from None

    def _run(self, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        async def connected() -> T:
            async with self._client as client:
                return await work(client)

        return asyncio.run(connected())
