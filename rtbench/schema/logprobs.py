"""Log-probabilities of a text's tokens, as completions carry them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rtbench.schema.base import Positive, Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_ALTERNATIVES = 128
"""Highest number of tokens whose log-probabilities are stored at one place."""
_MISSING = float("-inf")


class TokenLogprobs(Record, frozen=True, omit_defaults=True):
    """The tokens of a text and, at the place of each, the most probable tokens with their log-probabilities.

    Arrays are in little-endian bytes, which JSON has in base64: 8 alternatives of a token take 70 characters, and 131 as
    numbers with four decimals (tests/plugins/hf/test_stored_logprobs.py compares them).
    """

    most: Positive
    """Number of alternatives at each place. Places with fewer repeat the first with a log-probability of minus infinity."""
    tokens: bytes
    """The tokens of the text, with its end mark if it has one: uint32, shape (tokens,)."""
    alternatives: bytes
    """The most probable tokens at each place, in descending order: uint32, shape (tokens, most)."""
    logprobs: bytes
    """Their natural log-probabilities at temperature 1: float16, shape (tokens, most)."""
    vocabulary: str = ""
    """Digest of the vocabulary whose numbers the tokens are; empty: it is not known."""
    texts: tuple[str, ...] = ()
    """The text of each number, where the numbers are not a vocabulary's but places in this list."""

    def __post_init__(self) -> None:
        count = len(self.tokens)
        if count % 4 or len(self.alternatives) != count * self.most or 2 * len(self.logprobs) != count * self.most:
            raise ValueError("`tokens`, `alternatives` and `logprobs` have lengths that do not fit together")
        if self.texts and count and max(part.max() for part in self.arrays()[:2]) >= len(self.texts):
            raise ValueError("`texts` has fewer entries than the numbers that stand for them")

    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Return ``tokens``, ``alternatives`` and ``logprobs`` as arrays."""
        import numpy as np

        tokens = np.frombuffer(self.tokens, "<u4").astype(np.int64)
        alternatives = np.frombuffer(self.alternatives, "<u4").astype(np.int64)
        logprobs = np.frombuffer(self.logprobs, "<f2").astype(np.float32)
        return tokens, alternatives.reshape(-1, self.most), logprobs.reshape(-1, self.most)


def token_logprobs(
    tokens: Sequence[int],
    alternatives: Sequence[Sequence[tuple[int, float]]],
    *,
    vocabulary: str = "",
    texts: Sequence[str] = (),
) -> TokenLogprobs | None:
    """Return log-probabilities in their stored form; None where there are none.

    Args:
        tokens: tokens of a text.
        alternatives: at the place of each, tokens with their log-probabilities, in any order.
        vocabulary: as in the class.
        texts: as in the class.

    Raises:
        ValueError: a log-probability is not a number, or above 0 by more than rounding.
    """
    import numpy as np

    most = max((len(place) for place in alternatives), default=0)
    if not most:
        return None
    numbers = np.zeros((len(tokens), most), "<u4")
    logprobs = np.full((len(tokens), most), _MISSING, "<f2")
    for at, place in enumerate(alternatives):
        ordered = sorted(place, key=lambda one: -one[1])
        if any(not logprob <= _ROUNDING for _, logprob in ordered):
            raise ValueError("a log-probability is above 0 or not a number")
        # float16 ends at -65504, and servers write -9999 for what they do not know.
        logprobs[at, : len(ordered)] = [min(0.0, max(logprob, -1e4)) for _, logprob in ordered]
        numbers[at] = ([token for token, _ in ordered] + [ordered[0][0] if ordered else 0] * most)[:most]
    return TokenLogprobs(
        most=most,
        tokens=np.array(tokens, "<u4").tobytes(),
        alternatives=numbers.tobytes(),
        logprobs=logprobs.tobytes(),
        vocabulary=vocabulary,
        texts=tuple(texts),
    )


_ROUNDING = 1e-3
"""Highest log-probability that counts as 0."""
