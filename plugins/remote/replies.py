"""Classification of a server's answer to a call."""

from __future__ import annotations

from dataclasses import dataclass

from rtbench_plugins.remote.http import HttpReply
from rtbench_plugins.remote.limits import retry_after
from rtbench_plugins.remote.wire import FILTERED, Reply, read_fault, read_reply

_AGAIN = frozenset({408, 409, 425})
_PERSISTENT = frozenset({401, 402, 403, 404, 405})
_NO_MONEY = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})


@dataclass(frozen=True)
class Good:
    """The answer has completions."""

    reply: Reply


@dataclass(frozen=True)
class Again:
    """The same call may succeed later."""

    why: str
    after: float | None = None
    """Seconds that the server asks to wait."""
    throttled: bool = False
    """Whether the server works, and only asks for fewer calls."""
    perhaps_billed: bool = False
    """Whether the call may have been charged."""


@dataclass(frozen=True)
class Refused:
    """The call fails however often it is sent."""

    why: str
    persistent: bool = False
    """Whether all other calls fail too: the key, the address, the model or the account is wrong."""
    filtered: bool = False
    """Whether the refusal is about the prompt's content, so that other calls may succeed."""


ReplyClass = Good | Again | Refused


def classify(answer: HttpReply) -> ReplyClass:
    """Classify an answer by its status and body.

    With 408, 409, 425, 429 and 5xx, or a body that is truncated or has no choice, the call may succeed later. With 401 to
    405, no call will succeed. With another 4xx, this call will not succeed.
    """
    status = answer.status
    if status == 200:
        reply = read_reply(answer.body)
        if reply is not None:
            return Good(reply)
        return Again("the reply is truncated, is not JSON or has no choice", perhaps_billed=True)
    message, code = read_fault(answer.body)
    why = f"{status} {message or '(no message)'}"
    if (status in _PERSISTENT and code != FILTERED) or (status == 429 and code in _NO_MONEY):
        return Refused(why, persistent=True)
    if status in _AGAIN or status == 429 or status >= 500:
        return Again(why, retry_after(answer.headers), throttled=status in {429, 503})
    if status < 400:
        return Refused(f"{status}, a redirect or another unusable answer", persistent=True)
    return Refused(why, filtered=code == FILTERED)
