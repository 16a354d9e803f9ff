"""Conversion of text to tokens and back, the same in training and at test time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rtbench_plugins.hf.stored_logprobs import TopTokens, Vocabulary
from rtbench_plugins.methods.thinking import Tags, begun, cut_at, parted

from rtbench.api import BadInputError, Family, Prefill, Recipe, StepFailedError, TrainingRow

IGNORED = -100
"""Label of a token that has no loss (torch's convention)."""

_ANCHOR = 4
"""Number of prompt tokens decoded together with a completion, since some tokenizers drop a text's first space."""


_PROBE = "Answer"
"""An answer, to find what a chat template puts after it."""


@dataclass(frozen=True)
class EncodedRow:
    """A training row in tokens.

    For a decoder, ``input_ids`` has prompt and label, and ``labels`` has the same length with IGNORED for the prompt. For
    an encoder-decoder, ``input_ids`` has the prompt and ``labels`` the label.
    """

    input_ids: list[int]
    labels: list[int]
    truncated: bool
    """Whether prompt or label was cut."""
    sample_index: int = -1
    """Index of the question."""
    top: TopTokens | None = None
    """The teacher's most probable tokens at some of the labels."""

    @property
    def length(self) -> int:
        """Return the length of the longer of the two sequences, in tokens."""
        return max(len(self.input_ids), len(self.labels))

    @property
    def supervised(self) -> int:
        """Return the number of tokens with a loss."""
        return sum(label != IGNORED for label in self.labels)


@dataclass(frozen=True)
class DecodedText:
    """A model's output as text."""

    text: str
    reasoning: str | None
    stopped: bool
    """Whether the text was cut at a stop string."""


class Codec:
    """A tokenizer with the conventions of a model.

    Args:
        tokenizer: a tokenizer of transformers.
        config: config of the model.
        family: family of the model.
        chat: wrap prompts in the chat template; None: if the tokenizer has one.
        thinking: tags of thinking that is separated from the text.
        name: name of the model, for errors.

    Raises:
        BadInputError: the tokenizer has no end mark, or a required chat template is missing.
    """

    def __init__(
        self, tokenizer: Any, config: Any, family: Family, *, chat: bool | None, thinking: Tags | None, name: str
    ) -> None:
        self.tokenizer = tokenizer
        self.family = family
        self.thinking = thinking
        self.chat = bool(getattr(tokenizer, "chat_template", None)) if chat is None else chat
        if self.chat and not getattr(tokenizer, "chat_template", None):
            raise BadInputError(
                "its tokenizer has no chat template", where=f"model {name!r}", next_step="Remove `chat_template`."
            )
        if tokenizer.eos_token_id is None:
            raise BadInputError("its tokenizer has no end-of-sequence token", where=f"model {name!r}")
        self.end: int = self._end_of_turn() if self.chat else tokenizer.eos_token_id
        """Token that ends a completion: in a chat template, the one that ends the model's turn."""
        self.pad: int = self.end if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        self.limit = position_limit(config)
        self.vocabulary = Vocabulary(tokenizer)
        kept = set(tokenizer.convert_tokens_to_ids(list(thinking))) if thinking else set()
        self._special = set(tokenizer.all_special_ids) - kept

    def prompt_ids(self, prompts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of prompts; each list has at least one token."""
        if self.chat:
            prompts = [self._turns(prompt) for prompt in prompts]
        start = self.tokenizer.bos_token_id
        empty: list[int] = [self.end if start is None else start]
        encoded = self._encode(prompts, special=not self.chat)
        return [ids or list(empty) for ids in encoded]

    def label_ids(self, labels: Sequence[str]) -> list[list[int]]:
        """Return the tokens of labels, without the end mark.

        A label's leading spaces separate it from a prompt. In a chat template, the template does that.
        """
        return self._encode([label.lstrip(" ") for label in labels] if self.chat else labels, special=False)

    def begun_ids(self, prefill: Prefill, prompt: Sequence[int]) -> list[int]:
        """Return the tokens of the beginning of an answer to a prompt."""
        (ids,) = self._encode([begun(prefill, self.thinking, opened=self._opened(prompt))], special=False)
        return ids

    def written(self, ids: Sequence[int], prompt: Sequence[int], stop: Sequence[str]) -> DecodedText:
        """Return the text of generated tokens without special tokens, cut before the first stop string, without thinking."""
        text = self._text(ids, prompt)
        answer, reasoning = parted(text, self.thinking, opened=self._opened(prompt))
        cut = cut_at(answer, stop)
        return DecodedText(cut, reasoning, stopped=cut is not answer)

    def stopped(self, ids: Sequence[int], prompt: Sequence[int], stop: Sequence[str]) -> bool:
        """Return whether the last token completed a stop string."""
        if not stop:
            return False
        # A token has at least one byte, so a stop string that ends here begins within this many tokens.
        window = max(len(mark.encode()) for mark in stop) + _ANCHOR
        tail = self._decode(ids[-window:])
        return any(mark in tail for mark in stop) and self.written(ids, prompt, stop).stopped

    def _turns(self, prompt: str, answer: str | None = None) -> str:
        """Return a prompt in the chat template, up to the beginning of the answer, or with an answer."""
        turns = [{"role": "user", "content": prompt}]
        turns += [] if answer is None else [{"role": "assistant", "content": answer}]
        text: str = self.tokenizer.apply_chat_template(turns, add_generation_prompt=answer is None, tokenize=False)
        return text

    def _end_of_turn(self) -> int:
        """Return the first special token after an answer in the chat template; the tokenizer's end mark if there is none."""
        whole = self._turns("Question", _PROBE)
        (after,) = self._encode([whole.rpartition(_PROBE)[2]], special=False)
        special = set(self.tokenizer.all_special_ids) | set(self.tokenizer.added_tokens_decoder)
        return next((token for token in after if token in special), self.tokenizer.eos_token_id)

    def _encode(self, texts: Sequence[str], *, special: bool) -> list[list[int]]:
        if not texts:
            return []
        ids: list[list[int]] = self.tokenizer(
            list(texts), add_special_tokens=special, return_attention_mask=False, verbose=False
        )["input_ids"]
        return ids

    def _decode(self, ids: Sequence[int]) -> str:
        kept = [token for token in ids if token not in self._special]
        text = self.tokenizer.decode(kept, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        assert isinstance(text, str)
        return text

    def _text(self, ids: Sequence[int], prompt: Sequence[int]) -> str:
        if self.family == "decoder" and not self.chat:
            anchor = self._decode(prompt[-_ANCHOR:])
            both = self._decode([*prompt[-_ANCHOR:], *ids])
            if both.startswith(anchor):
                return both[len(anchor) :]
        return self._decode(ids)

    def _opened(self, prompt: Sequence[int]) -> bool:
        """Return whether the chat template ends with the opening tag of thinking."""
        if self.thinking is None or not self.chat:
            return False
        return self._decode(prompt[-2 * _ANCHOR :]).rstrip().endswith(self.thinking[0])


def cut_prompt(ids: list[int], limit: int) -> list[int]:
    """Return the *end* of a prompt, which has the question's last sentence and the answer mark.

    That includes the end mark of an encoder's input.
    """
    return ids if len(ids) <= limit else ids[-limit:]


def with_room(prompt: list[int], most: int, limit: int | None, family: Family) -> tuple[list[int], int]:
    """Return a prompt and the highest number of new tokens that together fit the model's positions.

    A prompt that leaves too few positions for the answer is cut at its beginning, and the answer is limited to the
    remaining positions.

    Args:
        prompt: tokens of the prompt.
        most: highest number of new tokens that is asked for.
        limit: highest number of tokens of a sequence; None where there is none.
        family: of the model; the sequence of a decoder has the prompt and the answer.
    """
    if limit is None:
        return prompt, max(1, most)
    decoder = family == "decoder"
    kept = cut_prompt(prompt, limit - min(most, max(1, limit // 4)) if decoder else limit)
    return kept, max(1, min(most, limit - len(kept) if decoder else limit))


def position_limit(config: Any) -> int | None:
    """Return the highest number of tokens of a sequence; None where positions are relative (T5)."""
    if hasattr(config, "relative_attention_num_buckets"):
        return None
    limit = getattr(config, "max_position_embeddings", None)
    return limit if isinstance(limit, int) and limit > 0 else None


def encode_rows(codec: Codec, rows: Sequence[TrainingRow], recipe: Recipe) -> list[EncodedRow]:
    """Tokenise training rows, with a loss on the label and the end mark only.

    A prompt that is too long is cut at its beginning. A label that is too long is cut at its end and has no end mark, so
    that the student does not learn to stop in mid-sentence.

    Raises:
        StepFailedError: a row has no token to learn from.
    """
    prompts = codec.prompt_ids([row.prompt for row in rows])
    labels = codec.label_ids([row.label for row in rows])
    return [
        _encode_row(codec, row, prompt, label, recipe) for row, prompt, label in zip(rows, prompts, labels, strict=True)
    ]


def _encode_row(codec: Codec, row: TrainingRow, prompt: list[int], label: list[int], recipe: Recipe) -> EncodedRow:
    limit, decoder = codec.limit, codec.family == "decoder"
    most_label, most_prompt = recipe.max_label_tokens, recipe.max_prompt_tokens
    if limit is not None:
        # A decoder's label needs at least one prompt token before it, since the first token is never predicted.
        most_label = min(most_label, limit - 1 if decoder else limit)
    full = [*label, codec.end]
    kept_label = full[:most_label]
    if limit is not None:
        most_prompt = min(most_prompt, limit - len(kept_label) if decoder else limit)
    kept_prompt = cut_prompt(prompt, max(1, most_prompt))
    if not label or not kept_label:
        raise StepFailedError(
            "a training row has no label token to learn from",
            where=f"sample {row.sample_index}",
            next_step="Its label is empty, or `max_label_tokens` is 0: remove the sample or fix the recipe.",
        )
    truncated = len(kept_label) < len(full) or len(kept_prompt) < len(prompt)
    top = None if row.logprobs is None else codec.vocabulary.top_tokens(row.logprobs, kept_label)
    if not decoder:
        return EncodedRow(kept_prompt, kept_label, truncated, row.sample_index, top)
    ignored = [IGNORED] * len(kept_prompt)
    return EncodedRow(kept_prompt + kept_label, ignored + kept_label, truncated, row.sample_index, top)
