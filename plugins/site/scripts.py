"""JSON inside of scripts."""

from __future__ import annotations

from typing import Any

import msgspec

_ESCAPES = {"<": "\\u003c", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def script_json(value: Any) -> str:
    """Return JSON that is safe inside of a script.

    Escaped are ``<``, which could end a script element, and U+2028 and U+2029, which could end a line.
    """
    encoded = msgspec.json.encode(value).decode()
    for unsafe, escape in _ESCAPES.items():
        encoded = encoded.replace(unsafe, escape)
    return encoded
