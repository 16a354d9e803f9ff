"""Lines of batches' files: calls, and their answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
from rtbench_plugins.remote.calls import Call
from rtbench_plugins.remote.http import HttpReply
from rtbench_plugins.remote.messages import shortened
from rtbench_plugins.remote.replies import Again, Redact, Refused, ReplyClass, classify


class BatchLine(msgspec.Struct, frozen=True):
    """A line of a batch's output or error file."""

    custom_id: str
    response: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


def classify_line(line: BatchLine, redact: Redact) -> ReplyClass:
    """Classify a line as if it were the answer to a single call."""
    if line.response is None:
        return Again(shortened(redact(str((line.error or {}).get("message") or "no result"))))
    status = line.response.get("status_code")
    if not isinstance(status, int):
        return Again("the line has no status")
    body = msgspec.json.encode(line.response.get("body"))
    outcome = classify(HttpReply(status, {}, body), redact)
    # A 404 or 401 of one line says nothing about the endpoint, which accepted the batch.
    return replace(outcome, persistent=False) if isinstance(outcome, Refused) else outcome


def line_of(call: Call, url: str) -> bytes:
    """Return the line of a batch's file for a call."""
    head = msgspec.json.encode({"custom_id": call.requests[0].key, "method": "POST", "url": url})
    return head[:-1] + b',"body":' + call.body + b"}"
