"""What an answer of the server means for the call that it answers."""

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
    """There are completions."""

    reply: Reply


@dataclass(frozen=True)
class Again:
    """The same call may go well later."""

    why: str
    after: float | None = None
    """Seconds that the server asks to wait."""
    throttled: bool = False
    """The server is well and asks for fewer calls."""
    perhaps_billed: bool = False


@dataclass(frozen=True)
class Refused:
    """The call will not go well, however often it is sent."""

    why: str
    persistent: bool = False
    """Nor will any other: the key, the address, the model or the account is at fault."""
    filtered: bool = False
    """For what its prompt says, which is no sign that others go wrong."""


Verdict = Good | Again | Refused


def verdict_on(answer: HttpReply) -> Verdict:
    """Reads an answer: 408, 409, 425, 429 and 5xx may go well later, and so may a body that breaks off or has no choice;
    401 to 405 will not for any call, other 4xx not for this one."""
    status = answer.status
    if status == 200:
        reply = read_reply(answer.body)
        if reply is not None:
            return Good(reply)
        return Again("the reply is cut, no JSON, or holds no choice", perhaps_billed=True)
    message, code = read_fault(answer.body)
    why = f"{status} {message or '(no message)'}"
    if (status in _PERSISTENT and code != FILTERED) or (status == 429 and code in _NO_MONEY):
        return Refused(why, persistent=True)
    if status in _AGAIN or status == 429 or status >= 500:
        return Again(why, retry_after(answer.headers), throttled=status in {429, 503})
    if status < 400:
        return Refused(f"{status}, a redirect or another answer that is none", persistent=True)
    return Refused(why, filtered=code == FILTERED)
