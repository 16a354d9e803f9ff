"""Options of models, whatever their backend."""

from __future__ import annotations

from typing import Any

import msgspec

from rtbench.api import Record


def plain(options: Record) -> dict[str, Any]:
    """Return options as plain data, for the record of a model. Options that omit their defaults are without them."""
    data = msgspec.to_builtins(options)
    assert isinstance(data, dict)
    return data
