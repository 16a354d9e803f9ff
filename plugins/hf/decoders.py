"""A batch of texts in a model: a row each, a key-value cache, one token per row and step. Imports torch.

All rows write into the same column, the last. A row begins at a column of its own and looks at nothing before it, so a row
whose text is finished can be given to another text at any time: its tokens are read apart and put in front of the next
column. Columns that no row looks at any more are dropped now and then.
"""

from __future__ import annotations

import copy
import inspect
import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from rtbench_plugins.hf.encoding import position_limit
from rtbench_plugins.hf.growing_cache import grow, has_gaps, keep_rows, put_columns, put_rows, shift_columns, takes_rows
from rtbench_plugins.hf.loading import LoadedModel

LEAST_SHARED = 32
"""Tokens that prompts must begin with together before they are read once for all."""
_LEAST_UNSEEN = 64
_UNSEEN_SHARE = 0.4
"""Columns that no row looks at are dropped when they come to so many, and to this part of all."""


@dataclass(frozen=True)
class Read:
    """Texts that the model has read apart from the batch."""

    logits: torch.Tensor
    """Of the first new token, shape (rows, vocabulary)."""
    cache: Any
    sizes: list[int]
    """Columns of each text, without those that all share."""
    extra: tuple[torch.Tensor, ...] = ()
    """What else the decoder keeps per row."""


class Decoder(ABC):
    """A batch in the middle of being written."""

    def __init__(self, base: LoadedModel) -> None:
        self.model, self.device = base.model, base.device
        self.limit = position_limit(base.model.config)
        self.cache: Any = None
        self.shared = 0
        """Columns at the beginning that all rows look at."""
        self.width = 0
        self.starts: list[int] = []
        """First column of each row behind the shared ones."""
        self._first_columns: torch.Tensor | None = None

    def begin(self, texts: Sequence[Sequence[int]]) -> torch.Tensor:
        """Begins a batch. Returns logits of each text's next token, shape (rows, vocabulary)."""
        read = self._read_once(texts)
        self.cache = read.cache
        self.width = self.shared + max(read.sizes)
        self._set_starts([self.width - size for size in read.sizes])
        self._begin(read)
        return read.logits

    def put(self, slots: Sequence[int], texts: Sequence[Sequence[int]]) -> torch.Tensor:
        """Gives rows to new texts. Returns logits of their next tokens, shape (new rows, vocabulary)."""
        read = self._read_once(texts)
        wider = self.shared + max(read.sizes) - self.width
        if wider > 0:
            self._shift(wider)
        chosen = torch.tensor(slots, device=self.device)
        put_rows(self.cache, chosen, read.cache, self.shared)
        starts = list(self.starts)
        for slot, size in zip(slots, read.sizes, strict=True):
            starts[slot] = self.width - size
        self._set_starts(starts)
        self._put(chosen, read)
        return read.logits

    def next(self, tokens: torch.Tensor) -> torch.Tensor:
        """Takes one token per row. Returns logits of the one after, shape (rows, vocabulary)."""
        unseen = min(self.starts) - self.shared if self.takes_rows else 0
        full = self.limit is not None and self.width >= self.limit
        if unseen >= max(_LEAST_UNSEEN, _UNSEEN_SHARE * self.width) or (full and unseen > 0):
            self._shift(-unseen)
        self.width += 1
        return self._next(tokens)

    def retire(self, slots: Sequence[int]) -> None:
        """These rows' texts are finished; what they go on to write is nothing."""
        if self.takes_rows:
            self._set_starts([self.width if at in slots else start for at, start in enumerate(self.starts)])

    def keep(self, rows: Sequence[int]) -> None:
        """Drops all other rows."""
        chosen = torch.tensor(rows, device=self.device)
        keep_rows(self.cache, chosen)
        self._set_starts([self.starts[row] for row in rows])
        self._keep(chosen)

    @property
    def takes_rows(self) -> bool:
        """Whether rows can be given to new texts."""
        return takes_rows(self.cache)

    @property
    def rereads(self) -> bool:
        """Whether a text that was begun can be taken up again by reading what is written of it."""
        return False

    def mask(self) -> torch.Tensor:
        """Columns that each row looks at, shape (rows, columns)."""
        assert self._first_columns is not None
        columns = torch.arange(self.width, device=self.device)
        return ((columns >= self._first_columns[:, None]) | (columns < self.shared)).long()

    def _read_once(self, texts: Sequence[Sequence[int]]) -> Read:
        """Reads texts; equal ones once."""
        places: dict[tuple[int, ...], int] = {}
        of = [places.setdefault(tuple(text), len(places)) for text in texts]
        read = self._read(list(places))
        if len(places) == len(texts):
            return read
        rows = torch.tensor(of, device=self.device)
        keep_rows(read.cache, rows)
        extra = tuple(one[rows] for one in read.extra)
        return Read(read.logits[rows], read.cache, [read.sizes[at] for at in of], extra)

    def _shift(self, by: int) -> None:
        shift_columns(self.cache, self.shared, by)
        self.width += by
        self._set_starts([start + by for start in self.starts])

    def _set_starts(self, starts: list[int]) -> None:
        self.starts = starts
        self._first_columns = torch.tensor(starts, device=self.device)

    @abstractmethod
    def _read(self, texts: Sequence[Sequence[int]]) -> Read: ...

    @abstractmethod
    def _next(self, tokens: torch.Tensor) -> torch.Tensor: ...

    @abstractmethod
    def _begin(self, read: Read) -> None:
        """Takes what else is kept per row."""

    @abstractmethod
    def _put(self, slots: torch.Tensor, read: Read) -> None:
        """Takes what else is kept per row."""

    @abstractmethod
    def _keep(self, rows: torch.Tensor) -> None:
        """Drops what else is kept of other rows."""


class CausalDecoder(Decoder):
    """Prompts padded on the left. What all begin with (few-shot demonstrations) is read once.

    Args:
        base: the model.
        texts: all prompts that it will be given.
    """

    def __init__(self, base: LoadedModel, texts: Sequence[Sequence[int]]) -> None:
        super().__init__(base)
        taken = inspect.signature(self.model.forward).parameters
        self.positions = "position_ids" in taken
        # Logits of a whole prompt are rows * length * vocabulary numbers, of which only the last column is needed.
        self.last_only = {"logits_to_keep": 1} if "logits_to_keep" in taken else {}
        self.lengths = torch.zeros(0)
        self._prefix_cache = self._read_prefix(common_prefix(texts)) if self._can_share() else None

    @property
    def rereads(self) -> bool:
        return True

    def retire(self, slots: Sequence[int]) -> None:
        super().retire(slots)
        # Else the positions of a row that nobody reads would run out of the model's.
        self.lengths[torch.tensor(slots, device=self.device)] = 0

    def _can_share(self) -> bool:
        """Between what is shared and a row's own tokens lie columns that the row does not look at: positions must be
        given, and must not be counted in columns (as GPT-Neo's windows are)."""
        return self.positions and not hasattr(self.model.config, "window_size")

    def _read_prefix(self, prefix: Sequence[int]) -> Any:
        if len(prefix) < LEAST_SHARED:
            return None
        tokens = torch.tensor([prefix], device=self.device)
        out = self._run(tokens, torch.ones_like(tokens), torch.arange(len(prefix), device=self.device)[None], None)
        cache = grow(out.past_key_values)
        if not has_gaps(cache):
            return None
        self.shared = len(prefix)
        return cache

    def _read(self, texts: Sequence[Sequence[int]]) -> Read:
        sizes = [len(text) - self.shared for text in texts]
        width = max(sizes)
        inputs = torch.zeros((len(texts), width), dtype=torch.long)
        mask = torch.ones((len(texts), self.shared + width), dtype=torch.long)
        for at, text in enumerate(texts):
            inputs[at, width - sizes[at] :] = torch.tensor(text[self.shared :])
            mask[at, self.shared : self.shared + width - sizes[at]] = 0
        inputs, mask = inputs.to(self.device), mask.to(self.device)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, self.shared :]
        past = None
        if self._prefix_cache is not None:
            past = copy.deepcopy(self._prefix_cache)
            keep_rows(past, torch.zeros(len(texts), dtype=torch.long, device=self.device))
        out = self._run(inputs, mask, positions, past)
        return Read(out.logits[:, -1], grow(out.past_key_values), sizes, (mask.sum(-1),))

    def _next(self, tokens: torch.Tensor) -> torch.Tensor:
        out = self._run(tokens[:, None], self.mask(), self.lengths[:, None], self.cache)
        self.lengths = self.lengths + 1
        logits: torch.Tensor = out.logits[:, -1]
        return logits

    def _begin(self, read: Read) -> None:
        (self.lengths,) = read.extra

    def _put(self, slots: torch.Tensor, read: Read) -> None:
        self.lengths[slots] = read.extra[0]

    def _keep(self, rows: torch.Tensor) -> None:
        self.lengths = self.lengths[rows]

    def _run(self, tokens: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, past: Any) -> Any:
        more = {"position_ids": positions} if self.positions else {}
        return self.model(
            input_ids=tokens, attention_mask=mask, past_key_values=past, use_cache=True, **more, **self.last_only
        )


class Seq2SeqDecoder(Decoder):
    """Prompts padded on the right and read once by the encoder.

    Args:
        base: the model.
        pad: token that the decoder begins with where the config names none.
    """

    def __init__(self, base: LoadedModel, pad: int) -> None:
        super().__init__(base)
        from transformers.modeling_outputs import BaseModelOutput

        self.wrap = BaseModelOutput
        self.start = _start_token(self.model, pad)
        self.relative = hasattr(self.model.config, "relative_attention_num_buckets")
        """Positions are differences of columns (T5), so that a row can begin at any."""
        self.hidden = self.seen = torch.zeros(0)

    @property
    def takes_rows(self) -> bool:
        return self.relative and super().takes_rows

    def _read(self, texts: Sequence[Sequence[int]]) -> Read:
        width = max(map(len, texts))
        inputs = torch.zeros((len(texts), width), dtype=torch.long)
        mask = torch.zeros((len(texts), width), dtype=torch.long)
        for at, text in enumerate(texts):
            inputs[at, : len(text)] = torch.tensor(text)
            mask[at, : len(text)] = 1
        inputs, mask = inputs.to(self.device), mask.to(self.device)
        hidden = self.model.get_encoder()(input_ids=inputs, attention_mask=mask).last_hidden_state
        out = self._run(torch.full((len(texts), 1), self.start, device=self.device), None, hidden, mask, None)
        return Read(out.logits[:, -1], grow(out.past_key_values), [1] * len(texts), (hidden, mask))

    def _next(self, tokens: torch.Tensor) -> torch.Tensor:
        mask = self.mask() if any(self.starts) else None
        out = self._run(tokens[:, None], mask, self.hidden, self.seen, self.cache)
        logits: torch.Tensor = out.logits[:, -1]
        return logits

    def _begin(self, read: Read) -> None:
        self.hidden, self.seen = read.extra

    def _put(self, slots: torch.Tensor, read: Read) -> None:
        hidden, seen = read.extra
        self.hidden = put_columns(self.hidden, slots, hidden, dim=1)
        self.seen = put_columns(self.seen, slots, seen, dim=1)

    def _keep(self, rows: torch.Tensor) -> None:
        self.hidden, self.seen = self.hidden[rows], self.seen[rows]

    def _run(
        self, tokens: torch.Tensor, mask: torch.Tensor | None, hidden: torch.Tensor, seen: torch.Tensor, past: Any
    ) -> Any:
        return self.model(
            encoder_outputs=self.wrap(last_hidden_state=hidden),
            attention_mask=seen,
            decoder_input_ids=tokens,
            decoder_attention_mask=mask,
            past_key_values=past,
            use_cache=True,
        )


def common_prefix(texts: Sequence[Sequence[int]]) -> Sequence[int]:
    """What all texts begin with, and at least one token less than the shortest; nothing where all are one text."""
    first, last = min(texts, key=list), max(texts, key=list)  # if these two begin alike, so do all between them
    if first == last:
        return ()
    alike = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return first[: min(sum(1 for _ in alike), min(map(len, texts)) - 1)]


def _start_token(model: Any, pad: int) -> int:
    for config in (model.config, model.generation_config):
        for name in ("decoder_start_token_id", "bos_token_id"):
            found = getattr(config, name, None)
            if isinstance(found, int):
                return found
    return pad
