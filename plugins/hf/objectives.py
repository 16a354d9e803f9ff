"""Losses of objectives, as functions of tensors. Imports torch.

Source: TRL 1.16, ``GKDTrainer.generalized_jsd_loss`` and ``GRPOTrainer`` (``loss_type="grpo"``), with which the tests compare
them. All divergences are per position, in nats, and shape (positions,) unless stated otherwise.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

_LEAST_DEVIATION = 1e-4
"""Added to a group's standard deviation, as in TRL."""
_ROUNDING = 1e-3
"""Rest of the teacher's probability up to which it counts as 0: log-probabilities are stored in float16."""
_LEAST_REST = 1e-6
"""Least rest of the student's probability, which float32 can tell from 0."""


def divergence(student: torch.Tensor, guide: torch.Tensor, beta: float, temperature: float = 1.0) -> torch.Tensor:
    """Return the generalised Jensen-Shannon divergence of two models (Agarwal et al. 2023, equation 1).

    Args:
        student: logits of the student, shape (positions, vocabulary).
        guide: logits of the teacher, likewise.
        beta: 0: forward KL, 1: reverse KL; between them, the weight of the teacher in the mixture.
        temperature: divides both logits.
    """
    own = functional.log_softmax(student.float() / temperature, -1)
    other = functional.log_softmax(guide.float() / temperature, -1)
    if beta == 0:
        return _kl(other, own)
    if beta == 1:
        return _kl(own, other)
    mixture = torch.logsumexp(torch.stack([own + math.log1p(-beta), other + math.log(beta)]), 0)
    return beta * _kl(other, mixture) + (1 - beta) * _kl(own, mixture)


def top_divergence(student: torch.Tensor, tokens: torch.Tensor, logprobs: torch.Tensor) -> torch.Tensor:
    """Return the forward KL divergence from a teacher of whom only the most probable tokens are known.

    All other tokens count as one, with the rest of the probability. With all tokens of the vocabulary it is
    :func:`divergence` with ``beta`` 0.

    Args:
        student: logits of the student, shape (positions, vocabulary).
        tokens: the teacher's most probable tokens, shape (positions, alternatives).
        logprobs: their log-probabilities, likewise; minus infinity where there are fewer.
    """
    known = torch.isfinite(logprobs)
    own = functional.log_softmax(student.float(), -1).gather(-1, tokens)
    teacher = logprobs.masked_fill(~known, 0.0)
    weight = torch.where(known, teacher.exp(), 0.0)
    kl = (weight * (teacher - own)).sum(-1)
    rest = 1 - weight.sum(-1)
    own_rest = (1 - torch.where(known, own.exp(), 0.0).sum(-1)).clamp(min=_LEAST_REST)
    return kl + torch.where(rest > _ROUNDING, rest * (rest.clamp(min=_ROUNDING).log() - own_rest.log()), 0.0)


def _kl(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the KL divergence from the second to the first distribution, given as log-probabilities."""
    return functional.kl_div(second, first, reduction="none", log_target=True).sum(-1)


def token_logps(logits: torch.Tensor, targets: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """Return the log-probabilities of the targets, for logits of shape (positions, vocabulary)."""
    scaled = logits.float() / temperature
    return scaled.gather(-1, targets[:, None])[:, 0] - scaled.logsumexp(-1)


def advantages(rewards: torch.Tensor, group: int, *, scaled: bool) -> torch.Tensor:
    """Return the rewards less the mean of their group, shape (completions,). Equal rewards have an advantage of 0.

    Args:
        rewards: of the completions, those of a question next to each other, shape (completions,).
        group: completions of a question.
        scaled: divide by the group's standard deviation.
    """
    grouped = rewards.view(-1, group)
    found = grouped - grouped.mean(1, keepdim=True)
    if scaled:
        found = found / (grouped.std(1, keepdim=True) + _LEAST_DEVIATION)
    return found.flatten()


def kl_estimate(logps: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Return the estimate k3 of the KL divergence from a reference, given log-probabilities (Schulman 2020)."""
    ratio = reference - logps
    return torch.exp(ratio) - ratio - 1


def clipped(logps: torch.Tensor, old: torch.Tensor, advantage: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Return the clipped policy loss of each token (Schulman et al. 2017).

    Args:
        logps: log-probabilities of the tokens, with gradients.
        old: those at the time of writing.
        advantage: of each token's completion.
        epsilon: the ratio of both counts up to 1 ± ``epsilon``.
    """
    ratio = torch.exp(logps - old)
    return -torch.min(ratio * advantage, ratio.clamp(1 - epsilon, 1 + epsilon) * advantage)


def mean_per_row(values: torch.Tensor, lengths: list[int]) -> torch.Tensor:
    """Return the mean over each row's tokens, shape (rows,), for values of rows that follow each other."""
    return torch.stack([part.mean() for part in torch.split(values, lengths)])
