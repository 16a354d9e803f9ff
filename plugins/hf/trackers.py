"""Experiment trackers (TensorBoard, Weights & Biases, MLflow …): transformers' own integrations, told of our loop's losses.
Imports torch and transformers."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import torch
from rtbench_plugins.hf.loading import LoadedModel
from rtbench_plugins.hf.optimizers import rate_factor
from rtbench_plugins.hf.options import Tracking
from rtbench_plugins.hf.processes import Processes

from rtbench.api import BadInputError, TrainJob, UnknownNameError, file_name

EVERY = 10
"""Steps between two losses that are told: on a GPU each waits for what is being computed."""
_CLOSED_BY = {"wandb": ("wandb", "finish"), "swanlab": ("swanlab", "finish"), "comet_ml": ("comet_ml", "end")}
"""Trackers whose integration leaves its run open at the end of a training, and what closes it: the next training of the same
process would go into it."""


def check(names: tuple[str, ...]) -> None:
    """Raises where trackers cannot be told, before anything is trained.

    Raises:
        UnknownNameError: transformers has no integration of that name.
        BadInputError: the tracker's own package is not here.
    """
    from transformers.integrations.integration_utils import (
        INTEGRATION_TO_CALLBACK,
        get_available_reporting_integrations,
    )

    where, available = "--report-to", get_available_reporting_integrations()
    for name in names:
        if name not in INTEGRATION_TO_CALLBACK:
            raise UnknownNameError.of("tracker", name, sorted(INTEGRATION_TO_CALLBACK), where=where)
        if name not in available:
            raise BadInputError(f"{name} is not installed", where=where, next_step="Install its own package.")


class Trackers:
    """The trackers of one training. One that fails is told nothing more, and the training goes on.

    Args:
        tracking: which; None for none.
        base: the model.
        job: what is trained; its title is the run's name.
        total: steps of the whole training.
        processes: that train it together; the first one tells.
        bf16: what is computed in bfloat16.
    """

    def __init__(
        self,
        tracking: Tracking | None,
        base: LoadedModel,
        job: TrainJob,
        total: int,
        processes: Processes,
        *,
        bf16: bool = False,
    ) -> None:
        self._on, self._total, self._processes, self._recipe = tracking is not None, total, processes, job.recipe
        self._nats, self._tokens = torch.zeros((), dtype=torch.float64, device=base.device), 0
        self._callbacks: dict[str, Any] = {}
        self.notes: list[str] = []
        """What could not be told."""
        if tracking is not None and processes.rank == 0:
            self._begin(tracking, base, job, bf16=bf16)

    def _begin(self, tracking: Tracking, base: LoadedModel, job: TrainJob, *, bf16: bool) -> None:
        from transformers import TrainerControl, TrainerState
        from transformers.integrations import get_reporting_integration_callbacks

        recipe, key = job.recipe, job.workdir.name.rpartition("-")[2]
        self._given = _arguments(base.device)(
            output_dir=str(tracking.folder / f"{file_name(job.title)}-{key[:12]}"),
            run_name=job.title,
            report_to=list(tracking.names),
            seed=job.seed,
            max_steps=self._total,
            num_train_epochs=recipe.epochs,
            learning_rate=recipe.learning_rate,
            lr_scheduler_type=recipe.schedule,
            warmup_steps=recipe.warmup_steps,
            weight_decay=recipe.weight_decay,
            per_device_train_batch_size=-(-recipe.batch_size // self._processes.count),
            logging_steps=EVERY,
        )
        self._given.rtbench = {
            "title": job.title,
            "rows": len(job.rows),
            "bf16": bf16,
            "recipe": msgspec.to_builtins(recipe),
        }
        self._state = TrainerState(max_steps=self._total, is_world_process_zero=True, is_local_process_zero=True)
        self._rest = {"control": TrainerControl(), "model": base.model, "processing_class": base.tokenizer}
        for name in tracking.names:
            with self._apart(name):
                (made,) = get_reporting_integration_callbacks([name])
                self._callbacks[name] = made()
        self._call("on_train_begin")

    def step(self, step: int, nats: torch.Tensor, tokens: int) -> None:
        """After a step.

        Args:
            step: steps done.
            nats: this process's part of the batch's loss, summed over tokens.
            tokens: of the whole batch that count.
        """
        if not self._on:
            return
        self._nats, self._tokens = self._nats + nats, self._tokens + tokens
        if step % EVERY == 0 or step == self._total:
            loss = float(self._processes.total(self._nats)) / self._tokens
            self._nats, self._tokens = torch.zeros_like(self._nats), 0
            rate = self._recipe.learning_rate * rate_factor(self._recipe, step - 1, self._total)
            self._tell(step, {"loss": loss, "learning_rate": rate})

    def epoch(self, step: int, record: Mapping[str, float]) -> None:
        """After an epoch, whose losses are in ``record``."""
        named = {"train_loss": "epoch_loss", "validation_loss": "eval_loss"}
        self._tell(step, {named.get(name, name): value for name, value in record.items()})

    def end(self) -> None:
        """Closes the trackers' runs, however the training ended."""
        self._call("on_train_end")
        for name in list(self._callbacks):
            if name in _CLOSED_BY:
                module, function = _CLOSED_BY[name]
                with self._apart(name):
                    getattr(importlib.import_module(module), function)()

    def _tell(self, step: int, values: dict[str, float]) -> None:
        if self._callbacks:
            self._state.global_step = step
            self._call("on_log", logs=values)

    def _call(self, event: str, **more: Any) -> None:
        for name, callback in list(self._callbacks.items()):
            with self._apart(name):
                getattr(callback, event)(self._given, self._state, **self._rest, **more)

    @contextlib.contextmanager
    def _apart(self, name: str) -> Iterator[None]:
        """A tracker may fail in any way that a network can; what is trained is worth more than what is told of it."""
        try:
            yield
        except Exception as error:
            self._callbacks.pop(name, None)
            self.notes.append(f"tracker {name} failed and was told nothing more: {type(error).__name__}: {error}")


def _arguments(device: torch.device) -> Any:
    """What integrations are given. The library's own class would set up devices and processes anew, which is done."""
    from transformers import TrainingArguments

    class Arguments(TrainingArguments):  # type: ignore[misc]
        _n_gpu = 1
        _setup_devices = device
        rtbench: dict[str, Any] = {}

        def to_dict(self) -> dict[str, Any]:
            """With the recipe as it stands, which several trackers write down."""
            return {**super().to_dict(), "rtbench": self.rtbench}

    return Arguments
