"""Losses of objectives: against TRL where it is installed, and against closed forms and torch everywhere."""

from __future__ import annotations

import importlib
import math
import warnings
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from rtbench_plugins.hf.objectives import advantages, clipped, divergence, kl_estimate, mean_per_row, token_logps
from torch.nn import functional

BETAS = (0.0, 0.1, 0.5, 0.9, 1.0)


def logits(rows: int = 6, vocabulary: int = 11, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    return 3 * torch.randn(rows, vocabulary), 3 * torch.randn(rows, vocabulary)


def trl(name: str) -> Any:
    """A module of TRL; its experimental modules warn when they are imported."""
    pytest.importorskip("trl")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("temperature", [1.0, 0.7, 2.0])
def test_divergence_is_trls(beta: float, temperature: float) -> None:
    gkd = trl("trl.experimental.gkd.gkd_trainer").GKDTrainer
    student, guide = logits()
    labels = torch.tensor([1, 2, -100, 4, -100, 0])
    kept = labels != -100
    theirs, ours = student.clone().requires_grad_(), student.clone().requires_grad_()
    expected = gkd.generalized_jsd_loss(theirs[None], guide[None], labels[None], beta, temperature)
    found = divergence(ours[kept], guide[kept], beta, temperature).sum() / int(kept.sum())
    torch.autograd.backward([expected, found])
    assert found.item() == pytest.approx(expected.item(), abs=1e-5)
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-5)


@pytest.mark.parametrize("beta", BETAS)
def test_divergence_is_the_sum_over_the_vocabulary(beta: float) -> None:
    """Term by term in double precision, from the definition."""
    student, guide = logits()
    found = divergence(student, guide, beta)
    for at in range(len(student)):
        p = torch.softmax(guide[at].double(), -1).tolist()
        q = torch.softmax(student[at].double(), -1).tolist()
        m = [beta * a + (1 - beta) * b for a, b in zip(p, q, strict=True)]
        forward = sum(a * math.log(a / c) for a, c in zip(p, q if beta == 0 else m, strict=True))
        reverse = sum(b * math.log(b / c) for b, c in zip(q, p if beta == 1 else m, strict=True))
        expected = forward if beta == 0 else reverse if beta == 1 else beta * forward + (1 - beta) * reverse
        assert found[at].item() == pytest.approx(expected, abs=1e-5)


def test_ends_of_beta_are_torchs_kl_div_and_equal_models_are_at_0() -> None:
    student, guide = logits()
    own, other = (functional.log_softmax(one, -1) for one in (student, guide))
    forward = functional.kl_div(own, other, log_target=True, reduction="sum")
    reverse = functional.kl_div(other, own, log_target=True, reduction="sum")
    assert divergence(student, guide, 0.0).sum().item() == pytest.approx(forward.item(), abs=1e-5)
    assert divergence(student, guide, 1.0).sum().item() == pytest.approx(reverse.item(), abs=1e-5)
    for beta in BETAS:
        assert divergence(student, student, beta).abs().max().item() < 1e-6
        assert divergence(student, guide, beta).min().item() > 0


def test_log_probabilities_are_those_of_a_softmax_at_the_temperature() -> None:
    values, _ = logits()
    targets = torch.arange(6)
    expected = torch.log_softmax(values / 0.5, -1)[torch.arange(6), targets]
    assert torch.allclose(token_logps(values, targets, 0.5), expected, atol=1e-6)


@pytest.mark.parametrize("beta", [0.0, 0.04, 0.5])
def test_policy_loss_is_trls(beta: float) -> None:
    """On rows of unequal length, whose probabilities have moved so far that some tokens are clipped."""
    torch.manual_seed(1)
    lengths, width = [5, 2, 4, 1], 5
    mask = torch.tensor([[at < length for at in range(width)] for length in lengths])
    now, old, reference = (-torch.rand(4, width) * 3 for _ in range(3))
    rewards = torch.tensor([1.0, 0.0, 0.0, 1.0])
    advantage = advantages(rewards, 2, scaled=True)
    theirs, ours = now.clone().requires_grad_(), now.clone().requires_grad_()
    expected = loss_of_trl(theirs, old, reference, mask, advantage, beta)
    each = clipped(ours[mask], old[mask], advantage.repeat_interleave(torch.tensor(lengths)), 0.2)
    if beta:
        each = each + beta * kl_estimate(ours[mask], reference[mask])
    found = mean_per_row(each, lengths).sum() / len(lengths)
    torch.autograd.backward([expected, found])
    assert found.item() == pytest.approx(expected.item(), abs=1e-5)
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-5)
    assert (ours.grad[mask] == 0).any() or beta, "a clipped token has no gradient"


def loss_of_trl(
    now: torch.Tensor,
    old: torch.Tensor,
    reference: torch.Tensor,
    mask: torch.Tensor,
    advantage: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """TRL's own method, with the probabilities that its model would have returned."""
    trainer = trl("trl.trainer.grpo_trainer").GRPOTrainer
    accelerator = SimpleNamespace(gather=lambda x: x, reduce=lambda x, reduction: x, sync_gradients=True)
    stand_in = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *_, **__: (now, torch.zeros_like(now), None),
        aux_loss_enabled=False, top_entropy_quantile=1.0, off_policy_mask_threshold=None,
        importance_sampling_level="token", beta=beta, loss_type="grpo", epsilon_low=0.2, epsilon_high=0.2,
        args=SimpleNamespace(delta=None, use_bias_correction_kl=False), use_vllm=False, model=SimpleNamespace(training=True),
        current_gradient_accumulation_steps=1, _entropy_bonus_enabled=False, accelerator=accelerator,
        _metrics={"train": defaultdict(list)},
    )  # fmt: skip
    ids = torch.zeros(mask.shape, dtype=torch.long)
    inputs = {
        "prompt_ids": ids[:, :1], "prompt_mask": ids[:, :1] + 1, "completion_ids": ids, "completion_mask": mask.long(),
        "advantages": advantage, "old_per_token_logps": old, "ref_per_token_logps": reference,
    }  # fmt: skip
    loss: torch.Tensor = trainer._compute_loss(stand_in, None, inputs)
    return loss


def test_advantages_are_trls() -> None:
    nanstd = trl("trl.trainer.utils").nanstd
    rewards = torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0])
    grouped = rewards.view(-1, 4)
    centred = (grouped - grouped.mean(1, keepdim=True)).flatten()
    spread = nanstd(grouped, dim=1).repeat_interleave(4)
    assert torch.allclose(advantages(rewards, 4, scaled=True), centred / (spread + 1e-4), atol=1e-6)
    assert torch.allclose(advantages(rewards, 4, scaled=False), centred)


def test_equal_rewards_have_no_advantage() -> None:
    for scaled in (True, False):
        assert advantages(torch.tensor([1.0, 1, 1, 0, 0, 0]), 3, scaled=scaled).tolist() == [0.0] * 6
    found = advantages(torch.tensor([1.0, 0.0]), 2, scaled=True)
    assert found.tolist() == pytest.approx([0.5 / (math.sqrt(0.5) + 1e-4), -0.5 / (math.sqrt(0.5) + 1e-4)])


def test_policy_loss_by_hand() -> None:
    """A ratio counts up to 1.2 where the advantage is positive, and from 0.8 on where it is negative."""
    old = torch.zeros(4)
    now = torch.log(torch.tensor([1.5, 0.5, 1.5, 0.5]))
    advantage = torch.tensor([1.0, 1.0, -1.0, -1.0])
    assert clipped(now, old, advantage, 0.2).tolist() == pytest.approx([-1.2, -0.5, 1.5, 0.8])


def test_estimate_of_the_divergence_is_unbiased() -> None:
    """Its expectation over the student's own tokens is the KL divergence."""
    student, reference = (functional.log_softmax(one.double(), -1) for one in logits(rows=1))
    each = torch.stack([kl_estimate(student[:, at], reference[:, at]) for at in range(11)]).flatten()
    expected = functional.kl_div(reference, student, log_target=True, reduction="sum")
    assert each.min().item() >= 0
    assert (student.exp()[0] * each).sum().item() == pytest.approx(expected.item(), abs=1e-12)
