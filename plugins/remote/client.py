"""Client for calls about files, batches and jobs: sent one by one, and repeated after faults. Imports aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from rtbench_plugins.remote.bodies import MOST_OBJECT, UNREADABLE, decoded
from rtbench_plugins.remote.engine import EndpointError, Policy
from rtbench_plugins.remote.http import Connection, HttpReply, NoAnswerError
from rtbench_plugins.remote.messages import shortened
from rtbench_plugins.remote.replies import Again, Good, Refused, ReplyClass, classify

T = TypeVar("T")
MARK = "rtbench"
"""Key in the metadata of objects that we create, by which they are found again."""
TOO_MANY_AFTER = 60.0
"""Seconds to wait after an endpoint has refused to take more batches or jobs."""
MOST_PAGES = 50
"""Highest number of pages read of a listing, with 100 entries each."""

MOST_ID = 200
"""Highest number of characters of an id."""
MOST_WHY = 500
"""Highest number of characters of an error, which may contain words of the server."""
_object = msgspec.json.Decoder(dict[str, Any])

MakeBody = Callable[[], bytes | aiohttp.FormData]
"""Builds a body for each try, since a form can be sent only once."""


class PerhapsDoneError(EndpointError):
    """A call that must not be sent twice was interrupted, and the server may have executed it."""


class TooManyError(EndpointError):
    """The endpoint works, but takes no more batches or jobs at the moment."""


class GoneError(EndpointError):
    """The object does not exist (404, 410)."""


class Client:
    """Client of an endpoint, whose connection is open within ``async with``.

    Args:
        connection: to the endpoint.
        policy: when to try again and when to give up.
        next_step: what a user can do about an error.
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

    @staticmethod
    def marked(entry: dict[str, Any], mark: str) -> bool:
        """Return whether an object has our mark in its metadata."""
        metadata = entry.get("metadata")
        return isinstance(metadata, dict) and metadata.get(MARK) == mark

    async def get(self, path: str) -> dict[str, Any]:
        """Return the object at a path.

        Raises:
            GoneError: there is no such object.
            EndpointError: the call is refused, or all tries failed.
        """
        return self._read(path, await self._send("GET", path))

    async def listed(self, path: str) -> AsyncIterator[dict[str, Any]]:
        """Yield the entries of a listing in the server's order (newest first), fetched page by page."""
        after = ""
        for _ in range(MOST_PAGES):
            page = await self.get(f"{path}?limit=100{after}")
            data = page.get("data")
            entries = [entry for entry in data if isinstance(entry, dict)] if isinstance(data, list) else []
            for entry in entries:
                yield entry
            if page.get("has_more") is not True or not entries:
                return
            after = f"&after={quote(self.field(entries[-1], 'id', path), safe='')}"

    async def create(self, path: str, value: Any) -> str:
        """Create an object and return its id.

        The call is not repeated where the server may have executed it, since creating twice means paying twice.

        Raises:
            PerhapsDoneError: the call was interrupted, or its reply cannot be read, so the server may have executed it.
            TooManyError: the server takes no more at the moment.
            EndpointError: the call is refused, or all tries failed.
        """
        answer = await self._send("POST", path, lambda: msgspec.json.encode(value), once=True)
        try:
            return self.field(self._read(path, answer), "id", path)
        except EndpointError as error:
            raise PerhapsDoneError(error.what, where=error.where, next_step=error.next_step) from None

    async def upload(self, name: str, content: bytes, purpose: str) -> str:
        """Upload a file and return its id."""
        answer = await self._send("POST", "files", lambda: _form(name, content, purpose))
        return self.field(self._read("files", answer), "id", "files")

    async def lines(self, file: str, type_: type[T], *, most: int) -> list[T]:
        """Return the objects in a file of JSON lines. Lines that cannot be read are left out.

        Args:
            file: id of the file.
            type_: of the objects.
            most: highest number of bytes of the file.

        Raises:
            EndpointError: the file is longer, or none of its lines can be read.
        """
        answer = await self._send("GET", f"files/{quote(file, safe='')}/content", most=most)
        if answer.cut:
            raise self.error(f"file {file}: it is longer than {most:,} bytes")
        decoder = msgspec.json.Decoder(type_)
        read: list[T] = []
        why = ""
        for line in answer.body.split(b"\n"):
            try:
                read += [decoded(decoder, line)] if line.strip() else []
            except UNREADABLE as error:
                why = why or str(error) or type(error).__name__
        if why and not read:
            raise self.error(f"file {file}: {why}")
        return read

    def field(self, value: dict[str, Any], name: str, path: str) -> str:
        """Return a text field of a reply.

        Raises:
            EndpointError: the reply has no such field.
        """
        text = value.get(name)
        if not isinstance(text, str) or not text or len(text) > MOST_ID:
            raise self.error(f"{path}: the reply has no {name!r}")
        return text

    def redacted(self, text: str) -> str:
        """Return a text without keys."""
        return self._connection.without_key(text)

    def error(self, why: str) -> EndpointError:
        """Return an error that stops the run. Keys are removed from its text."""
        return EndpointError(
            shortened(self._connection.without_key(why), MOST_WHY), where=self._policy.where, next_step=self._next_step
        )

    def _read(self, path: str, answer: HttpReply) -> dict[str, Any]:
        if answer.cut:
            raise self.error(f"{path}: the reply is longer than {len(answer.body):,} bytes")
        try:
            return decoded(_object, answer.body)
        except UNREADABLE:
            raise self.error(f"{path}: the reply is not JSON") from None

    async def _send(
        self, method: str, path: str, body: MakeBody | None = None, *, once: bool = False, most: int = MOST_OBJECT
    ) -> HttpReply:
        why = ""
        kind: type[EndpointError] = EndpointError
        for turn in range(self._policy.retries + 1):
            if turn:
                await asyncio.sleep(min(30.0, 0.2 * 2.0**turn))
            try:
                answer = await self._connection.send(method, path, body() if body else None, most=most)
            except NoAnswerError as error:
                why, kind = str(error), PerhapsDoneError if once and error.reached else EndpointError
                if kind is PerhapsDoneError:
                    break
                continue
            if answer.status in {200, 201}:
                return answer
            outcome = classify(answer, self._connection.without_key)
            why, kind = "" if isinstance(outcome, Good) else outcome.why, _kind(answer, outcome, once=once)
            if not isinstance(outcome, Good) and outcome.astray:
                why += f" ({self._connection.asked(path)})"
            if isinstance(outcome, Refused) or (once and kind is not EndpointError):
                break
            if isinstance(outcome, Again) and outcome.after is not None:
                await asyncio.sleep(min(outcome.after, self._policy.patience))
        failure = self.error(f"{method} {path}: {why}")
        raise kind(failure.what, where=failure.where, next_step=failure.next_step)


def _kind(answer: HttpReply, outcome: ReplyClass, *, once: bool) -> type[EndpointError]:
    """Return the kind of error that a bad answer stands for."""
    if answer.status in {404, 410}:
        return GoneError
    if isinstance(outcome, Again) and outcome.throttled:
        return TooManyError
    return PerhapsDoneError if once and answer.status >= 500 else EndpointError


def _form(name: str, content: bytes, purpose: str) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("purpose", purpose)
    form.add_field("file", content, filename=name, content_type="application/jsonl")
    return form
