"""Messages of servers as a user reads them: short, without markup, and without control characters."""

from __future__ import annotations

import html
import re

from rtbench.api import squeezed

MOST_SHOWN = 200
"""Highest number of characters of a server's message that are stored or shown."""
MOST_READ = 20_000
"""Highest number of bytes of a message that are looked at. Some servers repeat the whole prompt, or send megabytes."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?", re.DOTALL)
"""Control sequences of terminals: colours, cursor movements, titles and links."""
_UNSEEN = re.compile(r"(?is)<!--.*?-->|<(script|style|head)\b.*?</\1\s*>|<!doctype[^>]*>")
"""Parts of an HTML page that a browser does not show."""
_TITLE = re.compile(r"(?is)<title[^>]*>(.*?)</title>")
_TAG = re.compile(r"(?s)<[^>]*>?")


def readable(text: str) -> str:
    """Return a text on one line, without control sequences and without characters that cannot be printed."""
    plain = _ESCAPES.sub(" ", text)
    return squeezed("".join(character if character.isprintable() else " " for character in plain))


def shortened(text: str, most: int = MOST_SHOWN) -> str:
    """Return a readable text with at most ``most`` characters. An ellipsis shows that it was cut."""
    line = readable(text[:MOST_READ])
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def text_in(body: bytes) -> str:
    """Return the first part of a body as text, whatever its bytes are."""
    return body[:MOST_READ].decode("utf-8", "replace")


def is_html(body: bytes, content_type: str) -> bool:
    """Return whether a body is an HTML page, by its first tag or its content type."""
    start = body[:500].lstrip().lower()
    return start.startswith((b"<!doctype html", b"<html")) or content_type.lower().startswith("text/html")


def is_stream(body: bytes, content_type: str) -> bool:
    """Return whether a body is a stream of server-sent events."""
    start = body[:500].lstrip()
    return start.startswith((b"data:", b"event:")) or content_type.lower().startswith("text/event-stream")


def words_of_page(page: str) -> str:
    """Return the title and the text of an HTML page, without tags, scripts and styles."""
    title = _TITLE.search(page)
    shown = _TAG.sub(" ", _UNSEEN.sub(" ", page))
    return html.unescape(f"{title[1] if title else ''} {shown}").strip()
