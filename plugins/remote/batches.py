"""Completions through the batch endpoints (``/files``, ``/batches``): half the price, and an answer within a day.

Each pending batch has a file in the workspace, so a stopped run can be continued. The file is written before the batch is
created, and a batch whose creation was interrupted is found by the mark in its metadata. Nothing blocks: while a batch is
pending, the step raises NotYetError and is tried again later. Imports aiohttp.
"""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from rtbench_plugins.methods.thinking import Tags
from rtbench_plugins.remote import booking
from rtbench_plugins.remote.batch_lines import BatchLine, classify_line, line_of
from rtbench_plugins.remote.batch_notes import FailedRequest, PendingBatch, notes_in
from rtbench_plugins.remote.bodies import MOST_FILE
from rtbench_plugins.remote.booking import Notes, book_maximum
from rtbench_plugins.remote.calls import Call, Calls
from rtbench_plugins.remote.client import MARK, TOO_MANY_AFTER, Client, GoneError, PerhapsDoneError, TooManyError
from rtbench_plugins.remote.engine import EndpointError, Policy
from rtbench_plugins.remote.http import Connection
from rtbench_plugins.remote.lost import LostRequests
from rtbench_plugins.remote.messages import shortened
from rtbench_plugins.remote.replies import Again, Good, Refused, ReplyClass, with_checked_usage
from rtbench_plugins.remote.wire import Reply, completions

from rtbench.api import (
    Budget,
    BudgetSpentError,
    Completion,
    DamagedError,
    NotYetError,
    Place,
    RefusalKind,
    Request,
    StepFailedError,
    read_record,
)

MOST_LINES = 50_000
MOST_BYTES = 190 * 10**6
"""Limits of a batch's file. The endpoints accept 200 MB."""
MOST_TIMES = 10
"""Factor above the highest possible cost of a line up to which a server's token counts are believed."""
ROUNDS = 3
"""Number of batches in which a request may fail before it counts as failed."""
_FILES = ("output_file_id", "error_file_id")
_FINAL = frozenset({"completed", "failed", "expired", "cancelled"})


@dataclass(frozen=True)
class _EndedBatch:
    """Outcome of a batch that is no longer pending."""

    completions: list[Completion]
    left: PendingBatch | None = None
    """The results that other steps may still fetch."""
    error: EndpointError | None = None
    """An error that must stop the run."""


class Batches:
    """The batches of a model.

    Args:
        connection: to the endpoint.
        path: of the endpoint that the lines of a batch are for.
        calls: factory of calls.
        policy: when to try again and when to give up.
        folder: folder of the pending batches' notes.
        place: of the workspace.
        thinking: tags around thinking in the text.
        budget: of the run; None: no money is counted.
    """

    def __init__(
        self,
        connection: Connection,
        path: str,
        calls: Calls,
        policy: Policy,
        folder: Path,
        place: Place,
        *,
        thinking: Tags | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._connection = connection
        self._client = Client(
            connection,
            policy,
            next_step="Completions received so far are kept. The same command continues, and fetches the pending batches.",
        )
        self._path = path
        self._calls = calls
        self._policy = policy
        self._folder = folder
        self._notes = Notes(place, budget)
        self._thinking = thinking
        self._budget = budget
        self.refused: Counter[RefusalKind] = Counter()
        """Number of requests left out, by kind of refusal."""
        self._again: dict[int, list[Request]] = {}
        """Failed requests, by the round in which they are sent again."""

    def answers(self, requests: Sequence[Request]) -> Iterator[list[Completion]]:
        """Yield the completions of finished batches, and send requests that are in no batch.

        Raises:
            NotYetError: batches are pending; try again later.
            EndpointError: the endpoint does not work, or refuses a whole batch.
            BudgetSpentError: a batch could exceed the budget.
            StepFailedError: no batch is pending any more, and some requests were refused or failed too often.
        """
        wanted = {request.key: request for request in requests}
        self._notes.fetch(self._folder)
        out = {path: note for path, note in notes_in(self._folder) if not wanted.keys().isdisjoint(note.keys)}
        covered = {key for note in out.values() for key in note.keys}
        for path, note in list(out.items()):
            ended = asyncio.run(self._look_at(path, note, wanted))
            if ended is None:
                continue
            yield ended.completions  # when the consumer asks for more, all of them are in the ledger
            if ended.left is None:
                self._notes.remove(path)
            else:
                self._notes.write(path, ended.left)
            del out[path]
            if ended.error is not None:
                raise ended.error
        refused = {key for key in wanted if self._refusal(key).exists()}
        fresh = [r for r in requests if r.key not in covered and r.key not in refused]
        for turn, rest in [(1, fresh), *sorted(self._again.items())]:
            for calls in self._divided(rest):
                path, note = asyncio.run(self._send_out(calls, turn, waits=bool(out)))
                out[path] = note
        if out:
            lines = sum(len(note.calls) for note in out.values())
            oldest = min(note.at for note in out.values())
            raise NotYetError(
                f"{len(out)} batches with {lines} calls are pending", after=booking.seconds_to_wait(oldest)
            )
        if refused and (lost := self._lost(refused, len(requests))) is not None:
            raise lost

    # ---- pending batches

    async def _look_at(self, path: Path, note: PendingBatch, wanted: dict[str, Request]) -> _EndedBatch | None:
        """Return the outcome of a batch; None while it is pending."""
        async with self._client as client:
            if note.id is None:
                note = await self._found_again(path, note)
            if note.id is None and time.time() - note.at < booking.LOOK_AFTER:  # it may not be listed yet
                return None
            if note.id is None:  # it was never created: its requests go into another batch
                self._notes.settle(path, note, 0)
                self._put_again(note, list(note.calls), wanted)
                return _EndedBatch([])
            try:
                batch = await client.get(f"batches/{note.id}")
                status = str(batch.get("status"))
                if status not in _FINAL:
                    return None
                if status == "failed":
                    self._notes.settle(path, note, 0)
                    return _EndedBatch([], error=self._refused_as_a_whole(note.id, batch))
                files = [client.field(batch, key, "batches") for key in _FILES if batch.get(key)]
                lines = [
                    line for file in files for line in await client.lines(file, BatchLine, most=note.bytes or MOST_FILE)
                ]
            except GoneError:
                gone = f"the batch {note.id}, or a file of it, no longer exists, and its note has been removed"
                return _EndedBatch([], error=client.error(f"{gone}: the next run sends and pays its requests again"))
            error = None
            if status == "cancelled":  # somebody cancelled it, so it must not be sent again automatically
                error = client.error(f"the batch {note.id} was cancelled")
            fetched, left = self._read(path, note, lines, wanted)
            return _EndedBatch(fetched, left, error)

    async def _found_again(self, path: Path, note: PendingBatch) -> PendingBatch:
        """Look for a batch whose creation was interrupted, and return its note, with its id if it is listed."""
        async for batch in self._client.listed("batches"):
            if self._client.marked(batch, note.mark):
                note = msgspec.structs.replace(note, id=self._client.field(batch, "id", "batches"))
                self._notes.write(path, note)
                break
        return note

    def _read(
        self, path: Path, note: PendingBatch, lines: Sequence[BatchLine], wanted: dict[str, Request]
    ) -> tuple[list[Completion], PendingBatch | None]:
        """Return the completions that this step wants, and a note on the good results that are left for other steps.

        Results are matched by ``custom_id``, in any order, with repetitions allowed. Requests that failed, expired or are
        missing are scheduled again. Refusals are stored.
        """
        fetched: list[Completion] = []
        left: dict[str, tuple[str, ...]] = {}
        spent = 0
        by_line: dict[str, ReplyClass] = {}
        for line in lines:
            if not isinstance(by_line.get(line.custom_id), Good):
                by_line[line.custom_id] = classify_line(line, self._connection.without_key)
        again: list[str] = []
        for name, keys in note.calls.items():
            outcome = self._checked(by_line.get(name, Again("the batch has no result for it")), keys, wanted)
            spent += self._cost(outcome, note.lines.get(name, 0))
            if isinstance(outcome, Good):
                fetched += self._of_line(note, keys, outcome.reply, wanted)
                rest = tuple(
                    "" if key in wanted or i >= len(outcome.reply.choices) else key for i, key in enumerate(keys)
                )
                if any(rest):
                    left[name] = rest
            elif isinstance(outcome, Refused) or note.round >= ROUNDS:
                filtered = isinstance(outcome, Refused) and outcome.filtered
                self._note_failed([key for key in keys if key in wanted], outcome.why, "filtered" if filtered else None)
            else:
                again.append(name)
        self._put_again(note, again, wanted)
        settled = self._notes.settle(path, note, spent)
        return fetched, msgspec.structs.replace(settled, calls=left, account=None, lines={}) if left else None

    def _of_line(
        self, note: PendingBatch, keys: Sequence[str], reply: Reply, wanted: dict[str, Request]
    ) -> list[Completion]:
        """Return a line's wanted completions with their shares of the tokens; schedule requests without a choice again."""
        some = next((wanted[key] for key in keys if key in wanted), None)
        if some is None:
            return []
        answered = len(reply.choices)
        for key, none in zip(keys[answered:], reply.unanswered, strict=False):
            if key in wanted:
                self._note_failed([key], none.why, none.kind, none.said)
        rest = keys[answered + len(reply.unanswered) :]
        self._put(note.round, [wanted[key] for key in rest if key in wanted])
        choices = completions([wanted.get(key, some) for key in keys], reply, self._thinking)
        return [completion for key, completion in zip(keys, choices, strict=False) if key in wanted]

    def _checked(self, outcome: ReplyClass, keys: Sequence[str], wanted: dict[str, Request]) -> ReplyClass:
        """Return an outcome without token counts that cannot be. Lines of other steps are checked by :meth:`_cost` alone."""
        some = next((wanted[key] for key in keys if key in wanted), None)
        if some is None:
            return with_checked_usage(outcome, MOST_BYTES, MOST_BYTES)
        return self._calls.one((some,) * len(keys)).checked(outcome)

    def _cost(self, outcome: ReplyClass, worst: int) -> int:
        """Return the cost of a line, in billionths of the currency. A bad line may have been charged as well."""
        usage = outcome.reply.usage if isinstance(outcome, Good) else outcome.usage
        if usage is None:
            return worst if isinstance(outcome, Good) or outcome.perhaps_billed else 0
        cost = self._calls.cost(usage, worst)
        return cost if cost <= MOST_TIMES * worst else worst

    def _note_failed(self, keys: Sequence[str], why: str, kind: RefusalKind | None, said: str = "") -> None:
        """Store why requests got no completion, until no batch of the step is pending."""
        redact = self._connection.without_key
        failed = FailedRequest(redact(why), refused=kind is not None, kind=kind, said=shortened(redact(said)))
        for key in keys:
            self._notes.write(self._refusal(key), failed)

    def _put_again(self, note: PendingBatch, names: Sequence[str], wanted: dict[str, Request]) -> None:
        requests = [wanted[key] for name in names for key in note.calls[name] if key in wanted]
        self._put(note.round + 1 if note.id is not None else note.round, requests)

    def _put(self, turn: int, requests: Sequence[Request]) -> None:
        if requests:
            self._again.setdefault(turn, []).extend(requests)

    # ---- sending batches

    def _divided(self, requests: Sequence[Request]) -> Iterator[list[Call]]:
        """Yield the calls of each batch, within the limits of a batch."""
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

    async def _send_out(self, calls: Sequence[Call], turn: int, *, waits: bool) -> tuple[Path, PendingBatch]:
        """Send calls as a batch of round ``turn``, or as many of the first calls as the budget allows.

        ``waits`` says whether other batches are pending, which may free money.

        Raises:
            NotYetError: the endpoint takes no more batches at the moment, or pending batches hold the rest of the budget.
            BudgetSpentError: no batch is pending, and the next call could exceed the budget.
        """
        try:
            account = book_maximum(self._budget, sum(call.worst for call in calls))
        except BudgetSpentError:
            assert self._budget is not None
            left = self._budget.left or 0
            sums = itertools.accumulate(call.worst for call in calls)
            fitting = [call for call, sum_ in zip(calls, sums, strict=True) if sum_ <= left]
            if fitting:
                return await self._send_out(fitting, turn, waits=waits)
            if waits:
                raise NotYetError("pending batches hold the rest of the budget", after=60.0) from None
            raise self._budget.spent_out(calls[0].worst) from None
        mark = uuid.uuid4().hex
        note = PendingBatch(
            mark=mark,
            calls={call.requests[0].key: tuple(r.key for r in call.requests) for call in calls},
            worst=sum(call.worst for call in calls),
            account=account,
            at=time.time(),
            round=turn,
            lines={call.requests[0].key: call.worst for call in calls if call.worst},
            bytes=min(MOST_FILE, sum(call.most_bytes for call in calls)),
        )
        path = self._folder / f"{note.mark}.json"
        # Written first, so that the batch is looked for and its money settled wherever the run is interrupted from here on.
        self._notes.write(path, note)
        try:
            note = await self._created(note, calls)
        except PerhapsDoneError:
            raise
        except EndpointError as error:  # the batch was certainly not created
            self._notes.settle(path, note, 0)
            self._notes.remove(path)
            if isinstance(error, TooManyError):
                raise NotYetError(error.what, where=error.where, after=TOO_MANY_AFTER) from None
            raise
        self._notes.write(path, note)
        return path, note

    async def _created(self, note: PendingBatch, calls: Sequence[Call]) -> PendingBatch:
        async with self._client as client:
            url = f"{urlsplit(self._connection.url('')).path.rstrip('/')}/{self._path}"
            content = b"\n".join(line_of(call, url) for call in calls)
            body = {
                "input_file_id": await client.upload(f"{note.mark}.jsonl", content, "batch"),
                "endpoint": url,
                "completion_window": "24h",
                "metadata": {MARK: note.mark},
            }
            return msgspec.structs.replace(note, id=await client.create("batches", body))

    # ---- shared

    def _refusal(self, key: str) -> Path:
        return self._folder / "refused" / key

    def _refused_as_a_whole(self, name: str, batch: dict[str, Any]) -> EndpointError:
        errors = batch.get("errors")
        problems = errors.get("data") if isinstance(errors, dict) else None
        first = problems[0] if isinstance(problems, list) and problems else None
        message = (first.get("message") if isinstance(first, dict) else None) or "(no message)"
        said = shortened(self._connection.without_key(str(message)))
        return self._client.error(f"the batch {name} was refused: {said}")

    def _failed(self, key: str) -> FailedRequest:
        """Return the note of a request that got no completion."""
        try:
            return read_record(self._refusal(key), FailedRequest)
        except DamagedError:
            return FailedRequest(why="the note of why it got no completion is damaged", refused=False)

    def _lost(self, refused: set[str], total: int) -> StepFailedError | None:
        """Delete the refusals, so that the next run tries again, and return them as an error, unless they may be left out."""
        notes = [self._failed(key) for key in refused]
        for key in refused:
            self._notes.remove(self._refusal(key))
        lost = LostRequests()
        for note in notes:
            if note.refused and self._policy.leaves_out:
                self.refused[note.kind or "filtered"] += 1
            else:
                lost.add(note.why, 1, note.said, optional=note.refused)
        return lost.error(total, self._policy.where, self._connection.without_key) if lost else None
