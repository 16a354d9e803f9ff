"""Completions through the batch endpoints (``/files``, ``/batches``): half the price, and an answer within a day.

A batch that is out is a file in the workspace, so that a run can be stopped and picks it up again: what it holds is
written before it is created, and a batch whose creation was cut off is found by the mark in its metadata. Nothing waits
here: as long as a batch is out, the step says so and is looked at again later. Imports aiohttp.
"""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from rtbench_plugins.methods.thinking import Tags
from rtbench_plugins.remote.booking import book_truth, book_worst, write_note
from rtbench_plugins.remote.calls import Call, Calls
from rtbench_plugins.remote.client import MARK, TOO_MANY_AFTER, Client, GoneError, PerhapsDoneError, TooManyError
from rtbench_plugins.remote.engine import EndpointError, Policy
from rtbench_plugins.remote.http import Connection, HttpReply
from rtbench_plugins.remote.verdicts import Again, Good, Refused, Verdict, verdict_on
from rtbench_plugins.remote.wire import Reply, completions

from rtbench.api import (
    Budget,
    BudgetSpentError,
    Completion,
    NotYetError,
    Record,
    Request,
    StepFailedError,
    read_json,
    write_atomic,
)

MOST_LINES = 50_000
MOST_BYTES = 190 * 10**6
"""Of one batch's file; the endpoints take 200 MB."""
ROUNDS = 3
"""Batches that a request may go through before its failures are believed."""
LOOK_AFTER = 20.0
"""Seconds until a batch whose creation broke off, and that is not listed, is taken never to have been."""
_FINAL = frozenset({"completed", "failed", "expired", "cancelled"})


class Out(Record, frozen=True, omit_defaults=True):
    """A batch that is out, or whose results are partly fetched."""

    mark: str
    """In its metadata."""
    calls: dict[str, tuple[str, ...]]
    """Keys of the requests of each line, by ``custom_id``; an empty one has been fetched. Steps share batches, and each
    fetches what it wants."""
    worst: int
    """What it may cost, in billionths; booked as spent until the truth is known."""
    account: str | None
    """Where that is booked; None: nowhere, or settled."""
    at: float
    """When it was made, in seconds since 1970."""
    round: int = 1
    id: str | None = None
    """None while it is not known whether it was created."""
    lines: dict[str, int] = {}
    """What each line may cost at most, in billionths, where money is counted."""

    @property
    def keys(self) -> Iterator[str]:
        """Of requests that have not been fetched."""
        return (key for keys in self.calls.values() for key in keys if key)


class Lost(msgspec.Struct, frozen=True):
    """Why a request got no completion."""

    why: str
    refused: bool
    """For what it says; else it failed too often."""


class _BatchLine(msgspec.Struct, frozen=True):
    """A line of an output or error file."""

    custom_id: str
    response: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True)
class _Ended:
    """What a batch that is no longer out has come to."""

    found: list[Completion]
    left: Out | None = None
    """What other steps may still want of it."""
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
        thinking: Tags | None = None,
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
        out = {path: held for path, held in notes_in(self._folder) if not wanted.keys().isdisjoint(held.keys)}
        covered = {key for held in out.values() for key in held.keys}
        for path, held in list(out.items()):
            ended = asyncio.run(self._look_at(path, held, wanted))
            if ended is None:
                continue
            yield ended.found  # when the consumer comes back, all of it is in the ledger
            if ended.left is None:
                path.unlink()
            else:
                write_note(path, ended.left)
            del out[path]
            if ended.error is not None:
                raise ended.error
        refused = {key for key in wanted if self._refusal(key).exists()}
        fresh = [r for r in requests if r.key not in covered and r.key not in refused]
        for turn, rest in [(1, fresh), *sorted(self._again.items())]:
            for calls in self._divided(rest):
                path, held = asyncio.run(self._send_out(calls, turn, waits=bool(out)))
                out[path] = held
        if out:
            lines = sum(len(held.calls) for held in out.values())
            age = time.time() - min(held.at for held in out.values())
            raise NotYetError(f"{len(out)} batches with {lines} calls are out", after=min(60.0, max(1.0, age / 10)))
        if refused and (lost := self._lost(refused, len(requests))) is not None:
            raise lost

    # ---- what is out

    async def _look_at(self, path: Path, held: Out, wanted: dict[str, Request]) -> _Ended | None:
        """What a batch has come to; None while it is out."""
        async with self._client as client:
            if held.id is None:
                held = await self._found_again(path, held)
            if held.id is None and time.time() - held.at < LOOK_AFTER:  # it may not be listed yet
                return None
            if held.id is None:  # it was never created: its requests go into another
                book_truth(self._budget, path, held, 0)
                self._put_again(held, list(held.calls), wanted)
                return _Ended([])
            try:
                batch = await client.get(f"batches/{held.id}")
                if batch.get("status") not in _FINAL:
                    return None
                if batch["status"] == "failed":
                    book_truth(self._budget, path, held, 0)
                    return _Ended([], error=self._refused_as_a_whole(batch))
                files = [batch[key] for key in ("output_file_id", "error_file_id") if batch.get(key)]
                lines = [line for file in files for line in await client.lines(file, _BatchLine)]
            except GoneError:
                gone = f"the batch {held.id}, or a file of it, is gone, and its note has been removed"
                return _Ended([], error=client.error(f"{gone}: what it held is asked, and paid, again in the next go"))
            error = None
            if batch["status"] == "cancelled":  # by somebody, who would not like it to be sent out again at once
                error = client.error(f"the batch {held.id} was cancelled")
            found, left = self._read(path, held, lines, wanted)
            return _Ended(found, left, error)

    async def _found_again(self, path: Path, held: Out) -> Out:
        """Looks for a batch whose creation was cut off."""
        async for batch in self._client.listed("batches"):
            if (batch.get("metadata") or {}).get(MARK) == held.mark:
                held = msgspec.structs.replace(held, id=self._client.field(batch, "id", "batches"))
                write_note(path, held)
                break
        return held

    def _read(
        self, path: Path, held: Out, lines: Sequence[_BatchLine], wanted: dict[str, Request]
    ) -> tuple[list[Completion], Out | None]:
        """Joins results to requests by ``custom_id``, in whatever order and however often they come; what failed, expired or
        is missing goes out again, what was refused is written down. Good results that this step does not want stay for
        others."""
        found: list[Completion] = []
        left: dict[str, tuple[str, ...]] = {}
        spent = 0
        verdicts: dict[str, Verdict] = {}
        for line in lines:
            if not isinstance(verdicts.get(line.custom_id), Good):
                verdicts[line.custom_id] = _verdict(line)
        again: list[str] = []
        for name, keys in held.calls.items():
            verdict = verdicts.get(name, Again("the batch says nothing of it"))
            if isinstance(verdict, Good):
                spent += self._calls.cost(verdict.reply.usage, held.lines.get(name, 0))
                found += self._of_line(held, keys, verdict.reply, wanted)
                rest = tuple(
                    "" if key in wanted or i >= len(verdict.reply.choices) else key for i, key in enumerate(keys)
                )
                if any(rest):
                    left[name] = rest
            elif isinstance(verdict, Refused) or held.round >= ROUNDS:
                lost = Lost(self._connection.without_key(verdict.why), isinstance(verdict, Refused))
                for key in (key for key in keys if key in wanted):
                    write_atomic(self._refusal(key), msgspec.json.encode(lost))
            else:
                again.append(name)
        self._put_again(held, again, wanted)
        settled = book_truth(self._budget, path, held, spent)
        return found, msgspec.structs.replace(settled, calls=left, account=None, lines={}) if left else None

    def _of_line(self, held: Out, keys: Sequence[str], reply: Reply, wanted: dict[str, Request]) -> list[Completion]:
        """The completions of a line that are wanted, each with its share of the tokens; choices that it lacks go out
        again."""
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

    async def _send_out(self, calls: Sequence[Call], turn: int, *, waits: bool) -> tuple[Path, Out]:
        """Sends calls out as a batch. Where the money does not reach for all of them, as many as it reaches for; for none,
        it waits for batches that are out to be settled.

        Raises:
            NotYetError: the endpoint takes no more batches at the moment, or money is held by those that are out.
            BudgetSpentError: nothing is out, and the next call could go over the budget.
        """
        try:
            account = book_worst(self._budget, sum(call.worst for call in calls))
        except BudgetSpentError:
            assert self._budget is not None
            left = self._budget.left or 0
            fitting = [call for call, sum_ in zip(calls, _sums(calls), strict=True) if sum_ <= left]
            if fitting:
                return await self._send_out(fitting, turn, waits=waits)
            if waits:
                raise NotYetError("batches that are out hold the rest of the budget", after=60.0) from None
            raise self._budget.spent_out(calls[0].worst) from None
        mark = uuid.uuid4().hex
        held = Out(
            mark=mark,
            calls={call.requests[0].key: tuple(r.key for r in call.requests) for call in calls},
            worst=sum(call.worst for call in calls),
            account=account,
            at=time.time(),
            round=turn,
            lines={call.requests[0].key: call.worst for call in calls if call.worst},
        )
        path = self._folder / f"{held.mark}.json"
        # First of all: whatever breaks off from here on, it is looked for, and its money settled.
        write_note(path, held)
        try:
            held = await self._created(held, calls)
        except PerhapsDoneError:
            raise
        except EndpointError as error:  # it is certain that there is none
            book_truth(self._budget, path, held, 0)
            path.unlink()
            if isinstance(error, TooManyError):
                raise NotYetError(error.what, where=error.where, after=TOO_MANY_AFTER) from None
            raise
        write_note(path, held)
        return path, held

    async def _created(self, held: Out, calls: Sequence[Call]) -> Out:
        async with self._client as client:
            url = f"{urlsplit(self._connection.url('')).path.rstrip('/')}/{self._path}"
            content = b"\n".join(_line(call, url) for call in calls)
            asked = {
                "input_file_id": await client.upload(f"{held.mark}.jsonl", content, "batch"),
                "endpoint": url,
                "completion_window": "24h",
                "metadata": {MARK: held.mark},
            }
            return msgspec.structs.replace(held, id=await client.create("batches", asked))

    # ---- shared

    def _refusal(self, key: str) -> Path:
        return self._folder / "refused" / key

    def _refused_as_a_whole(self, batch: dict[str, Any]) -> EndpointError:
        problems = (batch.get("errors") or {}).get("data") or [{}]
        said = problems[0].get("message") or "(no message)"
        return self._client.error(f"the batch {batch['id']} was refused: {said}")

    def _lost(self, refused: set[str], asked: int) -> StepFailedError | None:
        """Forgets the refusals, so that another go asks again, and tells them; None where they may be left out."""
        notes: dict[str, Lost] = {key: read_json(self._refusal(key), Lost) for key in refused}
        for key in refused:
            self._refusal(key).unlink()
        if self._policy.leaves_out:
            notes = {key: note for key, note in notes.items() if not note.refused}
        if not notes:
            return None
        said = "; ".join(sorted({note.why for note in notes.values()})[:3])
        return StepFailedError(
            f"{len(notes)} of {asked} requests got no completion: {said}",
            where=self._policy.where,
            next_step="What came is kept; run again to ask for the rest.",
        )


def notes_in(folder: Path) -> Iterator[tuple[Path, Out]]:
    """The batches that are out, or whose results are partly fetched."""
    for path in sorted(folder.glob("*.json")):
        yield path, read_json(path, Out)


def _sums(calls: Sequence[Call]) -> Iterator[int]:
    return itertools.accumulate(call.worst for call in calls)


def _verdict(line: _BatchLine) -> Verdict:
    """What a line says, as if it had been the answer to a call of its own."""
    if line.response is None:
        return Again(str((line.error or {}).get("message") or "no result"))
    status = line.response.get("status_code")
    if not isinstance(status, int):
        return Again("the line has no status")
    body = msgspec.json.encode(line.response.get("body"))
    found = verdict_on(HttpReply(status, {}, body))
    # One line's 404 or 401 does not speak for the endpoint, which took the batch.
    return found if isinstance(found, Good | Again) else Refused(found.why)


def _line(call: Call, url: str) -> bytes:
    head = msgspec.json.encode({"custom_id": call.requests[0].key, "method": "POST", "url": url})
    return head[:-1] + b',"body":' + call.body + b"}"
