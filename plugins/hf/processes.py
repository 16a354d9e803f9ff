"""Training in one process, or in several processes that share every batch, through accelerate. Imports torch.

Several processes compute the same as one, up to rounding: each has its share of a batch's rows, and gradients are summed
over all processes.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Sequence
from typing import Any

import torch
from rtbench_plugins.hf.encoding import EncodedRow
from rtbench_plugins.hf.loaded import LoadedModel
from rtbench_plugins.hf.optimizers import Optimizers
from rtbench_plugins.hf.training_state import Weights, copy_weights, load_trained, trained_weights

from rtbench.api import BadInputError, MissingExtraError

GRADIENT_NORM = 1.0
"""Highest norm of gradients; longer gradients are scaled down to it."""


def process_count() -> int:
    """Return the number of processes of this job, as set by its launcher (torchrun's convention)."""
    return int(os.environ.get("WORLD_SIZE", "1"))


class Processes:
    """Training in a single process."""

    count, rank = 1, 0
    sharded = False
    """Whether each process has only a shard of the weights."""

    def prepare(self, base: LoadedModel, optimizer: Optimizers) -> Any:
        """Prepare model and optimiser, and return what is called in place of the model."""
        return base.model

    def part(self, rows: Sequence[EncodedRow]) -> Sequence[EncodedRow]:
        """Return this process's share of a batch's rows."""
        return rows[self.rank :: self.count]

    def calls(self, rows: int, at_once: int) -> int:
        """Return how often the model is called for a batch of ``rows``; the number is the same in every process."""
        return math.ceil(math.ceil(rows / self.count) / at_once)

    def apart(self, model: Any) -> contextlib.AbstractContextManager[None]:
        """Return a context in which gradients are not summed over the processes."""
        return contextlib.nullcontext()

    def total(self, value: torch.Tensor) -> torch.Tensor:
        """Return the sum over all processes."""
        return value

    def clip(self, model: Any) -> None:
        """Scale gradients down to :data:`GRADIENT_NORM`."""
        torch.nn.utils.clip_grad_norm_(model.parameters(), GRADIENT_NORM)

    def weights(self, base: LoadedModel) -> Weights:
        """Return a copy of the trained weights in main memory; empty in all processes except the first."""
        return copy_weights(base.model)

    def state(self, base: LoadedModel, optimizer: Optimizers) -> tuple[Weights, list[dict[str, Any]]]:
        """Return the weights and the optimisers' states, for :meth:`restore`."""
        return trained_weights(base.model), optimizer.state_dict()

    def restore(self, base: LoadedModel, optimizer: Optimizers, weights: Weights, states: list[dict[str, Any]]) -> None:
        """Load the weights and the optimisers' states."""
        load_trained(base.model, weights)
        optimizer.load_state_dict(states)

    def agreed(self, wish: bool) -> bool:
        """Return the first process's value of ``wish``, in all processes."""
        return wish

    def together(self) -> None:
        """Wait until all processes have called this method."""


class Several(Processes):
    """Training in one of several processes.

    Args:
        device: of this process.
        bf16: compute in bfloat16.
        sharded: shard weights, gradients and the optimiser's state over the processes (FSDP); otherwise each process has
            all of them (DDP).
    """

    def __init__(self, device: torch.device, *, bf16: bool, sharded: bool) -> None:
        try:
            from accelerate import Accelerator
            from accelerate.utils import FullyShardedDataParallelPlugin
        except ImportError:
            raise MissingExtraError.of("accelerate", "distributed") from None

        plugin = None
        if sharded:
            plugin = FullyShardedDataParallelPlugin(
                fsdp_version=2,
                auto_wrap_policy="transformer_based_wrap",
                cpu_ram_efficient_loading=False,
                reshard_after_forward=True,
            )
        self.sharded = sharded
        self.accelerator = Accelerator(
            cpu=device.type == "cpu", mixed_precision="bf16" if bf16 else "no", fsdp_plugin=plugin
        )
        self.count, self.rank = self.accelerator.num_processes, self.accelerator.process_index

    def prepare(self, base: LoadedModel, optimizer: Optimizers) -> Any:
        if self.sharded and optimizer.whole_matrices:
            raise BadInputError("muon needs whole matrices", where="option `sharded`", next_step="Use adamw.")
        model, *optimizer.members = self.accelerator.prepare(base.model, *optimizer.members)
        return model

    def apart(self, model: Any) -> contextlib.AbstractContextManager[None]:
        return self.accelerator.no_sync(model)  # type: ignore[no-any-return]

    def total(self, value: torch.Tensor) -> torch.Tensor:
        return self.accelerator.reduce(value, reduction="sum")  # type: ignore[no-any-return]

    def clip(self, model: Any) -> None:
        self.accelerator.clip_grad_norm_(model.parameters(), GRADIENT_NORM)

    def weights(self, base: LoadedModel) -> Weights:
        if not self.sharded:
            return super().weights(base) if self.rank == 0 else {}
        from torch.distributed.checkpoint.state_dict import get_model_state_dict

        weights: Any = get_model_state_dict(base.model, options=self._whole())
        return dict(weights)

    def state(self, base: LoadedModel, optimizer: Optimizers) -> tuple[Weights, list[dict[str, Any]]]:
        if not self.sharded:
            return super().state(base, optimizer)
        from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict

        states = [
            get_optimizer_state_dict(base.model, member.optimizer, options=self._whole())
            for member in optimizer.members
        ]
        return self.weights(base), states

    def restore(self, base: LoadedModel, optimizer: Optimizers, weights: Weights, states: list[dict[str, Any]]) -> None:
        if not self.sharded:
            super().restore(base, optimizer, weights, states)
            return
        from torch.distributed.checkpoint.state_dict import set_model_state_dict, set_optimizer_state_dict

        set_model_state_dict(base.model, dict[str, Any](weights), options=self._whole())
        for member, state in zip(optimizer.members, states, strict=True):
            set_optimizer_state_dict(base.model, member.optimizer, state, options=self._whole())

    def agreed(self, wish: bool) -> bool:
        mine = torch.tensor(float(wish and self.rank == 0), device=self.accelerator.device)
        return bool(self.total(mine) > 0)

    def together(self) -> None:
        self.accelerator.wait_for_everyone()

    def _whole(self) -> Any:
        from torch.distributed.checkpoint.state_dict import StateDictOptions

        return StateDictOptions(full_state_dict=True, cpu_offload=True)
