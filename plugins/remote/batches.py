"""Completions through the batch endpoints (``/files``, ``/batches``): half the price, and an answer within a day.

A batch that is out is a file in the workspace, so that a run can be stopped and picks it up again: what it holds is
written before it is created, and a batch whose creation was cut off is found by the mark in its metadata. Nothing waits
here: as long as a batch is out, the step says so and is looked at again later. Imports aiohttp.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from rtbench_plugins.remote.booking import book_truth, book_worst, write_note
from rtbench_plugins.remote.calls import Call, Calls
from rtbench_plugins.remote.client import MARK, Client
from rtbench_plugins.remote.engine import EndpointError, Policy
from rtbench_plugins.remote.http import Answer, Connection
from rtbench_plugins.remote.verdicts import Again, Good, Refused, verdict_on
from rtbench_plugins.remote.wire import Reply, completions

from rtbench.budget import Budget
from rtbench.errors import NotYetError, StepFailedError
from rtbench.files import read_json, write_atomic
from rtbench.records import Completion, Record, Request

MOST_LINES = 50_000
MOST_BYTES = 190 * 10**6
"""Of one batch's file; the endpoints take 200 MB."""
ROUNDS = 3
"""Batches that a request may go through before its failures are believed."""
_FINAL = frozenset({"completed", "failed", "expired", "cancelled"})


class Out(Record, frozen=True, omit_defaults=True):
    """A batch that is out."""

    mark: str
    """In its metadata."""
    calls: dict[str, tuple[str, ...]]
    """Keys of the requests of each line, by ``custom_id``."""
    worst: int
    """What it may cost, in billionths; booked as spent until the truth is known."""
    account: str | None
    """Where that is booked."""
    at: float
    """When it was made, in seconds since 1970."""
    round: int = 1
    id: str | None = None
    """None while it is not known whether it was created."""


class _Line(msgspec.Struct, frozen=True):
    """A line of an output or error file."""

    custom_id: str
    response: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True)
class _Ended:
    """What a batch that is no longer out has come to."""

    found: list[Completion]
    error: EndpointError | None = None
    """What the run must stop for."""


class Batches:
    """The batches of one teacher.

    Args:
        connection: to the endpoint.
        path: of the endpoint that a batch's lines are for.
        calls: makes calls of requests.
        policy: when to give up.
        folder: where those that are out are written down.
        thinking: tags of thoughts in the text.
        budget: of the run; None: money is no matter.
    """

    def __init__(
        self,
        connection: Connection,
        path: str,
        calls: Calls,
        policy: Policy,
        folder: Path,
        *,
        thinking: tuple[str, str] | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._connection = connection
        self._client = Client(
            connection,
            policy,
            next_step="What came is kept; the same command goes on from there, and picks up the batches that are out.",
        )
        self._path = path
        self._calls = calls
        self._policy = policy
        self._folder = folder
        self._thinking = thinking
        self._budget = budget
        self._again: dict[int, list[Request]] = {}
        """Requests that failed, by the round that they go into."""

    def answers(self, requests: Sequence[Request]) -> Iterator[list[Completion]]:
        """Yields what is ready of the batches that are out, and sends out what is in none.

        Raises:
            NotYetError: batches are out; ask again later.
            EndpointError: the endpoint is out of order, or refuses a batch as a whole.
            BudgetSpentError: a batch could go over the budget.
            StepFailedError: nothing is out any more, and single requests were refused or failed too often.
        """
        wanted = {request.key: request for request in requests}
        out: dict[Path, Out] = {}
        for path in sorted(self._folder.glob("*.json")):
            held: Out = read_json(path, Out)
            if any(key in wanted for keys in held.calls.values() for key in keys):
                out[path] = held
        covered = {key for held in out.values() for keys in held.calls.values() for key in keys}
        for path, held in list(out.items()):
            ended = asyncio.run(self._look_at(path, held, wanted))
            if ended is None:
                continue
            yield ended.found  # when the consumer comes back, all of it is in the ledger
            path.unlink()
            del out[path]
            if ended.error is not None:
                raise ended.error
        refused = {key for key in wanted if self._refusal(key).exists()}
        fresh = [r for r in requests if r.key not in covered and r.key not in refused]
        for turn, rest in [(1, fresh), *sorted(self._again.items())]:
            for calls in self._divided(rest):
                path, held = asyncio.run(self._send_out(calls, turn))
                out[path] = held
        if out:
            lines = sum(len(held.calls) for held in out.values())
            age = time.time() - min(held.at for held in out.values())
            raise NotYetError(f"{len(out)} batches with {lines} calls are out", after=min(60.0, max(1.0, age / 10)))
        if refused:
            raise self._lost(refused, len(requests))

    # ---- what is out

    async def _look_at(self, path: Path, held: Out, wanted: dict[str, Request]) -> _Ended | None:
        """What a batch has come to; None while it is out."""
        async with self._client as client:
            if held.id is None:
                held = await self._found_again(path, held)
            if held.id is None:  # it was never created: its requests go into another
                book_truth(self._budget, path, held, 0)
                self._put_again(held, list(held.calls), wanted)
                return _Ended([])
            batch = await client.get(f"batches/{held.id}")
            if batch.get("status") not in _FINAL:
                return None
            if batch["status"] == "failed":
                book_truth(self._budget, path, held, 0)
                return _Ended([], self._refused_as_a_whole(batch))
            lines = [
                line
                for key in ("output_file_id", "error_file_id")
                if batch.get(key)
                for line in await client.lines(batch[key], _Line)
            ]
            error = None
            if batch["status"] == "cancelled":  # by somebody, who would not like it to be sent out again at once
                error = client.error(f"the batch {held.id} was cancelled")
            return _Ended(self._read(path, held, lines, wanted), error)

    async def _found_again(self, path: Path, held: Out) -> Out:
        """Looks for a batch whose creation was cut off."""
        async for batch in self._client.listed("batches"):
            if (batch.get("metadata") or {}).get(MARK) == held.mark:
                held = msgspec.structs.replace(held, id=self._client.field(batch, "id", "batches"))
                write_note(path, held)
                break
        return held

    def _read(self, path: Path, held: Out, lines: Sequence[_Line], wanted: dict[str, Request]) -> list[Completion]:
        """Joins results to requests by ``custom_id``, in whatever order and however often they come; what failed, expired or
        is missing goes out again, what was refused is written down."""
        found: list[Completion] = []
        spent = 0
        verdicts = {line.custom_id: _verdict(line) for line in lines}
        again: list[str] = []
        for name, keys in held.calls.items():
            verdict = verdicts.get(name, Again("the batch says nothing of it"))
            if isinstance(verdict, Good):
                spent += self._calls.cost(verdict.reply.usage, Call((), b"", 0, 0))
                found += self._of_line(held, keys, verdict.reply, wanted)
            elif isinstance(verdict, Refused) or held.round >= ROUNDS:
                for key in keys:
                    write_atomic(self._refusal(key), verdict.why.encode())
            else:
                again.append(name)
        self._put_again(held, again, wanted)
        book_truth(self._budget, path, held, spent)
        return found

    def _of_line(self, held: Out, keys: Sequence[str], reply: Reply, wanted: dict[str, Request]) -> list[Completion]:
        """The completions of a line that are still wanted; choices that it lacks go out again. Some are not where a run
        was killed while it wrote them down: they keep their share of the tokens."""
        some = next((wanted[key] for key in keys if key in wanted), None)
        if some is None:
            return []
        self._put(held.round, [wanted[key] for key in keys[len(reply.choices) :] if key in wanted])
        found = completions([wanted.get(key, some) for key in keys], reply, self._thinking)
        return [completion for key, completion in zip(keys, found, strict=False) if key in wanted]

    def _put_again(self, held: Out, names: Sequence[str], wanted: dict[str, Request]) -> None:
        requests = [wanted[key] for name in names for key in held.calls[name] if key in wanted]
        self._put(held.round + 1 if held.id is not None else held.round, requests)

    def _put(self, turn: int, requests: Sequence[Request]) -> None:
        if requests:
            self._again.setdefault(turn, []).extend(requests)

    # ---- what goes out

    def _divided(self, requests: Sequence[Request]) -> Iterator[list[Call]]:
        """Calls for one batch each, within what a batch may hold."""
        calls: list[Call] = []
        size = 0
        for call in self._calls.of(requests):
            length = len(call.body) + 200
            if calls and (len(calls) >= MOST_LINES or size + length > MOST_BYTES):
                yield calls
                calls, size = [], 0
            calls.append(call)
            size += length
        if calls:
            yield calls

    async def _send_out(self, calls: Sequence[Call], turn: int) -> tuple[Path, Out]:
        worst = sum(call.worst for call in calls)
        account = book_worst(self._budget, worst)
        mark = uuid.uuid4().hex
        held = Out(
            mark=mark,
            calls={call.requests[0].key: tuple(r.key for r in call.requests) for call in calls},
            worst=worst,
            account=account,
            at=time.time(),
            round=turn,
        )
        path = self._folder / f"{held.mark}.json"
        write_note(
            path, held
        )  # first of all: whatever breaks off from here on, it is looked for, and its money settled
        async with self._client as client:
            url = f"{urlsplit(self._connection.url('')).path.rstrip('/')}/{self._path}"
            content = b"\n".join(_line(call, url) for call in calls)
            asked = {
                "input_file_id": await client.upload(f"{mark}.jsonl", content, "batch"),
                "endpoint": url,
                "completion_window": "24h",
                "metadata": {MARK: mark},
            }
            created = await client.post("batches", asked, once=True)
            held = msgspec.structs.replace(held, id=client.field(created, "id", "batches"))
            write_note(path, held)
        return path, held

    # ---- shared

    def _refusal(self, key: str) -> Path:
        return self._folder / "refused" / key

    def _refused_as_a_whole(self, batch: dict[str, Any]) -> EndpointError:
        problems = (batch.get("errors") or {}).get("data") or [{}]
        said = problems[0].get("message") or "(no message)"
        return self._client.error(f"the batch {batch['id']} was refused: {said}")

    def _lost(self, refused: set[str], asked: int) -> StepFailedError:
        """Forgets the refusals, so that another go asks again, and tells them."""
        reasons = {self._refusal(key).read_text() for key in refused}
        for key in refused:
            self._refusal(key).unlink()
        said = self._connection.without_key("; ".join(sorted(reasons)[:3]))
        return StepFailedError(
            f"{len(refused)} of {asked} requests got no completion: {said}",
            where=self._policy.where,
            next_step="What came is kept; run again to ask for the rest.",
        )


def _verdict(line: _Line) -> Good | Again | Refused:
    """What a line says, as if it had been the answer to a call of its own."""
    if line.response is None:
        return Again(str((line.error or {}).get("message") or "no result"))
    status = line.response.get("status_code", 0)
    body = msgspec.json.encode(line.response.get("body"))
    found = verdict_on(Answer(status, {}, body))
    # One line's 404 or 401 does not speak for the endpoint, which took the batch.
    return found if isinstance(found, Good | Again) else Refused(found.why)


def _line(call: Call, url: str) -> bytes:
    head = msgspec.json.encode({"custom_id": call.requests[0].key, "method": "POST", "url": url})
    return head[:-1] + b',"body":' + call.body + b"}"
