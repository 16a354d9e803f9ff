"""Token counts of a server, and which of them cannot be."""

from __future__ import annotations

import msgspec

MARGIN = 4
"""Factor above the highest possible number of tokens up to which a server's count is believed."""
SLACK = 8192
"""Tokens above that: gateways add instructions of their own, and some servers do not count thinking towards the limit."""


class _PromptDetails(msgspec.Struct, frozen=True):
    cached_tokens: int | None = None


class _CompletionDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: int | None = None


class UsageReply(msgspec.Struct, frozen=True):
    """Token counts of a whole call, over all its choices."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None

    @property
    def read(self) -> int:
        """Return the tokens of the prompt."""
        return self.prompt_tokens or 0

    @property
    def written(self) -> int:
        """Return the tokens of the completions, including thinking, which some servers count only in the total."""
        return max(self.completion_tokens or 0, (self.total_tokens or 0) - self.read)

    @property
    def cached(self) -> int:
        """Return the tokens of the prompt that were read from a cache."""
        return (self.prompt_tokens_details.cached_tokens if self.prompt_tokens_details else None) or 0

    @property
    def thought(self) -> int:
        """Return the tokens of thinking, which are included in ``written``."""
        return (self.completion_tokens_details.reasoning_tokens if self.completion_tokens_details else None) or 0


_decoder = msgspec.json.Decoder(UsageReply | None, strict=False)


def read_usage(data: msgspec.Raw) -> UsageReply | None:
    """Return the token counts in the field ``usage`` of a reply; None where there are none, or in no readable form."""
    try:
        usage: UsageReply | None = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError, OverflowError):
        return None
    return usage


def can_be(usage: UsageReply, prompt: int, completion: int) -> bool:
    """Return whether a server's counts can be true.

    Counts that cannot be: missing or negative ones, more cached tokens than the prompt has, more thinking than the
    completions, and many more tokens than the prompt and the limit on new tokens allow.

    Args:
        usage: counts of a call.
        prompt: upper bound on the tokens of the prompt.
        completion: upper bound on the tokens of all completions.
    """
    if usage.prompt_tokens is None or (usage.completion_tokens is None and usage.total_tokens is None):
        return False
    stated = (usage.prompt_tokens, usage.completion_tokens or 0, usage.total_tokens or 0, usage.cached, usage.thought)
    return (
        min(stated) >= 0
        and usage.cached <= usage.read <= MARGIN * prompt + SLACK
        and usage.thought <= usage.written <= MARGIN * completion + SLACK
    )
