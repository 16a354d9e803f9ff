"""Bodies of requests and replies, in the OpenAI-compatible form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from rtbench_plugins.methods.thinking import Tags, begun, cut_at, parted
from rtbench_plugins.remote.bodies import UNREADABLE, decoded
from rtbench_plugins.remote.logprobs import read_logprobs
from rtbench_plugins.remote.messages import shortened
from rtbench_plugins.remote.options import EndpointOptions, Profile
from rtbench_plugins.remote.usage import UsageReply, read_usage

from rtbench.api import Completion, FinishReason, RefusalKind, Request, Usage, completion_of

SEEDS = 2**31
"""Number of different seeds sent. Some servers store seeds in 32 bits, signed."""

FILTERED = "content_filter"
"""Code of a refusal because of a prompt's content (Azure's code; OpenRouter answers 403 with the flagged input)."""
_FILTER_REASONS = frozenset(
    {FILTERED, "safety", "recitation", "prohibited_content", "blocklist", "spii", "sensitive", "guardrail_intervened"}
)
"""Finish reasons of completions that a filter stopped: of OpenAI and Azure, then of gateways to other vendors' models."""
_CUT_REASONS = frozenset({"length", "max_tokens", "model_length"})
"""Finish reasons of completions that a token limit cut: OpenAI's, then those of gateways to Anthropic and Mistral."""

_encode = msgspec.json.Encoder().encode


class _Detail(msgspec.Struct, frozen=True):
    text: str | None = None
    summary: str | None = None


class _ContentPart(msgspec.Struct, frozen=True):
    """An item of a message's content, where that is a list: text, or a model's thinking."""

    type: str = "text"
    text: str | None = None
    thinking: str | list[_Detail] | None = None


class _Fault(msgspec.Struct, frozen=True):
    message: str | None = None
    code: str | int | None = None
    type: str | None = None
    metadata: Any = None


class _Message(msgspec.Struct, frozen=True):
    content: str | list[_ContentPart | str] | None = None
    reasoning: Any = None
    reasoning_content: Any = None
    reasoning_details: Any = None
    refusal: Any = None
    tool_calls: Any = None


class Choice(msgspec.Struct, frozen=True):
    """A completion in a reply: ``message`` of a chat, ``text`` of a plain completion."""

    index: Any = None
    """Place of the choice, where it is a number."""
    message: _Message | None = None
    text: str | None = None
    finish_reason: Any = None
    """Why the text ends, where it is a text."""
    logprobs: msgspec.Raw = msgspec.Raw(b"null")

    @property
    def reason(self) -> str | None:
        """Return why the text ends; None where that is not stated as a text."""
        return self.finish_reason if isinstance(self.finish_reason, str) else None

    @property
    def said(self) -> bool:
        """Return whether this is a completion, not a fault in its place."""
        return self.reason != "error" and (self.message is not None or self.text is not None)


class Unanswered(msgspec.Struct, frozen=True):
    """A choice that holds no answer."""

    kind: RefusalKind
    why: str
    """Reason with the finish reason; equal for all choices without an answer for this reason."""
    said: str = ""
    """The model's own words, where it refused."""


class _RawReply(msgspec.Struct, frozen=True):
    """A reply as sent. Only fields that we use are read."""

    choices: list[msgspec.Raw]
    usage: msgspec.Raw = msgspec.Raw(b"null")


class Reply(msgspec.Struct, frozen=True):
    """A reply with completions."""

    choices: list[Choice]
    """Choices that hold an answer."""
    usage: UsageReply | None = None
    """None where the server does not count tokens, or not in a readable form."""
    unanswered: list[Unanswered] = []
    """The other choices: filtered, refused or empty."""


class _FaultyChoice(msgspec.Struct, frozen=True):
    error: _Fault | str | None = None


class _FaultReply(msgspec.Struct, frozen=True):
    error: _Fault | str | None = None
    message: str | None = None
    detail: Any = None
    choices: list[_FaultyChoice] | None = None
    usage: msgspec.Raw = msgspec.Raw(b"null")


class Fault(msgspec.Struct, frozen=True):
    """What an error reply says."""

    message: str = ""
    code: str = ""
    """Code, or else the type of the error."""
    usage: UsageReply | None = None
    """Tokens that the server counted all the same."""
    stated: bool = False
    """Whether the reply is an error by its own words."""


_reply = msgspec.json.Decoder(_RawReply)
_choice = msgspec.json.Decoder(Choice)
_fault = msgspec.json.Decoder(_FaultReply)
_any = msgspec.json.Decoder(Any)


class Body:
    """Builder of request bodies.

    Args:
        options: of the model.
        profile: parameters that the model accepts.
    """

    def __init__(self, options: EndpointOptions, profile: Profile) -> None:
        self._chat = options.endpoint == "chat"
        self._model = options.model
        self._extra = options.extra
        self._system = [{"role": "system", "content": options.system}] if options.system is not None else []
        self._names = profile.names if self._chat else {}
        self._without = frozenset(profile.without)
        self._most_stops = profile.most_stops
        self._thinking = options.thinking
        self._prefill = profile.prefill or {}

    def plain(self, request: Request, n: int = 1) -> dict[str, Any]:
        """Return the fields of a call for ``n`` completions of the request's prompt, with the request's seed."""
        sampling = request.sampling
        fields: dict[str, Any] = {"max_tokens": sampling.max_new_tokens, "temperature": sampling.temperature}
        if sampling.top_p != 1.0:
            fields["top_p"] = sampling.top_p
        if sampling.stop:
            fields["stop"] = list(sampling.stop[: self._most_stops])
        if sampling.temperature > 0:
            fields["seed"] = request.seed % SEEDS
        if n > 1:
            fields["n"] = n
        if sampling.top_logprobs:
            more = {"logprobs": True, "top_logprobs": sampling.top_logprobs}
            fields |= more if self._chat else {"logprobs": sampling.top_logprobs}
        sent = {self._names.get(key, key): value for key, value in fields.items() if key not in self._without}
        return {"model": self._model, **self._prompt(request), **sent, **self._extra}

    def encoded(self, request: Request, n: int = 1) -> bytes:
        """Return the body of such a call, as JSON."""
        return _encode(self.plain(request, n))

    def _prompt(self, request: Request) -> dict[str, Any]:
        answer = "" if request.prefill is None else begun(request.prefill, self._thinking)
        if not self._chat:
            return {"prompt": request.prompt + answer}
        messages = [*self._system, {"role": "user", "content": request.prompt}]
        if not answer:
            return {"messages": messages}
        return {"messages": [*messages, {"role": "assistant", "content": answer}], **self._prefill}


def read_reply(body: bytes) -> Reply | None:
    """Return a reply with at least one choice; None where the body is truncated, not JSON or no such reply.

    A choice with a fault in place of a completion is left out, as if it were missing. So is one of another form, and one
    whose index an earlier choice has.
    """
    try:
        reply = decoded(_reply, body)
    except UNREADABLE:
        return None
    choices = [(choice, _unanswered(choice)) for choice in _distinct(reply.choices) if choice.said]
    if not choices:
        return None
    answered = [choice for choice, none in choices if none is None]
    return Reply(answered, read_usage(reply.usage), [none for _, none in choices if none is not None])


def _distinct(choices: Sequence[msgspec.Raw]) -> Iterator[Choice]:
    """Yield the choices that can be read, each index once. A choice without a number as its index is a choice of its own."""
    seen: set[int] = set()
    for data in choices:
        try:
            choice = decoded(_choice, bytes(data))
        except UNREADABLE:
            continue
        index = choice.index if isinstance(choice.index, int) else None
        if index is None or index not in seen:
            yield choice
        if index is not None:
            seen.add(index)


def _unanswered(choice: Choice) -> Unanswered | None:
    """Return why a choice holds no answer; None where it holds one.

    A text that a token limit cut is an answer, also where thinking used all tokens and nothing follows it. So is an empty
    text of a plain completion that the model ended itself.
    """
    reason = (choice.reason or "").casefold()
    shown = f"finish reason {shortened(choice.reason, 40)}" if choice.reason else "no finish reason"
    message = choice.message
    words = _word(message.refusal) if message is not None else ""
    if reason in _FILTER_REASONS:
        return Unanswered("filtered", f"stopped by a content filter ({shown})", words)
    text = choice.text if message is None else _text(message)
    if (text or "").strip() or reason in _CUT_REASONS:
        return None
    if words or reason == "refusal":
        return Unanswered("refused", f"refused by the model ({shown})", words)
    ended = reason == "stop" if message is None else bool(_thoughts(message) or message.tool_calls)
    return None if ended else Unanswered("empty", f"answered with no text ({shown})")


def is_json(body: bytes) -> bool:
    """Return whether a body is a whole JSON value that is not nested too deeply."""
    try:
        decoded(_any, body)
    except UNREADABLE:
        return False
    return True


def is_too_deep(body: bytes) -> bool:
    """Return whether a body is JSON that is nested more deeply than can be read."""
    try:
        decoded(_any, body)
    except RecursionError:
        return True
    except UNREADABLE:
        return False
    return False


def read_fault(body: bytes) -> Fault | None:
    """Return what an error reply says; None where the body is not a JSON object."""
    try:
        reply = decoded(_fault, body)
    except UNREADABLE:
        return None
    usage = read_usage(reply.usage)
    error = reply.error or next((choice.error for choice in reply.choices or () if choice.error), None)
    if isinstance(error, str):
        return Fault(error, usage=usage, stated=True)
    if error is not None:
        filtered = isinstance(error.metadata, dict) and "flagged_input" in error.metadata
        code = FILTERED if filtered else str(error.code or error.type or "")
        return Fault(error.message or "", code, usage, stated=True)
    message = reply.message or (_text_of(reply.detail) if reply.detail else "")
    return Fault(message, usage=usage, stated=bool(message))


def _text_of(value: object) -> str:
    try:
        return str(value)
    except RecursionError:
        return "(nested too deeply)"


def completions(requests: Sequence[Request], reply: Reply, thinking: Tags | None) -> list[Completion]:
    """Return a completion per choice, in order, for the first requests of a call.

    There are fewer completions than requests where the reply has fewer choices. Surplus choices are left out.
    """
    choices = reply.choices[: len(requests)]
    if not choices:
        return []
    parts = [_parts(choice, thinking) for choice in choices]
    usages = _shares(reply.usage, [len(text) + len(thoughts or "") for text, thoughts in parts])
    result: list[Completion] = []
    for request, choice, (whole, thoughts), usage in zip(requests, choices, parts, usages, strict=False):
        text = cut_at(whole, request.sampling.stop)
        reason = _finish(choice.reason) if text is whole else "stop"
        logprobs = read_logprobs(choice.logprobs, request.sampling.top_logprobs)
        result.append(
            completion_of(request, text, reasoning=thoughts, finish_reason=reason, usage=usage, logprobs=logprobs)
        )
    return result


def _finish(reason: str | None) -> FinishReason | None:
    """Return the finish reason; None for other words, whose meaning for the text is undocumented."""
    if (reason or "").casefold() in _CUT_REASONS:
        return "length"
    return "stop" if reason == "stop" else None


def _parts(choice: Choice, thinking: Tags | None) -> tuple[str, str | None]:
    """Return the text and the thinking of a choice."""
    message = choice.message
    if message is None:
        text, thoughts = choice.text or "", None
    else:
        text, thoughts = _text(message) or "", _thoughts(message)
    return parted(text, thinking) if thoughts is None else (text, thoughts)


def _text(message: _Message) -> str | None:
    if not isinstance(message.content, list):
        return message.content
    parts = [_ContentPart(text=part) if isinstance(part, str) else part for part in message.content]
    return "".join(part.text or "" for part in parts if part.thinking is None)


def _word(value: object) -> str:
    """Return a text of a reply; empty for anything else."""
    return value if isinstance(value, str) else ""


def _thoughts(message: _Message) -> str | None:
    """Return the thinking that the server separates from the text.

    It is in ``reasoning`` (vLLM), ``reasoning_content`` (older servers), the items of ``reasoning_details``, or the
    thinking items of a content list (Mistral).
    """
    if stated := _word(message.reasoning) or _word(message.reasoning_content):
        return stated
    texts = [
        _word(detail.get("text")) or _word(detail.get("summary"))
        for detail in (message.reasoning_details if isinstance(message.reasoning_details, list) else ())
        if isinstance(detail, dict)
    ]
    for part in message.content if isinstance(message.content, list) else ():
        if isinstance(part, _ContentPart):
            thinking = part.thinking if isinstance(part.thinking, list) else [_Detail(text=part.thinking)]
            texts += [detail.text or detail.summary or "" for detail in thinking]
    return "".join(texts) or None


def _shares(usage: UsageReply | None, lengths: Sequence[int]) -> list[Usage | None]:
    """Return a call's tokens divided over its completions, so that the sums equal the server's counts.

    The prompt's tokens go to the first completion, the completion tokens are divided in proportion to text lengths.
    """
    if usage is None:
        return [None] * len(lengths)
    written, thoughts = _divided(usage.written, lengths), _divided(usage.thought, lengths)
    return [
        Usage(
            prompt_tokens=0 if i else usage.read,
            completion_tokens=written[i],
            cached_tokens=0 if i else usage.cached,
            thinking_tokens=thoughts[i],
        )
        for i in range(len(lengths))
    ]


def _divided(total: int, weights: Sequence[int]) -> list[int]:
    """Return integers in proportion to ``weights`` whose sum is ``total``."""
    counted = weights if any(weights) else [1] * len(weights)
    parts = [total * weight // sum(counted) for weight in counted]
    parts[0] += total - sum(parts)
    return parts
