"""Services for what is tried without a command."""

from __future__ import annotations

from typing import Any

from rtbench.schema.environment import Environment
from rtbench.session import Session


def session(**fields: Any) -> Session:
    """Return a session with some fields of its environment set. Nothing is written until something is stored."""
    return Session(Environment(workspace="rtbench-workspace", **fields))
