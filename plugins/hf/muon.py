"""Muon optimiser in float32 (source: Jordan 2024, https://kellerjordan.github.io/posts/muon/). Imports torch.

``torch.optim.Muon`` orthogonalises in bfloat16, which takes 35 times as long on a CPU without instructions for it (measured
on the matrices of the 6M model). This is the same rule in float32, with matrices of one shape processed together.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

_A, _B, _C = 3.4445, -4.775, 2.0315
"""Coefficients of the quintic Newton-Schulz iteration, as in ``torch.optim.Muon``."""


class Muon(torch.optim.Optimizer):
    """Muon: momentum, then the nearest orthogonal matrix, scaled to AdamW's update size.

    The scale is ``match_rms_adamw``, 0.2 times the root of the longer side (source: Liu et al. 2025, arXiv 2502.16982).

    Args:
        parameters: matrices.
        lr: learning rate.
        momentum: Nesterov momentum of the gradient.
        weight_decay: decoupled weight decay.
        iterations: number of Newton-Schulz iterations.
    """

    def __init__(
        self,
        parameters: Iterable[torch.nn.Parameter],
        lr: float,
        *,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        iterations: int = 5,
    ) -> None:
        super().__init__(
            list(parameters), {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "iterations": iterations}
        )

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            shapes: dict[torch.Size, list[torch.nn.Parameter]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    shapes.setdefault(parameter.shape, []).append(parameter)
            for shape, members in shapes.items():
                self._step_together(group, shape, members)

    def _step_together(self, group: dict[str, float], shape: torch.Size, members: list[torch.nn.Parameter]) -> None:
        updates = []
        for parameter in members:
            assert parameter.grad is not None
            state = self.state[parameter]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(parameter)
            state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
            updates.append(parameter.grad.lerp(state["momentum"], group["momentum"]))
        ortho = orthogonal(torch.stack(updates), int(group["iterations"]))
        scale = 0.2 * max(shape) ** 0.5
        for parameter, update in zip(members, ortho, strict=True):
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.add_(update, alpha=-group["lr"] * scale)


def orthogonal(matrices: torch.Tensor, iterations: int) -> torch.Tensor:
    """Return approximately the nearest (semi-)orthogonal matrices; input and output have shape (count, rows, columns)."""
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(iterations):
        gram = x @ x.mT
        x = _A * x + (_B * gram + _C * gram @ gram) @ x
    result: torch.Tensor = x.mT if tall else x
    return result
