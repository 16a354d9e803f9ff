"""Decoders: a batch of texts with a key-value cache, which generates a token per row and step. Imports torch.

All rows write into the same, last column. Each row has a first column and attends to nothing before it. So the row of a
finished text can be reused for another text at any time: the new text is read separately and placed directly before the
next column. Columns that no row attends to any more are dropped from time to time.
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
from rtbench_plugins.hf.growing_cache import (
    columns_of,
    grow,
    has_gaps,
    keep_rows,
    put_columns,
    put_rows,
    shift_columns,
    takes_rows,
)
from rtbench_plugins.hf.loaded import LoadedModel

LEAST_SHARED = 32
"""Shortest common prefix of prompts, in tokens, that is read only once."""
_LEAST_UNSEEN = 64
_UNSEEN_SHARE = 0.4
"""Number and fraction of columns that no row attends to; they are dropped when both are reached."""


@dataclass(frozen=True)
class ReadPrompts:
    """Texts that the model has read separately from the batch."""

    logits: torch.Tensor
    """Logits of the first new token, shape (rows, vocabulary)."""
    cache: Any
    sizes: list[int]
    """Number of columns of each text, without the shared prefix."""
    extra: tuple[torch.Tensor, ...] = ()
    """Further tensors that the decoder keeps per row."""


class Decoder(ABC):
    """A batch of texts that are being generated."""

    def __init__(self, base: LoadedModel) -> None:
        self.model, self.device = base.model, base.device
        self.limit = position_limit(base.model.config)
        self.cache: Any = None
        self.shared = 0
        """Number of columns at the beginning that all rows attend to."""
        self.width = 0
        self.starts: list[int] = []
        """First column of each row after the shared columns."""
        self._first_columns: torch.Tensor | None = None

    def begin(self, texts: Sequence[Sequence[int]]) -> torch.Tensor:
        """Begin a batch, and return the logits of each text's next token, shape (rows, vocabulary)."""
        read = self._read_once(texts)
        self.cache = read.cache
        self.width = self.shared + max(read.sizes)
        self._set_starts([self.width - size for size in read.sizes])
        self._begin(read)
        return read.logits

    def put(self, slots: Sequence[int], texts: Sequence[Sequence[int]]) -> torch.Tensor:
        """Reuse rows for new texts, and return the logits of their next tokens, shape (new rows, vocabulary)."""
        read = self._read_once(texts)
        self._place(slots, read)
        return read.logits

    def _place(self, slots: Sequence[int], read: ReadPrompts) -> None:
        """Put texts that were read separately into rows, directly before the next column."""
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

    def next(self, tokens: torch.Tensor) -> torch.Tensor:
        """Append a token to each row, and return the logits of the following token, shape (rows, vocabulary)."""
        unseen = min(self.starts) - self.shared if self.takes_rows else 0
        full = self.limit is not None and self.width >= self.limit
        if unseen >= max(_LEAST_UNSEEN, _UNSEEN_SHARE * self.width) or (full and unseen > 0):
            self._shift(-unseen)
        self.width += 1
        return self._next(tokens)

    def retire(self, slots: Sequence[int]) -> None:
        """Mark the texts of these rows as finished. Tokens that are generated in these rows afterwards are ignored."""
        if self.takes_rows:
            self._set_starts([self.width if at in slots else start for at, start in enumerate(self.starts)])

    def keep(self, rows: Sequence[int]) -> None:
        """Keep only these rows."""
        chosen = torch.tensor(rows, device=self.device)
        keep_rows(self.cache, chosen)
        self._set_starts([self.starts[row] for row in rows])
        self._keep(chosen)

    @property
    def takes_rows(self) -> bool:
        """Return whether rows can be reused for new texts."""
        return takes_rows(self.cache)

    @property
    def rereads(self) -> bool:
        """Return whether an unfinished text can be continued by reading its tokens again."""
        return False

    def mask(self) -> torch.Tensor:
        """Return the columns that each row attends to, shape (rows, columns), 0 or 1."""
        assert self._first_columns is not None
        columns = torch.arange(self.width, device=self.device)
        return ((columns >= self._first_columns[:, None]) | (columns < self.shared)).long()

    def _read_once(self, texts: Sequence[Sequence[int]]) -> ReadPrompts:
        """Read texts; equal texts are read once."""
        places: dict[tuple[int, ...], int] = {}
        of = [places.setdefault(tuple(text), len(places)) for text in texts]
        read = self._read(list(places))
        if len(places) == len(texts):
            return read
        rows = torch.tensor(of, device=self.device)
        keep_rows(read.cache, rows)
        extra = tuple(tensor[rows] for tensor in read.extra)
        return ReadPrompts(read.logits[rows], read.cache, [read.sizes[at] for at in of], extra)

    def _shift(self, by: int) -> None:
        shift_columns(self.cache, self.shared, by)
        self.width += by
        self._set_starts([start + by for start in self.starts])

    def _set_starts(self, starts: list[int]) -> None:
        self.starts = starts
        self._first_columns = torch.tensor(starts, device=self.device)

    @abstractmethod
    def _read(self, texts: Sequence[Sequence[int]]) -> ReadPrompts: ...

    @abstractmethod
    def _next(self, tokens: torch.Tensor) -> torch.Tensor: ...

    @abstractmethod
    def _begin(self, read: ReadPrompts) -> None:
        """Store the further tensors of all rows."""

    @abstractmethod
    def _put(self, slots: torch.Tensor, read: ReadPrompts) -> None:
        """Store the further tensors of the rows in ``slots``."""

    @abstractmethod
    def _keep(self, rows: torch.Tensor) -> None:
        """Keep the further tensors of these rows only."""


class CausalDecoder(Decoder):
    """Decoder of a causal model: prompts are padded on the left, and a common prefix (demonstrations) is read once.

    Args:
        base: the model.
        texts: all prompts that will be read.
    """

    def __init__(self, base: LoadedModel, texts: Sequence[Sequence[int]]) -> None:
        super().__init__(base)
        accepted = inspect.signature(self.model.forward).parameters
        self.positions = "position_ids" in accepted
        # The logits of whole prompts are rows * length * vocabulary numbers; only the last column is needed.
        self.last_only = {"logits_to_keep": 1} if "logits_to_keep" in accepted else {}
        self.lengths = torch.zeros(0)
        self._prefix_cache = self._read_prefix(common_prefix(texts)) if self._can_share() else None

    @property
    def rereads(self) -> bool:
        return True

    @property
    def goes_on(self) -> bool:
        """Return whether rows can go on with longer texts (:meth:`go_on`)."""
        return self._can_share() and has_gaps(self.cache)

    def go_on(self, slots: Sequence[int], texts: Sequence[Sequence[int]], known: Sequence[int]) -> torch.Tensor:
        """Go on in rows with longer texts, and return the logits of their next tokens, shape (rows, vocabulary).

        Args:
            slots: rows whose texts are finished.
            texts: the new texts.
            known: numbers of tokens at the beginning that the row has read or written already (:meth:`held` at most); at
                least one token must be new.
        """
        logits: dict[int, torch.Tensor] = {}
        places = sorted(range(len(slots)), key=lambda at: len(texts[at]) - known[at])
        for _, alike in itertools.groupby(places, key=lambda at: len(texts[at]) - known[at]):
            group = list(alike)
            chosen = [slots[at] for at in group]
            read = self._read_on(chosen, [texts[at] for at in group], [known[at] for at in group])
            self._place(chosen, read)
            logits.update(zip(group, read.logits, strict=True))
        return torch.stack([logits[at] for at in range(len(slots))])

    def held(self, slot: int) -> int:
        """Return how many tokens of its text a row has read or written."""
        return self.shared + self.width - self.starts[slot]

    def retire(self, slots: Sequence[int]) -> None:
        super().retire(slots)
        # Otherwise the positions of a finished row would exceed the model's limit.
        self.lengths[torch.tensor(slots, device=self.device)] = 0

    def _can_share(self) -> bool:
        """Return whether a common prefix can be shared.

        There are columns that a row does not attend to between the prefix and the row's own tokens. So the model must
        accept positions, and must not count positions in columns (as GPT-Neo's windows do).
        """
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

    def _read(self, texts: Sequence[Sequence[int]]) -> ReadPrompts:
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
        return ReadPrompts(out.logits[:, -1], grow(out.past_key_values), sizes, (mask.sum(-1),))

    def _read_on(self, slots: Sequence[int], texts: Sequence[Sequence[int]], known: Sequence[int]) -> ReadPrompts:
        """Read the new tokens of texts, equally many of each, after those that the rows hold."""
        own = [count - self.shared for count in known]
        new = len(texts[0]) - known[0]
        width = max(own)
        columns = torch.zeros((len(slots), self.shared + width), dtype=torch.long)
        mask = torch.ones((len(slots), self.shared + width + new), dtype=torch.long)
        columns[:, : self.shared] = torch.arange(self.shared)
        for at, slot in enumerate(slots):
            first = self.starts[slot]
            columns[at, self.shared + width - own[at] :] = torch.arange(first, first + own[at])
            mask[at, self.shared : self.shared + width - own[at]] = 0
        inputs = torch.tensor([text[-new:] for text in texts], device=self.device)
        columns, mask = columns.to(self.device), mask.to(self.device)
        positions = (mask.cumsum(-1) - 1)[:, -new:]
        past = columns_of(self.cache, torch.tensor(slots, device=self.device), columns)
        out = self._run(inputs, mask, positions, past)
        return ReadPrompts(out.logits[:, -1], grow(out.past_key_values), [one + new for one in own], (mask.sum(-1),))

    def _next(self, tokens: torch.Tensor) -> torch.Tensor:
        out = self._run(tokens[:, None], self.mask(), self.lengths[:, None], self.cache)
        self.lengths = self.lengths + 1
        logits: torch.Tensor = out.logits[:, -1]
        return logits

    def _begin(self, read: ReadPrompts) -> None:
        (self.lengths,) = read.extra

    def _put(self, slots: torch.Tensor, read: ReadPrompts) -> None:
        self.lengths[slots] = read.extra[0]

    def _keep(self, rows: torch.Tensor) -> None:
        self.lengths = self.lengths[rows]

    def _run(self, tokens: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, past: Any) -> Any:
        more = {"position_ids": positions} if self.positions else {}
        return self.model(
            input_ids=tokens, attention_mask=mask, past_key_values=past, use_cache=True, **more, **self.last_only
        )


class Seq2SeqDecoder(Decoder):
    """Decoder of an encoder-decoder: prompts are padded on the right, and the encoder reads them once.

    Args:
        base: the model.
        pad: first token of the decoder where the config states none.
    """

    def __init__(self, base: LoadedModel, pad: int) -> None:
        super().__init__(base)
        from transformers.modeling_outputs import BaseModelOutput

        self.wrap = BaseModelOutput
        self.start = _start_token(self.model, pad)
        self.relative = hasattr(self.model.config, "relative_attention_num_buckets")
        """Whether positions are differences of columns (T5), so that a row can begin at any column."""
        self.hidden = self.seen = torch.zeros(0)

    @property
    def takes_rows(self) -> bool:
        return self.relative and super().takes_rows

    def _read(self, texts: Sequence[Sequence[int]]) -> ReadPrompts:
        width = max(map(len, texts))
        inputs = torch.zeros((len(texts), width), dtype=torch.long)
        mask = torch.zeros((len(texts), width), dtype=torch.long)
        for at, text in enumerate(texts):
            inputs[at, : len(text)] = torch.tensor(text)
            mask[at, : len(text)] = 1
        inputs, mask = inputs.to(self.device), mask.to(self.device)
        hidden = self.model.get_encoder()(input_ids=inputs, attention_mask=mask).last_hidden_state
        out = self._run(torch.full((len(texts), 1), self.start, device=self.device), None, hidden, mask, None)
        return ReadPrompts(out.logits[:, -1], grow(out.past_key_values), [1] * len(texts), (hidden, mask))

    def _next(self, tokens: torch.Tensor) -> torch.Tensor:
        mask = self.mask() if any(self.starts) else None
        out = self._run(tokens[:, None], mask, self.hidden, self.seen, self.cache)
        logits: torch.Tensor = out.logits[:, -1]
        return logits

    def _begin(self, read: ReadPrompts) -> None:
        self.hidden, self.seen = read.extra

    def _put(self, slots: torch.Tensor, read: ReadPrompts) -> None:
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
    """Return the common prefix of texts, at least one token shorter than the shortest; empty where all texts are equal."""
    first, last = (
        min(texts, key=list),
        max(texts, key=list),
    )  # a common prefix of these two is a prefix of all texts between them
    if first == last:
        return ()
    return first[: min(common_length(first, last), min(map(len, texts)) - 1)]


def common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """Return the number of equal tokens at the beginning of two texts."""
    alike = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return sum(1 for _ in alike)


def _start_token(model: Any, pad: int) -> int:
    for config in (model.config, model.generation_config):
        for name in ("decoder_start_token_id", "bos_token_id"):
            token = getattr(config, name, None)
            if isinstance(token, int):
                return token
    return pad
