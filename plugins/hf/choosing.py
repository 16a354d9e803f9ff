"""Which token comes next: the likeliest, or one drawn by noise that is the row's own. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from rtbench.api import FinishReason, Sampling


@dataclass
class SamplingRow:
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


class Chooser:
    """Picks each row's next token: the likeliest at temperature 0, else the likeliest after Gumbel noise, which is a
    draw by probability (Gumbel 1954; Maddison et al. 2014).

    The noise is a function of (the row's seed, tokens it has, token) and of nothing else. Drawing this way, a rounding
    error of 1e-6 in the logits changes a token about once in a million; with a search in cumulated probabilities it would
    be once in thousands, as every token's border moves."""

    def __init__(self, rows: Sequence[SamplingRow], device: torch.device) -> None:
        temperatures = [row.sampling.temperature for row in rows]
        self.sampling = any(temperature > 0 for temperature in temperatures)
        self.nucleus = self.sampling and any(row.sampling.top_p < 1 for row in rows)
        self.steps = torch.tensor([row.tokens for row in rows], dtype=torch.int64).to(device)
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
        drawn = (scaled + gumbel_noise(self.seeds, self.steps, logits.shape[-1])).argmax(-1)
        self.steps += 1
        return torch.where(self.greedy, best, drawn)

    def keep(self, rows: torch.Tensor) -> None:
        """Drops all other rows."""
        self.greedy, self.temperature = self.greedy[rows], self.temperature[rows]
        self.top_p, self.seeds, self.steps = self.top_p[rows], self.seeds[rows], self.steps[rows]

    def put(self, slots: torch.Tensor, other: Chooser) -> None:
        """Gives some rows to another's."""
        self.sampling, self.nucleus = self.sampling or other.sampling, self.nucleus or other.nucleus
        for name in ("greedy", "temperature", "top_p", "seeds", "steps"):
            getattr(self, name)[slots] = getattr(other, name)

    def _outside(self, scaled: torch.Tensor) -> torch.Tensor:
        """Tokens outside the smallest set of likeliest ones that holds ``top_p``; none for a row without top_p."""
        ordered, order = torch.sort(torch.softmax(scaled, -1), dim=-1, descending=True, stable=True)
        behind = (ordered.cumsum(-1) - ordered >= self.top_p[:, None]) & (self.top_p[:, None] < 1)
        behind[:, 0] = False
        return torch.zeros_like(behind).scatter(-1, order, behind)


def gumbel_noise(seeds: torch.Tensor, steps: torch.Tensor, vocabulary: int) -> torch.Tensor:
    """Standard Gumbel numbers of shape (rows, vocabulary): float64, the same on every device.

    Args:
        seeds: one per row, shape (rows,), int64.
        steps: tokens that each row has, shape (rows,), int64.
        vocabulary: columns.
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
    """Finaliser of SplitMix64 (Steele, Lea and Flood 2014): 64 bits in, 64 well-mixed bits out; overflow wraps."""
    x = (x ^ _shift(x, 30)) * _FIRST
    x = (x ^ _shift(x, 27)) * _SECOND
    return x ^ _shift(x, 31)


def _shift(x: torch.Tensor, bits: int) -> torch.Tensor:
    """Unsigned shift to the right."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)
