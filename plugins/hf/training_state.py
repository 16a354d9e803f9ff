"""What a training run needs to go on after it was killed. Imports torch."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from rtbench.api import atomic_write

Weights = dict[str, torch.Tensor]


@dataclass
class TrainState:
    """Where a run stands after a whole number of epochs."""

    key: str
    """Content key of the job; a state of another job is not taken up."""
    epoch: int = 0
    """Epochs done."""
    steps: int = 0
    tokens: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    """Epoch with the lowest validation loss so far; 0 where nothing is selected by it."""
    best_loss: float = float("inf")


@dataclass(frozen=True)
class Kept:
    """A state as it was kept."""

    state: TrainState
    weights: Weights
    optimizer: list[dict[str, Any]]
    best: Weights | None
    """Of the best epoch so far, in main memory."""


class StateFile:
    """The file of the last complete epoch, replaced as a whole: a kill at any moment leaves the old one or the new
    one."""

    def __init__(self, workdir: Path) -> None:
        self.folder = workdir / "resume"
        self.path = self.folder / "state.pt"

    def write(self, state: TrainState, weights: Weights, optimizer: list[dict[str, Any]], best: Weights | None) -> None:
        """Keeps a state. The best epoch's weights lie beside it and are written first."""
        if best is not None and not self._best(state.best_epoch).exists():
            with atomic_write(self._best(state.best_epoch)) as handle:
                torch.save(best, handle)
        with atomic_write(self.path) as handle:
            torch.save({"state": vars(state), "model": weights, "optimizer": optimizer}, handle)
        self._tidy(state)

    def read(self, key: str, device: torch.device, *, alone: bool = True) -> Kept | None:
        """The last state of this job, or None.

        Args:
            key: of the job.
            device: where its tensors go.
            alone: what does not belong to that state is taken away at once (:meth:`keep_only`); else the caller does so when
                all processes have read.
        """
        found = torch.load(self.path, map_location=device, weights_only=True) if self.path.is_file() else None
        kept = None
        if found is not None and found["state"]["key"] == key:
            state, best = TrainState(**found["state"]), None
            if state.best_epoch:
                best = torch.load(self._best(state.best_epoch), map_location="cpu", weights_only=True)
            kept = Kept(state, found["model"], found["optimizer"], best)
        if alone:
            self.keep_only(kept)
        return kept

    def keep_only(self, kept: Kept | None) -> None:
        """Takes away what is not of this state: best weights that an earlier attempt or another job left must not pass for
        this job's."""
        if kept is None:
            self.remove()
        else:
            self._tidy(kept.state)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _tidy(self, state: TrainState) -> None:
        for old in self.folder.glob("best-*.pt"):
            if old != self._best(state.best_epoch):
                old.unlink()

    def _best(self, epoch: int) -> Path:
        return self.folder / f"best-{epoch}.pt"


def trained_weights(model: Any) -> Weights:
    """What training changes: of a model with adapters, theirs; else everything."""
    everything: Weights = model.state_dict()
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    if len(trained) == len(list(model.parameters())):
        return everything  # also what is no parameter, or the same one under another name
    return {name: tensor for name, tensor in everything.items() if name in trained}


def load_trained(model: Any, weights: Weights) -> None:
    """Takes up what :func:`trained_weights` gave."""
    unknown = model.load_state_dict(weights, strict=False).unexpected_keys
    assert not unknown, f"not of this model: {unknown[:3]}"


def copy_weights(model: Any) -> Weights:
    """What training changes of a model, in main memory, on its own."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in trained_weights(model).items()}
