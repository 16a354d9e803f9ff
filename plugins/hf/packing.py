"""Weights in the layout of the CPU's matrix products, for generation in bfloat16. Imports torch.

Without it, each product brings the whole weight into that layout first, which takes long where there are few rows
(docs/experiments.md, 2026-11-29, has figures). The operators are those that torch's compiler uses when it freezes a model.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class PackedLinear(nn.Module):
    """A linear layer whose weight is packed. It cannot be trained or saved."""

    def __init__(self, linear: nn.Linear, rows: int) -> None:
        super().__init__()
        weight = linear.weight.detach()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight, rows)  # noqa: SLF001
        self.bias = linear.bias

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the layer's output."""
        out: torch.Tensor = torch.ops.mkldnn._linear_pointwise(  # noqa: SLF001
            inputs, self.packed, self.bias, "none", [], ""
        )
        return out


def pack(model: Any, rows: int) -> int:
    """Replace the linear layers of a model by packed ones, and return their number; 0 where that is not possible.

    Args:
        model: a model in bfloat16 on a CPU. It can only generate afterwards.
        rows: usual number of rows of a product.
    """
    weight = next(model.parameters())
    if weight.device.type != "cpu" or weight.dtype != torch.bfloat16 or not _able():
        return 0
    count = 0
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear:
                setattr(module, name, PackedLinear(child, rows))
                count += 1
    return count


def _able() -> bool:
    """Return whether torch has the operators, and the CPU products in bfloat16."""
    try:
        linear = nn.Linear(64, 64, dtype=torch.bfloat16)
        packed = PackedLinear(linear, 16)
        given = torch.ones(16, 64, dtype=torch.bfloat16)
        return bool(torch.allclose(packed(given), linear(given), rtol=0.05, atol=0.05))
    except (AttributeError, RuntimeError):  # no such operator, or not for this CPU
        return False
