"""A teacher's stored log-probabilities at the labels of a student's rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rtbench.api import BadInputError, TokenLogprobs, content_key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NO_TOKEN = -1


@dataclass(frozen=True)
class TopTokens:
    """The teacher's most probable tokens at some of a row's labels, next to each other."""

    start: int
    """Place of the first of these labels among the row's labels."""
    tokens: NDArray[np.int64]
    """Shape (labels, alternatives)."""
    logprobs: NDArray[np.float32]
    """Shape (labels, alternatives); minus infinity where there are fewer alternatives."""


class Vocabulary:
    """A tokenizer's numbers of tokens.

    Args:
        tokenizer: a tokenizer of transformers.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    @cached_property
    def digest(self) -> str:
        """Return an identifier of the tokens and their numbers."""
        return content_key("vocabulary", sorted(self._tokenizer.get_vocab().items()))

    @cached_property
    def by_text(self) -> dict[str, int]:
        """Return the number of each text that a single token stands for. Of equal texts, the lowest number counts."""
        found: dict[str, int] = {}
        special = set(self._tokenizer.all_special_ids)
        for number in sorted(self._tokenizer.get_vocab().values()):
            if number not in special:
                found.setdefault(self._tokenizer.decode([number], clean_up_tokenization_spaces=False), number)
        found.pop("\ufffd", None)  # a part of a character
        return found

    def top_tokens(self, stored: TokenLogprobs, labels: Sequence[int]) -> TopTokens | None:
        """Return the stored alternatives at the labels that the teacher's text has too; None where it has none of them.

        A label is a rationale and an answer, and the teacher's text is its rationale and more. So the longest sequence of
        tokens that both contain is taken.

        Args:
            stored: of the teacher's text.
            labels: tokens of the row's label.

        Raises:
            BadInputError: they are of another vocabulary.
        """
        import numpy as np

        if stored.vocabulary and stored.vocabulary != self.digest:
            raise BadInputError(
                "the teacher's log-probabilities are of other tokens than the student's",
                next_step="Use `fine-tune-cot`, which learns from texts, or a student with the teacher's tokenizer.",
            )
        tokens, alternatives, logprobs = stored.arrays()
        if stored.texts:
            numbers = np.array([self.by_text.get(text, _NO_TOKEN) for text in stored.texts])
            tokens, alternatives = numbers[tokens], numbers[alternatives]
        # A server may name tokens that this vocabulary does not have.
        known = (alternatives > _NO_TOKEN) & (alternatives < len(self._tokenizer))
        logprobs, alternatives = np.where(known, logprobs, -np.inf), np.where(known, alternatives, 0)
        same = SequenceMatcher(None, tokens.tolist(), list(labels), autojunk=False).find_longest_match()
        if not same.size:
            return None
        part = slice(same.a, same.a + same.size)
        return TopTokens(same.b, alternatives[part], logprobs[part])
