"""The recipe's optimiser and learning-rate schedule. Imports torch."""

from __future__ import annotations

from typing import Any

import torch
from rtbench_plugins.hf.loaded import LoadedModel
from rtbench_plugins.hf.muon import Muon

from rtbench.api import Recipe

_ADAM_SHARE = 0.75
"""Under Muon: AdamW's learning rate for embeddings, norms and convolutions, as a fraction of the recipe's."""


class Optimizers:
    """One or two optimisers that are stepped together, with the recipe's schedule.

    Args:
        base: the model.
        recipe: has optimiser, learning rate and schedule.
        total: number of steps of the whole training.
    """

    def __init__(self, base: LoadedModel, recipe: Recipe, total: int) -> None:
        self._recipe, self._total = recipe, total
        if recipe.optimizer == "muon":
            matrices, rest = split_parameters(base.model)
            self.members: list[Any] = [
                Muon(matrices, recipe.learning_rate, weight_decay=recipe.weight_decay),
                _adamw(rest, recipe.learning_rate * _ADAM_SHARE, recipe.weight_decay, base.device),
            ]
        else:
            trained = [p for p in base.model.parameters() if p.requires_grad]
            self.members = [_adamw(trained, recipe.learning_rate, recipe.weight_decay, base.device)]
        self._rates = [[group["lr"] for group in member.param_groups] for member in self.members]

    @property
    def whole_matrices(self) -> bool:
        """Return whether an update needs the whole matrix."""
        return self._recipe.optimizer == "muon"

    def step(self, done: int) -> None:
        """Update the weights and remove the gradients.

        Args:
            done: number of steps before this one.
        """
        factor = rate_factor(self._recipe, done, self._total)
        for member, rates in zip(self.members, self._rates, strict=True):
            for group, rate in zip(member.param_groups, rates, strict=True):
                group["lr"] = rate * factor
            member.step()
            member.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict[str, Any]]:
        return [member.state_dict() for member in self.members]

    def load_state_dict(self, state: list[dict[str, Any]]) -> None:
        for member, member_state in zip(self.members, state, strict=True):
            member.load_state_dict(member_state)


def rate_factor(recipe: Recipe, done: int, total: int) -> float:
    """Return the fraction of the full learning rate at a step: warm-up, then constant or linearly falling to 0."""
    warm = min(1.0, (done + 1) / recipe.warmup_steps) if recipe.warmup_steps else 1.0
    return warm * (1 - done / total if recipe.schedule == "linear" else 1.0)


def split_parameters(model: torch.nn.Module) -> tuple[list[torch.nn.Parameter], list[torch.nn.Parameter]]:
    """Return the hidden matrices, for Muon, and the rest: embeddings, output layer, norms, biases, convolutions."""
    tables = {id(m.weight) for m in model.modules() if isinstance(m, torch.nn.Embedding)}
    output: Any = getattr(model, "get_output_embeddings", lambda: None)()
    tables |= {id(output.weight)} if output is not None else set()
    matrices: list[torch.nn.Parameter] = []
    rest: list[torch.nn.Parameter] = []
    for parameter in model.parameters():
        if parameter.requires_grad:
            (matrices if parameter.ndim == 2 and id(parameter) not in tables else rest).append(parameter)
    return matrices, rest


def _adamw(
    parameters: list[torch.nn.Parameter], rate: float, weight_decay: float, device: torch.device
) -> torch.optim.Optimizer:
    """Return AdamW, without weight decay of biases and norms."""
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate, fused=device.type in {"cpu", "cuda"})
