"""Classification of a server's answer to a call."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import msgspec
from rtbench_plugins.remote.http import HttpReply
from rtbench_plugins.remote.limits import retry_after
from rtbench_plugins.remote.messages import is_html, is_stream, shortened, text_in, words_of_page
from rtbench_plugins.remote.usage import UsageReply, can_be
from rtbench_plugins.remote.wire import FILTERED, Fault, Reply, is_json, is_too_deep, read_fault, read_reply

_AGAIN = frozenset({408, 409, 425})
_PERSISTENT = frozenset({401, 402, 403, 404, 405})
_NO_MONEY = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_FILTER_CODES = frozenset({FILTERED, "content_policy_violation", "data_inspection_failed"})
"""Codes of refusals because of a prompt's content: of OpenAI and Azure, LiteLLM, and Alibaba."""
_STATUS_OF_CODE = {
    **dict.fromkeys(("rate_limit_exceeded", "rate_limit_error", "too_many_requests", *_NO_MONEY), 429),
    **dict.fromkeys(("overloaded", "overloaded_error", "server_overloaded", "service_unavailable"), 503),
    **dict.fromkeys(("invalid_api_key", "authentication_error", "unauthorized"), 401),
    **dict.fromkeys(("model_not_found", "not_found_error"), 404),
    **dict.fromkeys(("invalid_request_error", "context_length_exceeded", "badrequesterror", *_FILTER_CODES), 400),
    "permission_error": 403,
}
"""HTTP status that vendors send with a code, for error objects that arrive with status 200."""
_MESSAGE = re.compile(r'"message"\s*:\s*"((?:[^"\\]|\\.)*)')
"""The message in the first part of an error object."""
_BUSY = re.compile(
    r"overload|too many requests|rate.?limit|at capacity|temporarily|try again|unavailable", re.IGNORECASE
)


@dataclass(frozen=True)
class Good:
    """The model was reached. Choices without an answer are listed apart."""

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
    usage: UsageReply | None = None
    """Tokens that the server counted all the same."""
    astray: bool = False
    """Whether the reply is none of this protocol's, so that the address may be wrong."""


@dataclass(frozen=True)
class Refused:
    """The call fails however often it is sent."""

    why: str
    persistent: bool = False
    """Whether all other calls fail too: the key, the address, the model or the account is wrong."""
    filtered: bool = False
    """Whether the refusal is about the prompt's content, so that other calls may succeed."""
    perhaps_billed: bool = False
    """Whether the call may have been charged."""
    usage: UsageReply | None = None
    """Tokens that the server counted all the same."""
    astray: bool = False
    """Whether the address may be wrong."""


ReplyClass = Good | Again | Refused
Redact = Callable[[str], str]
"""Removes keys from a server's message. It sees the whole message, because a shortened one may end within a key."""


def classify(answer: HttpReply, redact: Redact = str) -> ReplyClass:
    """Classify an answer by its status and body.

    With 408, 409, 425, 429 and 5xx, or a body that is truncated or has no choice, the call may succeed later. With 401 to
    405, no call will succeed. With another 4xx, this call will not succeed. An error object with status 200 counts like
    the status that its code stands for, or else like 503 or 500.
    """
    if answer.status == 200 and answer.cut:  # generated and charged, and the next one would be as long
        return Refused(f"200, but the reply is longer than {len(answer.body):,} bytes", perhaps_billed=True)
    if answer.status == 200:
        reply = read_reply(answer.body)
        return _without_choice(answer, redact) if reply is None else Good(reply)
    fault = read_fault(answer.body)
    if fault is None or not fault.message:
        words, _ = _words(answer)
        fault = Fault(words or "(no message)", fault.code if fault is not None else "")
    shown = shortened(redact(fault.message)).removeprefix(f"{answer.status} ")
    return _by_status(answer.status, fault, f"{answer.status} {shown}", answer.headers)


def _by_status(status: int, fault: Fault, why: str, headers: Mapping[str, str]) -> ReplyClass:
    code = fault.code.casefold()
    filtered = code in _FILTER_CODES
    if (status in _PERSISTENT and not filtered) or (status == 429 and code in _NO_MONEY):
        return Refused(why, persistent=True, usage=fault.usage, astray=status in {404, 405})
    if status in _AGAIN or status == 429 or status >= 500:
        return Again(why, retry_after(headers), throttled=status in {429, 503}, usage=fault.usage)
    if status < 400:
        target = headers.get("Location")
        to = f" to {shortened(target)}" if target else ""
        return Refused(f"{status}, a redirect{to} or another unusable answer", persistent=True, astray=True)
    return Refused(why, filtered=filtered, usage=fault.usage)


def _without_choice(answer: HttpReply, redact: Redact) -> ReplyClass:
    """Classify a reply with status 200 that has no choice."""
    fault = read_fault(answer.body)
    if fault is not None and fault.stated:
        status = _status_of(fault)
        code = f" {shortened(fault.code, 40)}" if fault.code else ""
        why = f"200 with the error{code}: {shortened(redact(fault.message)) or '(no message)'}"
        return _by_status(status, fault, why, answer.headers)
    if fault is not None:
        return Again("200, but the reply has no choice", perhaps_billed=True, usage=fault.usage)
    return _of_other_form(answer, redact)


def _of_other_form(answer: HttpReply, redact: Redact) -> ReplyClass:
    """Classify a reply with status 200 that is none of this protocol's."""
    if not answer.body.strip():
        return Again("200, but the reply is empty", perhaps_billed=True)
    if answer.body.lstrip()[:1] in {b"{", b"["}:
        lacks = "has no choice" if is_json(answer.body) else "is truncated or not valid JSON"
        if is_too_deep(answer.body):
            lacks = "is nested too deeply"
        return Again(f"200, but the reply {lacks}", perhaps_billed=True)
    words, kind = _words(answer)
    said = f": {shortened(redact(words))}" if words else ""
    if kind == "stream":  # generated and charged, and the next one would be a stream as well
        return Refused(f"200, but the reply is an event stream, which was not asked for{said}", perhaps_billed=True)
    if kind == "page":
        return Again(f"200, but the reply is an HTML page, not JSON{said}", astray=True)
    return Again(f"200, but the reply is not JSON{said}", perhaps_billed=True, astray=True)


def _words(answer: HttpReply) -> tuple[str, str]:
    """Return the words in a body that is no JSON object, and the kind of body: ``page``, ``stream`` or ``text``."""
    content_type = str(answer.headers.get("Content-Type") or "")
    text = text_in(answer.body)
    if is_html(answer.body, content_type):
        return words_of_page(text), "page"
    if is_stream(answer.body, content_type):
        event = next((line[5:].strip() for line in text.splitlines() if line.startswith("data:")), "")
        fault = read_fault(event.encode())
        return (fault.message if fault is not None and fault.stated else event), "stream"
    if answer.cut and (message := _MESSAGE.search(text)):
        return message[1], "text"
    return text, "text"


def with_checked_usage(outcome: ReplyClass, prompt: int, completion: int) -> ReplyClass:
    """Return an outcome without token counts that cannot be. Its call then costs the most that it can cost.

    Args:
        outcome: of a call.
        prompt: upper bound on the tokens of the prompt.
        completion: upper bound on the tokens of all completions.
    """
    usage = outcome.reply.usage if isinstance(outcome, Good) else outcome.usage
    if usage is None or can_be(usage, prompt, completion):
        return outcome
    if isinstance(outcome, Good):
        return Good(msgspec.structs.replace(outcome.reply, usage=None))
    return replace(outcome, usage=None, perhaps_billed=True)


def _status_of(fault: Fault) -> int:
    """Return the HTTP status that an error object stands for."""
    if re.fullmatch("[45][0-9]{2}", fault.code):
        return int(fault.code)
    return _STATUS_OF_CODE.get(fault.code.casefold(), 503 if _BUSY.search(fault.message[:2000]) else 500)
