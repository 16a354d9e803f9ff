"""Experiment trackers (TensorBoard, Weights & Biases, MLflow …): transformers' own integrations, told of our loop's losses.
Imports transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from rtbench_plugins.hf.loading import Loaded
from rtbench_plugins.hf.optimizers import rate_factor
from rtbench_plugins.hf.options import Tracking
from rtbench_plugins.hf.processes import Processes

from rtbench.files import file_name
from rtbench.interfaces import TrainJob

EVERY = 10
"""Steps between two losses that are told: on a GPU each waits for what is being computed."""


class Trackers:
    """Those of one training; none of them where there is nothing to track.

    Args:
        tracking: which; None for none.
        base: the model.
        job: what is trained; its title is the run's name.
        total: steps of the whole training.
        processes: that train it together; the first one tells.
    """

    def __init__(
        self, tracking: Tracking | None, base: Loaded, job: TrainJob, total: int, processes: Processes
    ) -> None:
        self._on, self._total, self._processes, self._recipe = tracking is not None, total, processes, job.recipe
        self._nats, self._tokens = torch.zeros((), dtype=torch.float64, device=base.device), 0
        self._handler: Any = None
        if tracking is not None and processes.rank == 0:
            self._begin(tracking, base, job)

    def _begin(self, tracking: Tracking, base: Loaded, job: TrainJob) -> None:
        from transformers import TrainerControl, TrainerState
        from transformers.integrations import get_reporting_integration_callbacks
        from transformers.trainer_callback import CallbackHandler

        recipe = job.recipe
        given = _arguments(base.device)(
            output_dir=str(tracking.folder / f"{file_name(job.title)}-{job.workdir.name[:8]}"),
            run_name=job.title,
            report_to=list(tracking.names),
            seed=job.seed,
            max_steps=self._total,
            num_train_epochs=recipe.epochs,
            learning_rate=recipe.learning_rate,
            per_device_train_batch_size=recipe.batch_size,
            logging_steps=EVERY,
        )
        self._state = TrainerState(max_steps=self._total, is_world_process_zero=True, is_local_process_zero=True)
        self._given, self._control = given, TrainerControl()
        callbacks = [made() for made in get_reporting_integration_callbacks(list(tracking.names))]
        self._handler = CallbackHandler(callbacks, base.model, base.tokenizer, None, None)
        self._handler.on_train_begin(given, self._state, self._control)

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
        if self._handler is not None:
            self._handler.on_train_end(self._given, self._state, self._control)

    def _tell(self, step: int, values: dict[str, float]) -> None:
        if self._handler is not None:
            self._state.global_step = step
            self._handler.on_log(self._given, self._state, self._control, values)


def _arguments(device: torch.device) -> Any:
    """What integrations are given. The library's own class would set up devices and processes anew, which is done."""
    from transformers import TrainingArguments

    class Arguments(TrainingArguments):  # type: ignore[misc]
        _n_gpu = 1
        _setup_devices = device

    return Arguments
