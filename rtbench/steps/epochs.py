"""Removal of the weights of epochs that lost, once every cell that compares them is scored.

Under ``best-test`` and ``val-accuracy`` a training saves its weights after each epoch: twenty times the size of the model,
for each cell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from rtbench.plugin.plans import Plan
from rtbench.schema.results import ScoreResult
from rtbench.schema.steps import CompleteSpec, ScoreSpec, Step
from rtbench.steps.complete import SELECTIONS, epoch_of, weights_name
from rtbench.storage.store import Store

WEIGHTS = ".safetensors"
"""End of the names of files with weights. The checkpoint of a remote student has none: it names a model of its provider."""


class EpochCleaner:
    """Removes the weights of a run's losing epochs.

    Args:
        plan: plan of the run. The weights of trainings that it does not have are never removed.
        store: store of finished steps.
    """

    def __init__(self, plan: Plan, store: Store) -> None:
        self._store = store
        self._compared: dict[str, _ComparedEpochs] = {}
        """By key of the training."""
        self._training: dict[str, str] = {}
        """Key of the training whose epochs a score step compares."""
        for step in plan.steps.values():
            if isinstance(step.spec, CompleteSpec) and step.spec.trained:
                asked = self._compared.setdefault(training_of(step), _ComparedEpochs()).asked
                if not step.inputs_as("selection"):  # else it asks one of the others
                    asked.add(step.spec.epoch)
            elif isinstance(step.spec, ScoreSpec) and step.spec.aggregate == "best-epoch":
                training = training_of(plan.steps[step.inputs_as("completions")[0].key])
                self._training[step.key] = training
                self._compared[training].scores.append(step.key)
                self._compared[training].unfinished.add(step.key)
        for key in self._training.keys() & plan.cached:
            self.finished(key)

    def finished(self, key: str) -> None:
        """Note that a score step is finished, and remove the weights that no other score step waits for."""
        if (training := self._training.get(key)) is None:
            return
        compared = self._compared[training]
        compared.unfinished.discard(key)
        if not compared.unfinished:
            selected = {self._store.result(ScoreResult, score).epoch for score in compared.scores}
            kept = selected | (compared.asked & {None})
            for epoch in (compared.asked | {None}) - kept:
                self._store.remove_weights("train", training, weights_name(epoch))


@dataclass
class _ComparedEpochs:
    """The epochs of a training that score steps compare."""

    asked: set[int | None] = field(default_factory=set)
    """Epochs whose weights answer; None: the last weights, whichever epoch is selected. Trainings that go on from these
    weights, and those that learn from them, use the selected epoch, which is kept."""
    scores: list[str] = field(default_factory=list)
    """Keys of the score steps."""
    unfinished: set[str] = field(default_factory=set)
    """Keys of the score steps that are not finished."""


def training_of(step: Step) -> str:
    """Return the key of the training whose checkpoint a ``complete`` step asks."""
    return step.inputs_as("checkpoint")[0].key


def lacking_epochs(plan: Plan, store: Store) -> set[str]:
    """Return the keys of finished trainings that lack weights which a step to do needs: removed, or never unpacked."""
    lacking: set[str] = set()
    for step in plan.todo:
        for key, epoch in _needed(step, plan, store):
            if key not in plan.cached or store.has_weights("train", key, weights_name(epoch)):
                continue
            if _saved_weights(store, key):
                lacking.add(key)
    return lacking


def _saved_weights(store: Store, key: str) -> bool:
    """Return whether a finished training has saved weights, here or elsewhere. A remote student saves none."""
    folder, timing = store.path("train", key), store.timing("train", key)
    written = any(name.endswith(WEIGHTS) for name in store.meta("train", key).files or ())
    return (
        written
        or (folder / "checkpoint").is_dir()
        or any(folder.glob("epoch-*"))
        or (timing is not None and timing.elsewhere)
    )


def _needed(step: Step, plan: Plan, store: Store) -> Iterator[tuple[str, int | None]]:
    """Yield the trainings whose weights a step uses, and the epoch; None: the last or the one that the training selects.

    Where answers have yet to select the epoch, it may be any of them.
    """
    for role, by in SELECTIONS.items():
        for trained in step.inputs_as(role):
            if all(store.has("score", selection.key) for selection in step.inputs_as(by)):
                yield trained.key, epoch_of(store, step, role)
            else:
                epochs = plan.steps[trained.key].spec.recipe.epochs
                yield from ((trained.key, number) for number in range(1, epochs + 1))
