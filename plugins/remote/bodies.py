"""Bodies of replies: read up to a limit, decompressed, and made readable where single characters are broken."""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncIterator
from typing import TypeVar

import msgspec

T = TypeVar("T")
MOST_ERROR = 1 << 18
"""Highest number of bytes that are read of an error reply."""
MOST_OBJECT = 1 << 24
"""Highest number of bytes of an object or a page of a listing."""
MOST_FILE = 1 << 31
"""Highest number of bytes of a file of results, where no lower number is known."""
MOST_REPLY = 1 << 22
"""Highest number of bytes of a reply with completions, besides :data:`BYTES_PER_TOKEN` for each token that was allowed."""
BYTES_PER_TOKEN = 256
"""Upper bound on the bytes of a token in JSON: text, escapes, and thinking that is stated twice."""
BYTES_PER_LOGPROB = 512
"""Upper bound on the bytes of a token's log-probability in JSON, with its bytes one by one."""
UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError)
"""Errors of bodies that are truncated, of another form, or nested too deeply."""

_HALF = re.compile(
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u(?![dD][89a-fA-F])|\\[^u])|\\u[dD][89a-fA-F][0-9a-fA-F]{2}",
    re.DOTALL,
)
"""An escape that stays (in the group), or one that is half a character."""


class CompressedCutError(Exception):
    """A compressed body is damaged or ends early."""


def allowed(tokens: int, top_logprobs: int) -> int:
    """Return the highest number of bytes of a completion in a reply.

    Args:
        tokens: the limit on new tokens.
        top_logprobs: number of log-probabilities per token.
    """
    return tokens * (BYTES_PER_TOKEN + BYTES_PER_LOGPROB * (top_logprobs + 1 if top_logprobs else 0))


async def read_up_to(chunks: AsyncIterator[bytes], most: int, encoding: str) -> tuple[bytes, bool]:
    """Return the first ``most`` bytes of a body, decompressed, and whether it is longer.

    Args:
        chunks: of the body, as they arrive.
        most: highest number of bytes, also of the decompressed body.
        encoding: ``Content-Encoding`` of the reply: empty, ``identity``, ``gzip`` or ``deflate``.

    Raises:
        CompressedCutError: the compressed body is damaged, ends early, or was compressed in another way.
    """
    if encoding not in {"", "identity", "gzip", "x-gzip", "deflate"}:
        raise CompressedCutError(f"its compression {encoding[:20]!r} was not asked for")
    body, compressed = bytearray(), encoding not in {"", "identity"}
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
    async for chunk in chunks:
        try:
            body += unpacker.decompress(chunk, most + 1 - len(body)) if compressed else chunk
        except zlib.error as error:
            raise CompressedCutError(f"its compressed data are damaged ({error})") from None
        if len(body) > most:
            return bytes(body[:most]), True
        if compressed and unpacker.eof:
            break
    if compressed and body and not unpacker.eof:
        raise CompressedCutError("its compressed data end early")
    return bytes(body), False


def whole(body: bytes) -> bytes:
    """Return JSON in which bytes that are no UTF-8, and escapes of half a character, are replaced by U+FFFD."""
    text = body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").encode()
    return _HALF.sub(lambda match: match[1] or b"\\ufffd", text) if b"\\u" in text else text


def decoded(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Return decoded JSON. A text with a broken character has U+FFFD in its place, so that the rest is not lost.

    Raises:
        Exception: one of :data:`UNREADABLE`.
    """
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeError):
        repaired = whole(body)
        if repaired == body:
            raise
        return decoder.decode(repaired)
