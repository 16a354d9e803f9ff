"""Calls that are few: files, batches, jobs. Sent one by one, again after faults. Imports aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, TypeVar

import aiohttp
import msgspec
from rtbench_plugins.remote.engine import EndpointError, Policy
from rtbench_plugins.remote.http import Connection, HttpReply, NoAnswerError
from rtbench_plugins.remote.verdicts import Again, Good, Refused, Verdict, verdict_on

T = TypeVar("T")
MARK = "rtbench"
"""Key in the metadata of what we create, by which it is found again."""
TOO_MANY_AFTER = 60.0
"""Seconds until something is offered again to an endpoint that has as many as it takes."""
MOST_PAGES = 50
"""Of a listing, a hundred entries each."""

MakeBody = Callable[[], bytes | aiohttp.FormData]
"""Each try sends a body of its own: a form can be sent once."""


class PerhapsDoneError(EndpointError):
    """A call that must not be sent twice broke off, and the server may have done it all the same."""


class TooManyError(EndpointError):
    """The endpoint is well and takes no more at the moment."""


class GoneError(EndpointError):
    """What is asked for is not there (404, 410)."""


class Client:
    """Sends calls over a connection, which is open within ``async with``.

    Args:
        connection: to the endpoint.
        policy: when to give up.
        next_step: what to do about an error.
    """

    def __init__(self, connection: Connection, policy: Policy, *, next_step: str) -> None:
        self._connection = connection
        self._policy = policy
        self._next_step = next_step

    async def __aenter__(self) -> Client:
        await self._connection.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.close()

    async def get(self, path: str) -> dict[str, Any]:
        """The object at a path.

        Raises:
            GoneError: there is none.
            EndpointError: it is refused, or the tries are used up.
        """
        return self._read(path, await self._send("GET", path))

    async def listed(self, path: str) -> AsyncIterator[dict[str, Any]]:
        """The entries of a listing, page by page, as the server orders them (the newest first)."""
        after = ""
        for _ in range(MOST_PAGES):
            page = await self.get(f"{path}?limit=100{after}")
            entries = [entry for entry in page.get("data") or [] if isinstance(entry, dict)]
            for entry in entries:
                yield entry
            if not page.get("has_more") or not entries:
                return
            after = f"&after={self.field(entries[-1], 'id', path)}"

    async def create(self, path: str, value: Any) -> str:
        """Creates what an object describes. Not sent again where the server may have done it, as to create something
        twice is to pay twice. Returns its id.

        Raises:
            PerhapsDoneError: it broke off, or the reply cannot be read: the server may have done it.
            TooManyError: the server takes no more at the moment.
            EndpointError: it is refused, or the tries are used up.
        """
        answer = await self._send("POST", path, lambda: msgspec.json.encode(value), once=True)
        try:
            return self.field(self._read(path, answer), "id", path)
        except EndpointError as error:
            raise PerhapsDoneError(error.what, where=error.where, next_step=error.next_step) from None

    async def upload(self, name: str, content: bytes, purpose: str) -> str:
        """Leaves a file there. Returns its id."""
        answer = await self._send("POST", "files", lambda: _form(name, content, purpose))
        return self.field(self._read("files", answer), "id", "files")

    async def lines(self, file: str, type_: type[T]) -> list[T]:
        """The objects in a file of JSON lines."""
        answer = await self._send("GET", f"files/{file}/content")
        try:
            return msgspec.json.Decoder(type_).decode_lines(answer.body)
        except msgspec.MsgspecError as error:
            raise self.error(f"file {file}: {error}") from None

    def field(self, value: dict[str, Any], name: str, path: str) -> str:
        """A text that the reply must have.

        Raises:
            EndpointError: it has not.
        """
        found = value.get(name)
        if not isinstance(found, str) or not found:
            raise self.error(f"{path}: the reply has no {name!r}")
        return found

    def error(self, why: str) -> EndpointError:
        """The error that stops a run, without the key."""
        return EndpointError(self._connection.without_key(why), where=self._policy.where, next_step=self._next_step)

    def _read(self, path: str, answer: HttpReply) -> dict[str, Any]:
        try:
            return msgspec.json.decode(answer.body, type=dict[str, Any])
        except msgspec.MsgspecError:
            raise self.error(f"{path}: the reply is no JSON") from None

    async def _send(self, method: str, path: str, body: MakeBody | None = None, *, once: bool = False) -> HttpReply:
        why = ""
        kind: type[EndpointError] = EndpointError
        for turn in range(self._policy.retries + 1):
            if turn:
                await asyncio.sleep(min(30.0, 0.2 * 2.0**turn))
            try:
                answer = await self._connection.send(method, path, body() if body else None)
            except NoAnswerError as error:
                why, kind = str(error), PerhapsDoneError if once and error.reached else EndpointError
                if kind is PerhapsDoneError:
                    break
                continue
            if answer.status in {200, 201}:
                return answer
            verdict = verdict_on(answer)
            why, kind = "" if isinstance(verdict, Good) else verdict.why, _kind(answer, verdict, once=once)
            if isinstance(verdict, Refused) or (once and kind is not EndpointError):
                break
            if isinstance(verdict, Again) and verdict.after is not None:
                await asyncio.sleep(min(verdict.after, self._policy.patience))
        found = self.error(f"{method} {path}: {why}")
        raise kind(found.what, where=found.where, next_step=found.next_step)


def _kind(answer: HttpReply, verdict: Verdict, *, once: bool) -> type[EndpointError]:
    """What a bad answer says of the call."""
    if answer.status in {404, 410}:
        return GoneError
    if isinstance(verdict, Again) and verdict.throttled:
        return TooManyError
    return PerhapsDoneError if once and answer.status >= 500 else EndpointError


def _form(name: str, content: bytes, purpose: str) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("purpose", purpose)
    form.add_field("file", content, filename=name, content_type="application/jsonl")
    return form
