"""Log-probabilities of tokens in replies, in the OpenAI-compatible form."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import msgspec

from rtbench.api import TokenLogprobs, token_logprobs

_NUMBER = re.compile(r"token_id:(\d{1,9})")
"""A token by its number, as vLLM writes it with ``return_tokens_as_token_ids``."""

Place = tuple[str, list[tuple[str, float]]]
"""A token, and the most probable tokens at its place."""


class _Alternative(msgspec.Struct, frozen=True):
    token: str
    logprob: float
    bytes: list[int] | None = None

    @property
    def text(self) -> str:
        """Return the token's text. A server writes a part of a character as an escape."""
        try:
            return bytes(self.bytes).decode() if self.bytes else self.token
        except (UnicodeDecodeError, ValueError):
            return self.token


class _ChatToken(_Alternative, frozen=True):
    top_logprobs: list[_Alternative] = []


class _Logprobs(msgspec.Struct, frozen=True):
    """Log-probabilities of a choice: ``content`` of a chat, the other fields of a plain completion."""

    content: list[_ChatToken] | None = None
    tokens: list[str] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None

    def places(self) -> list[Place]:
        """Return the tokens, each with its alternatives.

        Raises:
            ValueError: there are more tokens than places with alternatives, or fewer.
        """
        if self.content is not None:
            return [(one.text, [(other.text, other.logprob) for other in one.top_logprobs]) for one in self.content]
        tokens, tops = self.tokens or [], self.top_logprobs or []
        return [(token, list((of_token or {}).items())) for token, of_token in zip(tokens, tops, strict=True)]


_decoder = msgspec.json.Decoder(_Logprobs | None)


def read_logprobs(data: msgspec.Raw, most: int) -> TokenLogprobs | None:
    """Return the log-probabilities of a choice; None where it has none, or in no readable form.

    Args:
        data: the field ``logprobs`` of the choice.
        most: how many were asked for at each token. Where a server adds the token that was drawn, the least probable is left
            out.
    """
    if not most:
        return None
    try:
        found = _decoder.decode(data)
        return _stored(found.places(), most) if found is not None else None
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError, OverflowError):
        return None


def _stored(places: Sequence[Place], most: int) -> TokenLogprobs | None:
    if any(math.isnan(logprob) or logprob > 1e-3 for _, tops in places for _, logprob in tops):
        raise ValueError("a probability above 1")
    kept = [(token, sorted(tops, key=lambda one: -one[1])[:most]) for token, tops in places]
    texts = dict.fromkeys(text for token, tops in kept for text in (token, *[text for text, _ in tops]))
    matches = [_NUMBER.fullmatch(text) for text in texts]
    by_number = bool(matches) and all(matches)
    numbers = {
        text: int(m[1]) if by_number and m else at for at, (text, m) in enumerate(zip(texts, matches, strict=True))
    }
    return token_logprobs(
        [numbers[token] for token, _ in kept],
        [[(numbers[text], logprob) for text, logprob in tops] for _, tops in kept],
        texts=() if by_number else tuple(texts),
    )
