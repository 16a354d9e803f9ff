"""Records of chats and instructions, as other tools write them: which shape a file has, and question and text of each.

========================  ==========================================================================
shape                     a record
========================  ==========================================================================
``sharegpt``              ``conversations``: turns with ``from`` and ``value``
``messages``              ``messages`` (or ``conversations``): turns with ``role`` and ``content``
``alpaca``                ``instruction``, optionally ``input``, and ``output``
``prompt-response``       ``prompt`` and ``response`` (or ``completion``, ``output``, ``text`` …)
``batch-input``           ``custom_id`` and the request's ``body`` (or ``params``)
``batch-output``          ``custom_id`` and its ``response`` (or ``result``)
``completions``           our own: ``question`` or ``sample_index``, and ``completion`` or ``text``
========================  ==========================================================================
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rtbench.api import read_rows

Shape = Literal["sharegpt", "messages", "alpaca", "prompt-response", "batch-input", "batch-output", "completions"]

RESPONSES = ("response", "completion", "output", "generation", "generated_text", "text", "answer_text")
"""Fields of a ``prompt-response`` record that may hold the model's text, in the order in which they are tried."""
_ENDS = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length"}
"""Anthropic's finish reasons in OpenAI's words."""
_USERS = frozenset({"user", "human", "prompter"})
_ASSISTANTS = frozenset({"assistant", "gpt", "model", "bot", "chatgpt"})


class Exchange(NamedTuple):
    """A prompt and the model's text."""

    prompt: str
    text: str
    thinking: str | None = None
    finish_reason: str | None = None
    number: int = 0
    """Place of the reply among those to the prompt."""


class UnreadableError(Exception):
    """A record holds no question with one reply; the text says why."""


def shape_of(record: Mapping[str, Any]) -> Shape:
    """Return the shape of a record; our own where it has no other."""
    if "custom_id" in record:
        if "response" in record or "result" in record:
            return "batch-output"
        if "body" in record or "params" in record:
            return "batch-input"
    turns = _turns_in(record)
    if turns and isinstance(turns[0], Mapping):
        return "sharegpt" if "from" in turns[0] else "messages"
    if "instruction" in record and "output" in record:
        return "alpaca"
    placed = record.get("question") is not None or record.get("sample_index") is not None
    if not placed and "prompt" in record and any(name in record for name in RESPONSES):
        return "prompt-response"
    return "completions"


def _turns_in(record: Mapping[str, Any]) -> list[Any]:
    """Return the turns of a conversation; empty where the record has none."""
    lists = (record.get(name) for name in ("messages", "conversations", "conversation"))
    return next((turns for turns in lists if isinstance(turns, list) and turns), [])


def shape_of_file(path: Path) -> Shape | None:
    """Return the shape of a file's first record; None where it has none."""
    status = path.stat()
    return _shape_of_file(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=64)
def _shape_of_file(path: Path, _changed: int, _size: int) -> Shape | None:
    row = next(iter(read_rows(path)), None)
    return None if row is None else shape_of(row.values)


def exchange_of(record: Mapping[str, Any], shape: Shape) -> Exchange:
    """Return prompt and text of a record.

    Raises:
        UnreadableError: it has no prompt, no reply, or several replies.
    """
    if shape in ("sharegpt", "messages"):
        return _of_turns(_turns_in(record))
    if shape == "alpaca":
        asked = [text for name in ("instruction", "input") if (text := _text(record.get(name)))]
        return _checked("\n".join(asked), _text(record.get("output")))
    name = next((name for name in RESPONSES if record.get(name) is not None), RESPONSES[0])
    return _checked(_text(record.get("prompt")), _text(record.get(name)))


def _of_turns(turns: Any) -> Exchange:
    if not isinstance(turns, list) or not all(isinstance(turn, Mapping) for turn in turns):
        raise UnreadableError("its turns are not a list of objects")
    said = [(str(turn.get("role", turn.get("from", ""))).lower(), turn) for turn in turns]
    users = [turn for who, turn in said if who in _USERS]
    replies = [turn for who, turn in said if who in _ASSISTANTS]
    if len(replies) > 1:
        raise UnreadableError(f"a conversation with {len(replies)} replies; only one question with one reply is read")
    if not replies:
        raise UnreadableError("a conversation without a reply")
    prompt = "\n".join(_text(turn.get("content", turn.get("value"))) for turn in users)
    reply = replies[0]
    thinking = reply.get("reasoning_content") or reply.get("reasoning")
    text = _text(reply.get("content", reply.get("value")))
    return _checked(prompt, text, thinking if isinstance(thinking, str) else None)


def _text(value: Any) -> str:
    """Return a text, or the text parts of a message's content."""
    if isinstance(value, list):
        parts = (part.get("text") if isinstance(part, Mapping) else part for part in value)
        return "".join(part for part in parts if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _checked(prompt: str, text: str, thinking: str | None = None, finish_reason: str | None = None) -> Exchange:
    if not prompt.strip():
        raise UnreadableError("it has no prompt")
    if not text.strip() and not thinking:
        raise UnreadableError("it has no reply")
    return Exchange(prompt, text, thinking, finish_reason)


# ---------------------------------------------------------------------------------------------------------- batches


def prompt_of(request: Mapping[str, Any]) -> str:
    """Return the prompt of a batch's request; empty where it has none."""
    body = request.get("body") or request.get("params") or {}
    if not isinstance(body, Mapping):
        return ""
    messages = body.get("messages")
    if isinstance(messages, Sequence) and not isinstance(messages, str):
        turns = [turn for turn in messages if isinstance(turn, Mapping) and turn.get("role") in _USERS]
        return "\n".join(_text(turn.get("content")) for turn in turns)
    prompt = messages if isinstance(messages, str) else body.get("prompt")
    return _text(prompt)


def replies_of(record: Mapping[str, Any], prompt: str) -> list[Exchange]:
    """Return the replies to a batch's request, in the forms of OpenAI and Anthropic.

    Raises:
        UnreadableError: the request failed, or the record has no reply.
    """
    result = record.get("result")
    if isinstance(result, Mapping):
        return [_of_anthropic(result, prompt)]
    response = record.get("response")
    if not isinstance(response, Mapping) or record.get("error"):
        raise UnreadableError(f"the request failed ({_error_of(record.get('error'))})")
    body = response.get("body")
    if response.get("status_code", 200) != 200 or not isinstance(body, Mapping):
        raise UnreadableError(f"the request failed (status {response.get('status_code')})")
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        raise UnreadableError("the response has no `choices`, as chat completions have")
    found = [
        exchange for index, choice in enumerate(choices) if (exchange := _of_choice(choice, prompt, index)) is not None
    ]
    if not found:
        raise UnreadableError("it has no reply")
    return found


def _of_choice(choice: Any, prompt: str, index: int) -> Exchange | None:
    """Return a choice of a response; None where it has no text."""
    message = choice.get("message") if isinstance(choice, Mapping) else None
    if not isinstance(choice, Mapping) or not isinstance(message, Mapping | None):
        raise UnreadableError("a choice of the response is not an object with a message")
    message = message or {}
    text = _text(message.get("content")) or _text(choice.get("text"))
    thinking = message.get("reasoning_content") or message.get("reasoning")
    reason = choice.get("finish_reason")
    if not text.strip() and not thinking:
        return None
    return Exchange(
        prompt,
        text,
        thinking if isinstance(thinking, str) else None,
        reason if isinstance(reason, str) else None,
        index,
    )


def _of_anthropic(result: Mapping[str, Any], prompt: str) -> Exchange:
    if result.get("type") != "succeeded":
        raise UnreadableError(f"the request failed ({result.get('type')})")
    message = result.get("message")
    if not isinstance(message, Mapping):
        raise UnreadableError("the result has no message")
    content = message.get("content")
    parts = [part for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []
    thinking = "".join(part["thinking"] for part in parts if isinstance(part.get("thinking"), str))
    reason = _ENDS.get(str(message.get("stop_reason")))
    return _checked(prompt, _text(content), thinking or None, reason)


def _error_of(error: Any) -> str:
    if isinstance(error, Mapping):
        return str(error.get("message") or error.get("code") or "no reason is given")[:200]
    return str(error)[:200] if error else "no response"
