"""Experiment trackers: TensorBoard, Weights & Biases, MLflow and others.

Sends the training loop's losses to the integrations of transformers. Imports torch and transformers.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import torch
from rtbench_plugins.hf.loaded import LoadedModel
from rtbench_plugins.hf.optimizers import rate_factor
from rtbench_plugins.hf.options import Tracking
from rtbench_plugins.hf.processes import Processes

from rtbench.api import BadInputError, TrainJob, UnknownNameError, file_name

EVERY = 10
"""Number of steps between two reported losses. On a GPU, each report waits for the computation."""
_CLOSED_BY = {"wandb": ("wandb", "finish"), "swanlab": ("swanlab", "finish"), "comet_ml": ("comet_ml", "end")}
"""Trackers whose integration leaves its run open at the end of a training, with the function that closes it. Otherwise the
next training of the process would be logged to the same run."""


def check(names: tuple[str, ...]) -> None:
    """Check, before anything is trained, that trackers can be used.

    Raises:
        UnknownNameError: transformers has no integration with that name.
        BadInputError: the tracker's package is not installed.
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
            raise BadInputError(f"{name} is not installed", where=where, next_step="Install its package.")


class Trackers:
    """The trackers of a training. A tracker that fails is dropped, and the training continues.

    Args:
        tracking: trackers to use; None: no trackers.
        base: the model.
        job: the training; its title is the name of the trackers' run.
        total: number of steps of the whole training.
        processes: the processes that train; only the first reports.
        bf16: whether the training computes in bfloat16.
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
        """Failures of trackers."""
        if tracking is not None and processes.rank == 0:
            self._begin(tracking, base, job, bf16=bf16)

    def _begin(self, tracking: Tracking, base: LoadedModel, job: TrainJob, *, bf16: bool) -> None:
        from transformers import TrainerControl, TrainerState
        from transformers.integrations import get_reporting_integration_callbacks

        recipe, key = job.recipe, job.workdir.name.rpartition("-")[2]
        self._arguments = _arguments(base.device)(
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
        self._arguments.rtbench = {
            "title": job.title,
            "rows": len(job.rows),
            "bf16": bf16,
            "recipe": msgspec.to_builtins(recipe),
        }
        self._state = TrainerState(max_steps=self._total, is_world_process_zero=True, is_local_process_zero=True)
        self._rest = {"control": TrainerControl(), "model": base.model, "processing_class": base.tokenizer}
        for name in tracking.names:
            with self._apart(name):
                (callback,) = get_reporting_integration_callbacks([name])
                self._callbacks[name] = callback()
        self._call("on_train_begin")

    def step(self, step: int, nats: torch.Tensor, tokens: int) -> None:
        """Report a step.

        Args:
            step: number of steps done.
            nats: this process's share of the batch's loss, summed over tokens, in nats.
            tokens: number of tokens of the whole batch that have a loss.
        """
        if not self._on:
            return
        self._nats, self._tokens = self._nats + nats, self._tokens + tokens
        if step % EVERY == 0 or step == self._total:
            loss = float(self._processes.total(self._nats)) / self._tokens
            self._nats, self._tokens = torch.zeros_like(self._nats), 0
            rate = self._recipe.learning_rate * rate_factor(self._recipe, step - 1, self._total)
            self._log(step, {"loss": loss, "learning_rate": rate})

    def epoch(self, step: int, record: Mapping[str, float]) -> None:
        """Report an epoch, whose losses are in ``record``."""
        names = {"train_loss": "epoch_loss", "validation_loss": "eval_loss"}
        self._log(step, {names.get(name, name): value for name, value in record.items()})

    def end(self) -> None:
        """Close the trackers' runs, however the training ended."""
        self._call("on_train_end")
        for name in list(self._callbacks):
            if name in _CLOSED_BY:
                module, function = _CLOSED_BY[name]
                with self._apart(name):
                    getattr(importlib.import_module(module), function)()

    def _log(self, step: int, values: dict[str, float]) -> None:
        if self._callbacks:
            self._state.global_step = step
            self._call("on_log", logs=values)

    def _call(self, event: str, **more: Any) -> None:
        for name, callback in list(self._callbacks.items()):
            with self._apart(name):
                getattr(callback, event)(self._arguments, self._state, **self._rest, **more)

    @contextlib.contextmanager
    def _apart(self, name: str) -> Iterator[None]:
        """Drop a tracker that fails, in whatever way, so that it cannot stop the training."""
        try:
            yield
        except Exception as error:
            self._callbacks.pop(name, None)
            self.notes.append(f"tracker {name} failed and was dropped: {type(error).__name__}: {error}")


def _arguments(device: torch.device) -> Any:
    """Return a class of arguments for integrations.

    The library's own class would set up devices and processes again, which has been done already.
    """
    from transformers import TrainingArguments

    class Arguments(TrainingArguments):  # type: ignore[misc]
        _n_gpu = 1
        _setup_devices = device
        rtbench: dict[str, Any] = {}

        def to_dict(self) -> dict[str, Any]:
            """Return the arguments with the recipe, which several trackers store."""
            return {**super().to_dict(), "rtbench": self.rtbench}

    return Arguments
