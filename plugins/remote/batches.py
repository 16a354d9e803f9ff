"""Completions through the batch endpoints (``/files``, ``/batches``): half the price, and an answer within a day.

A batch that is out is a file in the workspace, so that a run can be stopped and picks it up again: what it holds is
written before it is created, and a batch whose creation was cut off is found by the mark in its metadata. Nothing waits
here: as long as a batch is out, the step says so and is looked at again later. Imports aiohttp.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
from rtbench_plugins.remote.calls import Call, Calls
from rtbench_plugins.remote.engine import EndpointError, Policy
from rtbench_plugins.remote.http import Answer, Connection, NoAnswerError
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
_MARK = "rtbench"


MakeBody = Callable[[], bytes | aiohttp.FormData]
"""Each try sends a body of its own: a form can be sent once."""


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
        await self._connection.open()
        try:
            if held.id is None:
                held = await self._found_again(path, held)
            if held.id is None:  # it was never created: its requests go into another
                self._settle(path, held, 0)
                self._put_again(held, list(held.calls), wanted)
                return _Ended([])
            batch = await self._json("GET", f"batches/{held.id}")
            if batch.get("status") not in _FINAL:
                return None
            if batch["status"] == "failed":
                self._settle(path, held, 0)
                return _Ended([], self._refused_as_a_whole(batch))
            lines = [
                line
                for key in ("output_file_id", "error_file_id")
                if batch.get(key)
                for line in await self._lines(batch[key])
            ]
            error = None
            if batch["status"] == "cancelled":  # by somebody, who would not like it to be sent out again at once
                error = self._out_of_order(f"the batch {held.id} was cancelled")
            return _Ended(self._read(path, held, lines, wanted), error)
        finally:
            await self._connection.close()

    async def _found_again(self, path: Path, held: Out) -> Out:
        """Looks for a batch whose creation was cut off."""
        listed = await self._json("GET", "batches?limit=100")
        for batch in listed.get("data", []):
            if (batch.get("metadata") or {}).get(_MARK) == held.mark:
                held = msgspec.structs.replace(held, id=batch["id"])
                _write(path, held)
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
        self._settle(path, held, spent)
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
        if self._budget is not None and worst:
            if not self._budget.reserve(worst):
                raise self._budget.spent_out(worst)
            self._budget.settle(worst, worst)
        mark = uuid.uuid4().hex
        held = Out(
            mark=mark,
            calls={call.requests[0].key: tuple(r.key for r in call.requests) for call in calls},
            worst=worst,
            account=self._budget.cap.path if self._budget is not None else None,
            at=time.time(),
            round=turn,
        )
        path = self._folder / f"{held.mark}.json"
        _write(path, held)  # first of all: whatever breaks off from here on, it is looked for, and its money settled
        await self._connection.open()
        try:
            url = f"{urlsplit(self._connection.url('')).path.rstrip('/')}/{self._path}"
            content = b"\n".join(_line(call, url) for call in calls)
            uploaded = await self._json("POST", "files", lambda: _form(f"{mark}.jsonl", content))
            asked = {
                "input_file_id": uploaded["id"],
                "endpoint": url,
                "completion_window": "24h",
                "metadata": {_MARK: mark},
            }
            created = await self._json("POST", "batches", lambda: msgspec.json.encode(asked), once=True)
            held = msgspec.structs.replace(held, id=created["id"])
            _write(path, held)
        finally:
            await self._connection.close()
        return path, held

    # ---- shared

    async def _json(
        self, method: str, path: str, body: MakeBody | None = None, *, once: bool = False
    ) -> dict[str, Any]:
        answer = await self._send(method, path, body, once=once)
        try:
            found = msgspec.json.decode(answer.body, type=dict[str, Any])
        except msgspec.MsgspecError:
            raise self._out_of_order(f"{path}: the reply is no JSON") from None
        return found

    async def _lines(self, file: str) -> list[_Line]:
        answer = await self._send("GET", f"files/{file}/content")
        try:
            return msgspec.json.Decoder(_Line).decode_lines(answer.body)
        except msgspec.MsgspecError as error:
            raise self._out_of_order(f"file {file}: {error}") from None

    async def _send(self, method: str, path: str, body: MakeBody | None = None, *, once: bool = False) -> Answer:
        """Sends a call, again after faults. ``once``: not where the server may have done it, as to create a batch twice
        is to pay twice; it is found by its mark later."""
        why = ""
        for turn in range(self._policy.retries + 1):
            if turn:
                await asyncio.sleep(min(30.0, 0.2 * 2.0**turn))
            try:
                answer = await self._connection.send(method, path, body() if body else None)
            except NoAnswerError as error:
                why = str(error)
                if once and error.reached:
                    break
                continue
            if answer.status == 200:
                return answer
            verdict = verdict_on(answer)
            why = "" if isinstance(verdict, Good) else verdict.why
            if isinstance(verdict, Refused) or (once and answer.status >= 500):
                break
            if isinstance(verdict, Again) and verdict.after is not None:
                await asyncio.sleep(min(verdict.after, self._policy.patience))
        raise self._out_of_order(f"{method} {path}: {why}")

    def _settle(self, path: Path, held: Out, spent: int) -> None:
        """Books the truth in place of the worst, once: written down before it is booked, so that who is killed in between
        has booked too much, not too little."""
        if self._budget is not None and held.account == self._budget.cap.path:
            _write(path, msgspec.structs.replace(held, worst=spent))
            self._budget.settle(0, spent - held.worst)

    def _refusal(self, key: str) -> Path:
        return self._folder / "refused" / key

    def _refused_as_a_whole(self, batch: dict[str, Any]) -> EndpointError:
        problems = (batch.get("errors") or {}).get("data") or [{}]
        said = problems[0].get("message") or "(no message)"
        return self._out_of_order(f"the batch {batch['id']} was refused: {said}")

    def _out_of_order(self, why: str) -> EndpointError:
        return EndpointError(
            self._connection.without_key(why),
            where=self._policy.where,
            next_step="What came is kept; the same command goes on from there, and picks up the batches that are out.",
        )

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


def _form(name: str, content: bytes) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("purpose", "batch")
    form.add_field("file", content, filename=name, content_type="application/jsonl")
    return form


def _line(call: Call, url: str) -> bytes:
    head = msgspec.json.encode({"custom_id": call.requests[0].key, "method": "POST", "url": url})
    return head[:-1] + b',"body":' + call.body + b"}"


def _write(path: Path, held: Out) -> None:
    write_atomic(path, msgspec.json.encode(held))
