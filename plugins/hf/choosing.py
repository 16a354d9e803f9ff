"""Choice of the next token: the most probable, or drawn with noise from the row's own seed. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch.nn import functional

from rtbench.api import FinishReason, Sampling


@dataclass
class SamplingRow:
    """A completion that is being generated."""

    index: int
    """Index of the request."""
    prompt: list[int]
    """Tokens of the prompt."""
    limit: int
    """Highest number of new tokens."""
    sampling: Sampling
    seed: int
    ids: list[int] = field(default_factory=list)
    """Tokens generated so far, without the end mark."""
    tokens: int = 0
    """Number of tokens generated so far, with the end mark."""
    cut: bool = False
    """Whether the prompt was shortened to fit."""
    finish: FinishReason | None = None
    written: list[int] = field(default_factory=list)
    """All tokens generated so far, with the end mark, where log-probabilities are asked for."""
    alternatives: list[list[tuple[int, float]]] = field(default_factory=list)
    """The most probable tokens at the place of each, with their log-probabilities."""

    def begin_again(self) -> None:
        """Forget all generated tokens."""
        self.ids, self.tokens, self.finish, self.written, self.alternatives = [], 0, None, [], []


class Chooser:
    """Chooser of each row's next token.

    At temperature 0 that is the most probable token. Otherwise it is the token with the highest logit after adding Gumbel
    noise, which is a draw by probability (Gumbel 1954; Maddison et al. 2014).

    The noise depends only on the row's seed, its number of tokens, and the token. With this method, a rounding error of
    1e-6 in the logits changes about one token in a million. With a search in cumulative probabilities it would change one
    in thousands, since the boundaries of all tokens would move.
    """

    def __init__(self, rows: Sequence[SamplingRow], device: torch.device) -> None:
        temperatures = [row.sampling.temperature for row in rows]
        self.sampling = any(temperature > 0 for temperature in temperatures)
        self.nucleus = self.sampling and any(row.sampling.top_p < 1 for row in rows)
        self.steps = torch.tensor([row.tokens for row in rows], dtype=torch.int64).to(device)
        self.greedy = torch.tensor([temperature <= 0 for temperature in temperatures], device=device)
        self.temperature = torch.tensor([t if t > 0 else 1.0 for t in temperatures], dtype=torch.float64).to(device)
        self.top_p = torch.tensor([row.sampling.top_p for row in rows], dtype=torch.float64).to(device)
        self.seeds = torch.tensor([row.seed for row in rows], dtype=torch.int64).to(device)
        self._most = max((row.sampling.top_logprobs for row in rows), default=0)
        self._top: tuple[torch.Tensor, torch.Tensor] | None = None

    def choose(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the next tokens, shape (rows,), for logits of shape (rows, vocabulary)."""
        best = logits.argmax(-1)
        if self._most:
            most = min(self._most, logits.shape[-1])
            self._top = torch.topk(functional.log_softmax(logits.float(), -1), most, -1)
        if not self.sampling:
            return best
        scaled = logits.double() / self.temperature[:, None]
        if self.nucleus:
            scaled = scaled.masked_fill(self._outside(scaled), float("-inf"))
        drawn = (scaled + gumbel_noise(self.seeds, self.steps, logits.shape[-1])).argmax(-1)
        self.steps += 1
        return torch.where(self.greedy, best, drawn)

    def alternatives(self) -> list[list[tuple[int, float]]] | None:
        """Return the most probable tokens at the places of the last tokens, with their log-probabilities; None: no row asks."""
        if self._top is None:
            return None
        values, tokens = self._top
        return [list(zip(*row, strict=True)) for row in zip(tokens.tolist(), values.tolist(), strict=True)]

    def keep(self, rows: torch.Tensor) -> None:
        """Keep only these rows."""
        self.greedy, self.temperature = self.greedy[rows], self.temperature[rows]
        self.top_p, self.seeds, self.steps = self.top_p[rows], self.seeds[rows], self.steps[rows]

    def put(self, slots: torch.Tensor, other: Chooser) -> None:
        """Replace the rows in ``slots`` by those of another chooser."""
        self.sampling, self.nucleus = self.sampling or other.sampling, self.nucleus or other.nucleus
        self._most = max(self._most, other._most)
        for name in ("greedy", "temperature", "top_p", "seeds", "steps"):
            getattr(self, name)[slots] = getattr(other, name)

    def _outside(self, scaled: torch.Tensor) -> torch.Tensor:
        """Return which tokens are outside the smallest set of most probable tokens with total probability ``top_p``.

        Returns:
            shape (rows, vocabulary), bool; all False for a row without top_p.
        """
        ordered, order = torch.sort(torch.softmax(scaled, -1), dim=-1, descending=True, stable=True)
        behind = (ordered.cumsum(-1) - ordered >= self.top_p[:, None]) & (self.top_p[:, None] < 1)
        behind[:, 0] = False
        return torch.zeros_like(behind).scatter(-1, order, behind)


def gumbel_noise(seeds: torch.Tensor, steps: torch.Tensor, vocabulary: int) -> torch.Tensor:
    """Return standard Gumbel noise, shape (rows, vocabulary), float64, the same on every device.

    Args:
        seeds: seed of each row, shape (rows,), int64.
        steps: number of tokens that each row has, shape (rows,), int64.
        vocabulary: number of columns.
    """
    columns = torch.arange(1, vocabulary + 1, device=seeds.device) * _GOLDEN
    mixed = _mix(_mix(seeds + steps * _STRIDE)[:, None] + columns)
    uniform = (_shift(mixed, 11).double() + 0.5) / 2**53
    return -torch.log(-torch.log(uniform))


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


_GOLDEN, _STRIDE = _signed(0x9E3779B97F4A7C15), 0x0D1342543DE82EF9
_FIRST, _SECOND = _signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB)


def _mix(x: torch.Tensor) -> torch.Tensor:
    """Apply the finaliser of SplitMix64 (Steele, Lea and Flood 2014) to 64-bit integers; overflow wraps."""
    x = (x ^ _shift(x, 30)) * _FIRST
    x = (x ^ _shift(x, 27)) * _SECOND
    return x ^ _shift(x, 31)


def _shift(x: torch.Tensor, bits: int) -> torch.Tensor:
    """Return an unsigned right shift of int64 numbers."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)
