"""Saved states of a training, from which it continues after it was killed. Imports torch."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from rtbench.api import digested, digests, save_digested

Weights = dict[str, torch.Tensor]


@dataclass
class TrainState:
    """Progress of a training after a whole number of epochs."""

    key: str
    """Content key of the job; a state of another job is not used."""
    epoch: int = 0
    """Number of epochs done."""
    steps: int = 0
    tokens: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    """Epoch with the lowest validation loss so far; 0 where no epoch is selected by it."""
    best_loss: float = float("inf")
    saved: dict[str, dict[str, str]] = field(default_factory=dict)
    """SHA-256 of the files of each epoch's weights, by folder in the job's private directory."""


@dataclass(frozen=True)
class SavedTraining:
    """A saved state with its weights."""

    state: TrainState
    weights: Weights
    optimizer: list[dict[str, Any]]
    best: Weights | None
    """Weights of the best epoch so far, in main memory."""


class StateFile:
    """File with the state after the last complete epoch.

    It is replaced atomically, so a kill leaves the old or the new state. Its digest is in its name: a damaged state is removed,
    and the training then starts anew.
    """

    def __init__(self, workdir: Path) -> None:
        self.folder = workdir / "resume"

    def write(self, state: TrainState, weights: Weights, optimizer: list[dict[str, Any]], best: Weights | None) -> None:
        """Save a state. The best epoch's weights are in a file of their own, which is written first."""
        if best is not None and not any(self.folder.glob(f"{_best(state.best_epoch)}-*.pt")):
            save_digested(self.folder, _best(state.best_epoch), lambda handle: torch.save(best, handle))
        content = {"state": vars(state), "model": weights, "optimizer": optimizer}
        save_digested(self.folder, "state", lambda handle: torch.save(content, handle))
        self._tidy(state)

    def read(self, key: str, device: torch.device) -> SavedTraining | None:
        """Return the last state of this job; None where there is none.

        Once all processes have read, the caller removes the rest (:meth:`keep_only`).

        Args:
            key: content key of the job.
            device: device of its tensors.
        """
        path = digested(self.folder, "state")
        content = torch.load(path, map_location=device, weights_only=True) if path is not None else None
        if content is None or content["state"]["key"] != key:
            return None
        state, best = TrainState(**content["state"]), None
        if any(digests(self.folder.parent / name) != found for name, found in state.saved.items()):
            return None
        if state.best_epoch:
            saved = digested(self.folder, _best(state.best_epoch))
            if saved is None:
                return None
            best = torch.load(saved, map_location="cpu", weights_only=True)
        return SavedTraining(state, content["model"], content["optimizer"], best)

    def keep_only(self, saved: SavedTraining | None) -> None:
        """Remove everything that does not belong to this state.

        Best weights of an earlier attempt or of another job must not be mistaken for this job's.
        """
        if saved is None:
            self.remove()
        else:
            self._tidy(saved.state)

    def remove(self) -> None:
        """Remove all saved states."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _tidy(self, state: TrainState) -> None:
        for old in self.folder.glob("best-*.pt"):
            if old.stem.rpartition("-")[0] != _best(state.best_epoch):
                old.unlink()


def _best(epoch: int) -> str:
    """Return the first part of the name of an epoch's weights."""
    return f"best-{epoch}"


def trained_weights(model: Any) -> Weights:
    """Return the weights that training changes: those of the adapters, if there are any, otherwise all."""
    everything: Weights = model.state_dict()
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    if len(trained) == len(list(model.parameters())):
        return everything  # includes buffers, and parameters that have several names
    return {name: tensor for name, tensor in everything.items() if name in trained}


def load_trained(model: Any, weights: Weights) -> None:
    """Load weights that :func:`trained_weights` returned."""
    unknown = model.load_state_dict(weights, strict=False).unexpected_keys
    assert not unknown, f"not weights of this model: {unknown[:3]}"


def copy_weights(model: Any) -> Weights:
    """Return a copy, in main memory, of the weights that training changes."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in trained_weights(model).items()}
