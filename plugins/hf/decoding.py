"""The decode loop: a batch of prompts, a key-value cache, one token per row and step. Imports torch.

A completion's text depends on its prompt, its sampling parameters and its own seed; not on the batch it is written in.
Each row is masked from its padding, counts its own positions, and draws its own noise. What is left is rounding: matrix
products of another shape may differ in the last bits, so two tokens whose scores agree to about six digits can change
places. Where that must not happen either, generate with a batch of one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from rtbench_plugins.hf.growing_cache import grow, keep_rows
from rtbench_plugins.hf.loading import Loaded

from rtbench.records import FinishReason, Sampling


@dataclass
class Row:
    """One completion being written."""

    index: int
    """Of the request."""
    prompt: list[int]
    limit: int
    """Most new tokens."""
    sampling: Sampling
    seed: int
    ids: list[int] = field(default_factory=list)
    """Written so far, without the end mark."""
    tokens: int = 0
    """Written so far, with the end mark."""
    cut: bool = False
    """The prompt is a part of the one that was sent."""
    finish: FinishReason | None = None


class Decoder(Protocol):
    """A batch in the middle of being written."""

    def first(self) -> torch.Tensor:
        """Reads the prompts. Returns logits of the first new token, shape (rows, vocabulary)."""

    def next(self, tokens: torch.Tensor) -> torch.Tensor:
        """Takes one token per row. Returns logits of the one after."""

    def keep(self, rows: torch.Tensor) -> None:
        """Drops all other rows."""


class CausalDecoder:
    """Prompts padded on the left, so that all rows write into the same column."""

    def __init__(self, base: Loaded, rows: Sequence[Row], pad: int) -> None:
        self.model, self.device = base.model, base.device
        width = max(len(row.prompt) for row in rows)
        self.inputs = torch.full((len(rows), width), pad)
        self.mask = torch.zeros((len(rows), width + max(row.limit for row in rows)), dtype=torch.long)
        for at, row in enumerate(rows):
            start = width - len(row.prompt)
            self.inputs[at, start:] = torch.tensor(row.prompt)
            self.mask[at, start:] = 1
        self.inputs, self.mask = self.inputs.to(self.device), self.mask.to(self.device)
        self.lengths = self.mask[:, :width].sum(-1, keepdim=True)
        self.width = width
        self.cache: Any = None
        taken = inspect.signature(self.model.forward).parameters
        self.positions = "position_ids" in taken
        # Logits of a whole prompt are rows * length * vocabulary numbers, of which only the last column is needed.
        self.last_only = {"logits_to_keep": 1} if "logits_to_keep" in taken else {}

    def first(self) -> torch.Tensor:
        return self._run(self.inputs, (self.mask[:, : self.width].cumsum(-1) - 1).clamp(min=0))

    def next(self, tokens: torch.Tensor) -> torch.Tensor:
        self.width += 1
        logits = self._run(tokens[:, None], self.lengths)
        self.lengths = self.lengths + 1
        return logits

    def keep(self, rows: torch.Tensor) -> None:
        self.mask, self.lengths = self.mask[rows], self.lengths[rows]
        keep_rows(self.cache, rows)

    def _run(self, tokens: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        more = {"position_ids": positions} if self.positions else {}
        out = self.model(
            input_ids=tokens,
            attention_mask=self.mask[:, : self.width],
            past_key_values=self.cache,
            use_cache=True,
            **more,
            **self.last_only,
        )
        if self.cache is None:
            self.cache = grow(out.past_key_values)
        logits: torch.Tensor = out.logits[:, -1]
        return logits


class Seq2SeqDecoder:
    """Prompts padded on the right and read once by the encoder; the decoder's columns need no padding."""

    def __init__(self, base: Loaded, rows: Sequence[Row], pad: int) -> None:
        from transformers.modeling_outputs import BaseModelOutput

        self.model, self.device = base.model, base.device
        width = max(len(row.prompt) for row in rows)
        inputs = torch.full((len(rows), width), pad)
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for at, row in enumerate(rows):
            inputs[at, : len(row.prompt)] = torch.tensor(row.prompt)
            mask[at, : len(row.prompt)] = 1
        self.mask = mask.to(self.device)
        encoder = self.model.get_encoder()
        self.hidden = encoder(input_ids=inputs.to(self.device), attention_mask=self.mask).last_hidden_state
        self.wrap = BaseModelOutput
        self.rows = len(rows)
        self.start = _start_token(self.model, pad)
        self.cache: Any = None

    def first(self) -> torch.Tensor:
        return self.next(torch.full((self.rows,), self.start, device=self.device))

    def next(self, tokens: torch.Tensor) -> torch.Tensor:
        out = self.model(
            encoder_outputs=self.wrap(last_hidden_state=self.hidden),
            attention_mask=self.mask,
            decoder_input_ids=tokens[:, None],
            past_key_values=self.cache,
            use_cache=True,
        )
        if self.cache is None:
            self.cache = grow(out.past_key_values)
        logits: torch.Tensor = out.logits[:, -1]
        return logits

    def keep(self, rows: torch.Tensor) -> None:
        self.mask, self.hidden = self.mask[rows], self.hidden[rows]
        keep_rows(self.cache, rows)


def decode(
    base: Loaded, rows: Sequence[Row], pad: int, ends: frozenset[int], stopped: Callable[[Row], bool]
) -> Iterator[Row]:
    """Writes a batch of completions; yields each row as it finishes, and from then on works without it.

    Args:
        base: the model.
        rows: prompts, none of them empty, with limits of at least 1.
        pad: any token; what stands in the padding is never looked at.
        ends: tokens that end a completion.
        stopped: whether a row's last token completed one of its stop strings.
    """
    with torch.inference_mode():
        left = list(rows)
        kind = CausalDecoder if base.family == "decoder" else Seq2SeqDecoder
        decoder: Decoder = kind(base, left, pad)
        chooser = Chooser(left, base.device)
        logits = decoder.first()
        while True:
            tokens = chooser.choose(logits)
            going: list[int] = []
            for at, token in enumerate(tokens.tolist()):
                row = left[at]
                _take(row, token, ends, stopped)
                if row.finish is None:
                    going.append(at)
            done = [row for row in left if row.finish is not None]
            if done and going:
                chosen = torch.tensor(going, device=base.device)
                decoder.keep(chosen)
                chooser.keep(chosen)
                tokens = tokens[chosen]
            left = [left[at] for at in going]
            yield from done
            if not left:
                return
            logits = decoder.next(tokens)


def _take(row: Row, token: int, ends: frozenset[int], stopped: Callable[[Row], bool]) -> None:
    row.tokens += 1
    if token in ends:
        row.finish = "stop"
        return
    row.ids.append(token)
    if stopped(row):
        row.finish = "stop"
    elif row.tokens >= row.limit:
        row.finish = "length"


class Chooser:
    """Picks each row's next token: the likeliest at temperature 0, else the likeliest after Gumbel noise, which is a
    draw by probability (Gumbel 1954; Maddison et al. 2014).

    The noise is a function of (the row's seed, step, token) and of nothing else. Drawing this way, a rounding error of
    1e-6 in the logits changes a token about once in a million; with a search in cumulated probabilities it would be
    once in thousands, as every token's border moves."""

    def __init__(self, rows: Sequence[Row], device: torch.device) -> None:
        temperatures = [row.sampling.temperature for row in rows]
        self.sampling = any(temperature > 0 for temperature in temperatures)
        self.nucleus = self.sampling and any(row.sampling.top_p < 1 for row in rows)
        self.step = 0
        self.greedy = torch.tensor([temperature <= 0 for temperature in temperatures], device=device)
        self.temperature = torch.tensor([t if t > 0 else 1.0 for t in temperatures], dtype=torch.float64).to(device)
        self.top_p = torch.tensor([row.sampling.top_p for row in rows], dtype=torch.float64).to(device)
        self.seeds = torch.tensor([row.seed for row in rows], dtype=torch.int64).to(device)

    def choose(self, logits: torch.Tensor) -> torch.Tensor:
        """Tokens, shape (rows,), for logits of shape (rows, vocabulary)."""
        best = logits.argmax(-1)
        if not self.sampling:
            return best
        scaled = logits.double() / self.temperature[:, None]
        if self.nucleus:
            scaled = scaled.masked_fill(self._outside(scaled), float("-inf"))
        drawn = (scaled + gumbel_noise(self.seeds, self.step, logits.shape[-1])).argmax(-1)
        self.step += 1
        return torch.where(self.greedy, best, drawn)

    def keep(self, rows: torch.Tensor) -> None:
        self.greedy, self.temperature = self.greedy[rows], self.temperature[rows]
        self.top_p, self.seeds = self.top_p[rows], self.seeds[rows]

    def _outside(self, scaled: torch.Tensor) -> torch.Tensor:
        """Tokens outside the smallest set of likeliest ones that holds ``top_p``; none for a row without top_p."""
        ordered, order = torch.sort(torch.softmax(scaled, -1), dim=-1, descending=True, stable=True)
        behind = (ordered.cumsum(-1) - ordered >= self.top_p[:, None]) & (self.top_p[:, None] < 1)
        behind[:, 0] = False
        return torch.zeros_like(behind).scatter(-1, order, behind)


def gumbel_noise(seeds: torch.Tensor, step: int, vocabulary: int) -> torch.Tensor:
    """Standard Gumbel numbers of shape (rows, vocabulary): float64, the same on every device.

    Args:
        seeds: one per row, shape (rows,), int64.
        step: tokens written before.
        vocabulary: columns.
    """
    columns = torch.arange(1, vocabulary + 1, device=seeds.device) * _GOLDEN
    mixed = _mix(_mix(seeds + _signed(step * _STRIDE % 2**64))[:, None] + columns)
    uniform = (_shift(mixed, 11).double() + 0.5) / 2**53
    return -torch.log(-torch.log(uniform))


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


_GOLDEN, _STRIDE = _signed(0x9E3779B97F4A7C15), 0x0D1342543DE82EF9
_FIRST, _SECOND = _signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB)


def _mix(x: torch.Tensor) -> torch.Tensor:
    """Finaliser of SplitMix64 (Steele, Lea and Flood 2014): 64 bits in, 64 well-mixed bits out; overflow wraps."""
    x = (x ^ _shift(x, 30)) * _FIRST
    x = (x ^ _shift(x, 27)) * _SECOND
    return x ^ _shift(x, 31)


def _shift(x: torch.Tensor, bits: int) -> torch.Tensor:
    """Unsigned shift to the right."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _start_token(model: Any, pad: int) -> int:
    for config in (model.config, model.generation_config):
        for name in ("decoder_start_token_id", "bos_token_id"):
            found = getattr(config, name, None)
            if isinstance(found, int):
                return found
    return pad
