"""Removal of the weights of epochs that lost, once every cell that compares them is scored.

Under ``best-test`` a training saves its weights after each epoch: twenty times the size of the model, for each cell.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable

from rtbench.plugin.plans import Plan
from rtbench.schema.results import ScoreResult
from rtbench.schema.steps import CompleteSpec, ScoreSpec, Step
from rtbench.steps.complete import weights_of
from rtbench.storage.store import Store


class EpochCleaner:
    """Removes the weights of a run's losing epochs.

    Args:
        plan: plan of the run. The weights of trainings that it does not have are never removed.
        store: store of finished steps.
    """

    def __init__(self, plan: Plan, store: Store) -> None:
        self._store = store
        self._epochs: dict[str, dict[int, str]] = {}
        """Epochs of each score step, by number, with the key of the training."""
        self._waiting: dict[str, set[str]] = {}
        """Score steps of each training that are not finished."""
        self._last = {step.inputs_as("checkpoint")[0].key for step in plan.steps.values() if _asks_last(step)}
        """Trainings whose last weights are used, whichever epoch was selected."""
        for step in plan.steps.values():
            if isinstance(step.spec, ScoreSpec) and step.spec.aggregate == "best-epoch":
                self._add(step, plan)
        for key in [key for key in self._epochs if key in plan.cached]:
            self.finished(key)

    def finished(self, key: str) -> None:
        """Note that a score step is finished, and remove the weights that no other score step waits for."""
        for training in set(self._epochs.get(key, {}).values()):
            waiting = self._waiting[training]
            waiting.discard(key)
            if not waiting:
                self._remove(training)

    def _add(self, score: Step, plan: Plan) -> None:
        for completions in score.inputs_as("completions"):
            asked = plan.steps[completions.key]
            if isinstance(asked.spec, CompleteSpec) and asked.spec.epoch is not None:
                training = asked.inputs_as("checkpoint")[0].key
                self._epochs.setdefault(score.key, {})[asked.spec.epoch] = training
                self._waiting.setdefault(training, set()).add(score.key)

    def _remove(self, training: str) -> None:
        scores = [key for key, epochs in self._epochs.items() if training in epochs.values()]
        selected = {self._store.result(ScoreResult, key).epoch for key in scores}
        for key in scores:
            for epoch in self._epochs[key].keys() - selected:
                shutil.rmtree(weights_of(self._store, training, epoch), ignore_errors=True)
        if training not in self._last:
            shutil.rmtree(weights_of(self._store, training, None), ignore_errors=True)


def lacking_epochs(steps: Iterable[Step], store: Store) -> set[str]:
    """Return the keys of finished trainings of which weights that one of the steps needs were removed."""
    lacking: set[str] = set()
    for step in steps:
        if isinstance(step.spec, CompleteSpec) and step.spec.trained:
            training = step.inputs_as("checkpoint")[0].key
            folder = store.path("train", training)
            saved = (folder / "checkpoint").is_dir() or any(folder.glob("epoch-*"))  # a remote student saves no weights
            if saved and not weights_of(store, training, step.spec.epoch).is_dir():
                lacking.add(training)
    return lacking


def _asks_last(step: Step) -> bool:
    return isinstance(step.spec, CompleteSpec) and step.spec.trained and step.spec.epoch is None
