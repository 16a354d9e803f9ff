"""Content keys: same work, same key, on any machine."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec


def content_key(*parts: Any) -> str:
    """32 hexadecimal digits of the SHA-256 of the parts in canonical JSON (keys sorted, records as objects)."""
    data = msgspec.json.encode(parts, order="deterministic")
    return hashlib.sha256(data).hexdigest()[:32]


def derived_seed(*parts: Any) -> int:
    """A seed below 2**63 that depends on all parts and on nothing else."""
    data = msgspec.json.encode(parts, order="deterministic")
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big") >> 1
