"""HTTP connection to an endpoint. Imports aiohttp, so it is imported only where calls are sent."""

from __future__ import annotations

import os
import re
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from rtbench_plugins.remote.bodies import MOST_ERROR, MOST_OBJECT, CompressedCutError, read_up_to
from rtbench_plugins.remote.options import EndpointOptions, is_local

from rtbench.api import BadInputError

CONNECT_SECONDS = 30.0

_SECRET = re.compile(r"\b(sk|key|gsk|xai|pk)-[A-Za-z0-9_*.\-]{6,}", re.IGNORECASE)

_VERSION = re.compile(r"/v\d")
"""Version in the path of an address (``/v1``, ``/v1beta``)."""


@dataclass(frozen=True)
class HttpReply:
    """An answer of the server, whatever its status."""

    status: int
    headers: Any
    """Case-insensitive."""
    body: bytes
    cut: bool = False
    """Whether the body is longer, and only its first part was read."""


class NoAnswerError(Exception):
    """The connection failed, was reset, was interrupted or timed out."""

    def __init__(self, what: str, *, reached: bool) -> None:
        super().__init__(what)
        self.reached = reached
        """Whether the server may have read the call, and may charge for it."""


class Connection:
    """Connection to an endpoint, with its key.

    Args:
        options: of the model.
        where: the model that errors name.

    Raises:
        BadInputError: the environment has no key.
    """

    def __init__(self, options: EndpointOptions, *, where: str) -> None:
        self._options = options
        self._key = key_of(options, where=where)
        self._session: aiohttp.ClientSession | None = None
        self._proxy = _proxy_for(options.base_url)

    async def open(self) -> None:
        """Open the connection. Must be called in the event loop that sends the calls."""
        headers: dict[str, str] = {"Accept-Encoding": "gzip"}
        if self._key is not None:
            bearer = self._options.key_header.lower() == "authorization"
            headers[self._options.key_header] = f"Bearer {self._key}" if bearer else self._key
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300),
            timeout=aiohttp.ClientTimeout(total=self._options.timeout, sock_connect=CONNECT_SECONDS),
            headers=headers,
            auto_decompress=False,  # it would unpack a small reply to any size
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(
        self, method: str, path: str, body: bytes | aiohttp.FormData | None = None, *, most: int = MOST_OBJECT
    ) -> HttpReply:
        """Send a call. Redirects are not followed, since the key would be sent to their target.

        Args:
            method: HTTP method.
            path: below the base address.
            body: of the call.
            most: highest number of bytes of a good reply. Of an error reply, the first :data:`MOST_ERROR` are read.

        Raises:
            NoAnswerError: no complete answer arrived.
        """
        assert self._session is not None, "the connection is not open"
        kind = {"Content-Type": "application/json"} if isinstance(body, bytes) else None
        try:
            async with self._session.request(
                method, self.url(path), data=body, headers=kind, proxy=self._proxy, allow_redirects=False
            ) as response:
                limit = most if response.status in {200, 201} else MOST_ERROR
                encoding = str(response.headers.get("Content-Encoding") or "").strip().lower()
                data, cut = await read_up_to(response.content.iter_any(), limit, encoding)
                if cut:
                    response.close()  # the rest is not read, so the connection cannot be used again
                return HttpReply(response.status, response.headers, data, cut)
        except CompressedCutError as error:
            raise NoAnswerError(f"the reply cannot be read: {error}", reached=True) from None
        except aiohttp.ClientConnectorError as error:
            raise NoAnswerError(f"cannot connect: {error.strerror or error}", reached=False) from None
        except aiohttp.ConnectionTimeoutError:
            raise NoAnswerError(f"cannot connect in {CONNECT_SECONDS:g} s", reached=False) from None
        except TimeoutError:
            raise NoAnswerError(f"no answer in {self._options.timeout:g} s", reached=True) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NoAnswerError(f"the connection broke ({type(error).__name__})", reached=True) from None

    def url(self, path: str) -> str:
        """Return the address of a path below the base address, with the base's query appended."""
        base = urlsplit(self._options.base_url)
        path, _, query = path.partition("?")
        queries = "&".join(part for part in (query, base.query) if part)
        return urlunsplit(base._replace(path=f"{base.path.rstrip('/')}/{path}", query=queries))

    def asked(self, path: str) -> str:
        """Return the address of a path for a message, with a hint where the base address has no version."""
        hint = "" if _VERSION.search(urlsplit(self._options.base_url).path) else "; does `base_url` lack /v1?"
        return f"asked {self.url(path)}{hint}"

    def without_key(self, text: str) -> str:
        """Return a server's message without the key and without anything that looks like a key."""
        if self._key:
            text = text.replace(self._key, "[key]")
        return _SECRET.sub("[key]", text)


def key_of(options: EndpointOptions, *, where: str) -> str | None:
    """Return the key from the environment; None where the endpoint needs no key.

    Raises:
        BadInputError: the variable is missing or empty, or its value cannot be a key.
    """
    if options.api_key_env is None:
        return None
    key = os.environ.get(options.api_key_env, "").strip()
    if not key:
        raise BadInputError(
            f"the environment variable {options.api_key_env} is not set, and the endpoint needs a key",
            where=where,
            next_step="Set it, or name another variable in `api_key_env` (null: no key is sent).",
        )
    if not key.isascii() or any(ord(c) < 33 for c in key):
        raise BadInputError(
            f"the environment variable {options.api_key_env} contains characters that keys do not have", where=where
        )
    return key


def _proxy_for(url: str) -> str | None:
    """Return the proxy for an address that the environment names; None for this machine.

    A key for this machine would be sent to the proxy unencrypted. The standard library reads the environment, because
    aiohttp would read .netrc too.
    """
    parts = urlsplit(url)
    if is_local(parts.hostname) or urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)
