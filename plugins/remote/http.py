"""The connection to an endpoint. Imports aiohttp, so only what asks imports it."""

from __future__ import annotations

import os
import re
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from rtbench_plugins.remote.options import EndpointOptions, is_local

from rtbench.api import BadInputError

CONNECT_SECONDS = 30.0

_SECRET = re.compile(r"\b(sk|key|gsk|xai|pk)-[A-Za-z0-9_*.\-]{6,}", re.IGNORECASE)


@dataclass(frozen=True)
class HttpReply:
    """An answer of the server, whatever it says."""

    status: int
    headers: Any
    """Case-insensitive."""
    body: bytes


class NoAnswerError(Exception):
    """The connection failed, was reset, broke off or took too long."""

    def __init__(self, what: str, *, reached: bool) -> None:
        super().__init__(what)
        self.reached = reached
        """The server may have read the call, and may charge for it."""


class Connection:
    """An endpoint with its key.

    Args:
        options: of the teacher.
        where: whose they are, for errors.

    Raises:
        BadInputError: the environment has no key.
    """

    def __init__(self, options: EndpointOptions, *, where: str) -> None:
        self._options = options
        self._key = key_of(options, where=where)
        self._session: aiohttp.ClientSession | None = None
        self._proxy = _proxy_for(options.base_url)

    async def open(self) -> None:
        """Must be called in the loop that asks."""
        headers: dict[str, str] = {}
        if self._key is not None:
            bearer = self._options.key_header.lower() == "authorization"
            headers[self._options.key_header] = f"Bearer {self._key}" if bearer else self._key
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300),
            timeout=aiohttp.ClientTimeout(total=self._options.timeout, sock_connect=CONNECT_SECONDS),
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, method: str, path: str, body: bytes | aiohttp.FormData | None = None) -> HttpReply:
        """Sends one call; redirects are not followed, as the key would go along.

        Raises:
            NoAnswerError: no whole answer came.
        """
        assert self._session is not None, "the connection is not open"
        kind = {"Content-Type": "application/json"} if isinstance(body, bytes) else None
        try:
            async with self._session.request(
                method, self.url(path), data=body, headers=kind, proxy=self._proxy, allow_redirects=False
            ) as response:
                data = await response.read()
                return HttpReply(response.status, response.headers, data)
        except aiohttp.ClientConnectorError as error:
            raise NoAnswerError(f"cannot connect: {error.strerror or error}", reached=False) from None
        except aiohttp.ConnectionTimeoutError:
            raise NoAnswerError(f"cannot connect in {CONNECT_SECONDS:g} s", reached=False) from None
        except TimeoutError:
            raise NoAnswerError(f"no answer in {self._options.timeout:g} s", reached=True) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NoAnswerError(f"the connection broke ({type(error).__name__})", reached=True) from None

    def url(self, path: str) -> str:
        """The address of a path below the base; the base's query stays behind it."""
        base = urlsplit(self._options.base_url)
        path, _, query = path.partition("?")
        queries = "&".join(part for part in (query, base.query) if part)
        return urlunsplit(base._replace(path=f"{base.path.rstrip('/')}/{path}", query=queries))

    def without_key(self, text: str) -> str:
        """A server's message with everything taken out that is, or looks like, a key."""
        if self._key:
            text = text.replace(self._key, "[key]")
        return _SECRET.sub("[key]", text)


def key_of(options: EndpointOptions, *, where: str) -> str | None:
    """The key from the environment; None where the endpoint asks for none.

    Raises:
        BadInputError: the variable is not set or empty.
    """
    if options.api_key_env is None:
        return None
    key = os.environ.get(options.api_key_env, "").strip()
    if not key:
        raise BadInputError(
            f"the environment variable {options.api_key_env} is not set, and the endpoint asks for a key",
            where=where,
            next_step="Set it; or name another one in `api_key_env` (null: no key is sent).",
        )
    if not key.isascii() or any(ord(c) < 33 for c in key):
        raise BadInputError(
            f"the environment variable {options.api_key_env} holds characters that no key has", where=where
        )
    return key


def _proxy_for(url: str) -> str | None:
    """The proxy that the environment names, read by the standard library; none for this machine, whose key would go to the
    proxy in clear. aiohttp's own way would read .netrc too."""
    parts = urlsplit(url)
    if is_local(parts.hostname) or urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)
