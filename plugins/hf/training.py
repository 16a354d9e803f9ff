"""Fine-tuning: one loop for both families. Imports torch.

All randomness is seeded by (seed, epoch), so an epoch's batches and dropout do not depend on how the earlier epochs were
run. Therefore a resumed run equals an uninterrupted run, bit for bit on a CPU.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from rtbench_plugins.hf.attention import by_products
from rtbench_plugins.hf.batches import epoch_batches
from rtbench_plugins.hf.encoding import Codec, EncodedRow, encode_rows
from rtbench_plugins.hf.loaded import LoadedModel, save, seeded
from rtbench_plugins.hf.loading import StepMemory, return_memory
from rtbench_plugins.hf.losses import training_loss
from rtbench_plugins.hf.network import Network
from rtbench_plugins.hf.optimizers import Optimizers
from rtbench_plugins.hf.options import Tracking
from rtbench_plugins.hf.processes import Processes, Several, process_count
from rtbench_plugins.hf.trackers import Trackers
from rtbench_plugins.hf.training_state import StateFile, TrainState, Weights, load_trained

from rtbench.api import StepFailedError, TrainJob, TrainReport, content_key, derived_seed, digests


@dataclass(frozen=True)
class Computing:
    """How a training is computed. The result is the same, up to rounding."""

    bf16: bool = False
    """Compute in bfloat16; weights and optimiser stay in float32."""
    micro_batch: int | None = None
    """Rows computed at once; gradients are accumulated over the batch. None: the whole batch. Halved where memory is not
    enough."""
    most_tokens: int | None = None
    """Highest number of tokens, with padding, that are computed at once, unless a single row has more; gradients are
    accumulated likewise. None: no limit. Not with several processes."""
    packing: bool | None = None
    """Concatenate a decoder's rows without padding. None: if its attention is made for that."""
    sharded: bool = False
    """Shard the weights over the processes."""
    keep_after: float = math.inf
    """Seconds between two saved training states."""
    generation_batch: int = 64
    """Highest number of texts that the model writes at once, for objectives that learn from its own texts."""
    tracking: Tracking | None = None
    """Experiment trackers that losses are sent to."""


def fine_tune(base: LoadedModel, codec: Codec, job: TrainJob, computing: Computing, *, identity: str) -> TrainReport:
    """Train a base in place and write the selected checkpoint to ``job.workdir``.

    Args:
        base: the model, with weights in float32.
        codec: its tokenizer.
        job: rows, recipe, seed and folder.
        computing: how to compute.
        identity: fingerprint of the base; a training is resumed only with the same base.

    Raises:
        BadInputError: the recipe or the way of computing does not work with this model.
        StepFailedError: there are no rows, a row has no token to learn from, or a loss is not finite.
    """
    _check(job)
    several = process_count() > 1
    processes = Several(base.device, bf16=computing.bf16, sharded=computing.sharded) if several else Processes()
    with by_products(base.model, bf16=computing.bf16, device=base.device):
        return _Trainer(base, codec, job, computing, processes, identity).run()


class _Trainer:
    def __init__(
        self, base: LoadedModel, codec: Codec, job: TrainJob, computing: Computing, processes: Processes, identity: str
    ) -> None:
        recipe = job.recipe
        self.base, self.codec, self.job, self.recipe = base, codec, job, recipe
        self.computing, self.processes = computing, processes
        self.at_once = min(computing.micro_batch or recipe.batch_size, recipe.batch_size)
        self.halved_from: int | None = None
        """Rows at once before memory was not enough; None if it always was."""
        self.memory = StepMemory()
        self.network = Network(base, codec.pad, bf16=computing.bf16, packing=computing.packing)
        self.losses = training_loss(self.network, codec, job, computing.generation_batch)
        self.rows = self.losses.rows(encode_rows(codec, job.rows, recipe))
        self.validation = encode_rows(codec, job.validation, recipe)
        per_epoch = math.ceil(len(self.rows) / recipe.batch_size) * self.losses.updates
        self.total = per_epoch * recipe.epochs if recipe.steps is None else recipe.steps
        self.epochs = math.ceil(self.total / per_epoch)
        self.optimizer = Optimizers(base, recipe, self.total)
        self.model = self.network.model = processes.prepare(base, self.optimizer)
        self.file = StateFile(job.workdir)
        parts = [identity, job.rows, job.validation, recipe, job.seed, job.corpus, computing.bf16]
        parts += ["sharded"] if processes.sharded else []
        parts += [] if job.start is None else [job.start.parent.name]
        parts += [] if job.objective is None else [job.objective, job.guide.fingerprint if job.guide else None]
        self.state, self.best = self._taken_up(content_key(*parts, str(torch.__version__)))
        self.trackers = Trackers(computing.tracking, base, job, self.total, processes, bf16=computing.bf16)

    def run(self) -> TrainReport:
        try:
            return self._run()
        finally:
            self.trackers.end()

    def _run(self) -> TrainReport:
        state, kept = self.state, time.monotonic()
        self.job.progress(state.steps, self.total, "steps")
        while state.epoch < self.epochs and not self._stalled(state):
            began = time.monotonic()
            self._epoch(state)
            state.seconds += time.monotonic() - began
            due = time.monotonic() - kept >= self.computing.keep_after
            if state.epoch < self.epochs and not self._stalled(state) and self.processes.agreed(due):
                self._keep(state)
                kept = time.monotonic()
        return self._finish(state)

    def _taken_up(self, key: str) -> tuple[TrainState, Weights | None]:
        """Return the state, and best weights, that an earlier attempt at this job saved, or a new state."""
        saved = self.file.read(key, self.base.device)
        self.processes.together()  # before the first process removes what others may still read
        if self.processes.rank == 0:
            self.file.keep_only(saved)
        if saved is None:
            return TrainState(key), None
        self.processes.restore(self.base, self.optimizer, saved.weights, saved.optimizer)
        return saved.state, saved.best

    def _stalled(self, state: TrainState) -> bool:
        """Return whether the validation loss has not fallen for the recipe's number of epochs (``patience``)."""
        patience = self.recipe.patience
        return patience is not None and bool(state.best_epoch) and state.epoch - state.best_epoch >= patience

    def _keep(self, state: TrainState) -> None:
        weights, optimizer = self.processes.state(self.base, self.optimizer)
        if self.processes.rank == 0:
            self.file.write(state, weights, optimizer, self.best)

    def _epoch(self, state: TrainState) -> None:
        epoch = state.epoch + 1
        record = {"epoch": float(epoch), "train_loss": self._train(state, epoch)} | self.losses.figures()
        if self.validation:
            record["validation_loss"] = self._validate()
            record |= {f"validation_{name}": value for name, value in self.losses.figures().items()}
        for name, value in record.items():
            if not math.isfinite(value):
                raise StepFailedError(
                    f"{name.replace('_', ' ')} is {value} in epoch {epoch}", next_step="Lower the learning rate."
                )
        state.epoch = epoch
        state.history.append(record)
        self.trackers.epoch(state.steps, record)
        if self.recipe.selection == "val" and record.get("validation_loss", math.inf) < state.best_loss:
            state.best_epoch, state.best_loss = epoch, record["validation_loss"]
            self.best = self.processes.weights(self.base)
        if self.recipe.by_answers:
            self._save(f"epoch-{epoch}")
            state.saved[f"epoch-{epoch}"] = digests(self.job.workdir / f"epoch-{epoch}")

    def _train(self, state: TrainState, epoch: int) -> float:
        """Train an epoch, or until the last step, and return the mean loss (per supervised token, in nats)."""
        nats, tokens, weight, seed = torch.zeros((), dtype=torch.float64), 0, 0, self.job.seed
        nats, steps = nats.to(self.base.device), state.steps
        self.model.train()
        dropout = derived_seed(seed, "dropout", epoch) + self.processes.rank
        with seeded(dropout, self.base.device):
            order = derived_seed(seed, "order", epoch)
            for rows in epoch_batches(self.rows, self.recipe.batch_size, order, self.base.family):
                prepared = self.losses.prepared(rows, steps)
                counted = self.losses.weight(prepared)
                for _ in range(min(self.losses.updates, self.total - steps)):
                    part = self._gradients(prepared)
                    self.processes.clip(self.model)
                    self.optimizer.step(steps)
                    nats, weight = nats + part, weight + counted
                    tokens += sum(row.supervised for row in prepared)
                    steps += 1
                    self.trackers.step(steps, part, counted)
                    self.job.progress(steps, self.total, "steps")
                    self.memory.after_step()
                if steps == self.total:
                    break
        self.model.eval()
        state.steps, state.tokens = steps, state.tokens + tokens
        return float(self.processes.total(nats)) / weight

    def _gradients(self, rows: Sequence[EncodedRow]) -> torch.Tensor:
        """Compute a batch's gradients, and return this process's share of its loss, summed over tokens, in nats.

        Where memory is not enough, the batch is computed again with half as many rows at once. The batch size does not
        change.
        """
        while True:
            try:
                return self._added_up(rows)
            except (RuntimeError, MemoryError) as error:
                if not _out_of_memory(error):
                    raise
            self._halve(rows)

    def _halve(self, rows: Sequence[EncodedRow]) -> None:
        """Halve the number of rows at once, from now on.

        Raises:
            StepFailedError: a single row does not fit, or there are several processes, which cannot start a batch again.
        """
        if self.at_once == 1:
            raise StepFailedError(
                f"not even one row of {max(row.length for row in rows)} tokens fits into memory",
                next_step="Set `gradient_checkpointing: true` or `lora`, or a lower `max_label_tokens`.",
            )
        if self.processes.count > 1:  # the others are in the middle of the batch
            raise StepFailedError(
                f"memory is not enough for {self.at_once} rows at once, in one of {self.processes.count} processes",
                next_step=f"Set `micro_batch: {self.at_once // 2}`.",
            )
        self.base.model.zero_grad(set_to_none=True)
        if self.base.device.type == "cuda":
            torch.cuda.empty_cache()
        self.halved_from = self.halved_from or self.at_once
        self.at_once = (self.at_once + 1) // 2

    def _added_up(self, rows: Sequence[EncodedRow]) -> torch.Tensor:
        weight = self.losses.weight(rows)
        nats = torch.zeros((), dtype=torch.float64, device=self.base.device)
        parts = list(self._parts(rows))
        with self.network.precision():  # around all parts, so that the weights are cast once
            for at, (part, counts) in enumerate(parts):
                last = at == len(parts) - 1
                with contextlib.nullcontext() if last else self.processes.apart(self.model):
                    loss = self.losses.loss(part) * counts
                    with self.network.precision(
                        enabled=False
                    ):  # backward steps have the data types of the forward steps
                        # Gradients are averaged over the processes, but must be summed.
                        torch.autograd.backward(loss * self.processes.count / weight)
                nats += loss.detach()
        return nats

    def _parts(self, rows: Sequence[EncodedRow]) -> Iterator[tuple[Sequence[EncodedRow], int]]:
        """Yield this process's rows of a batch, ``at_once`` at a time, each with its weight of 1 or 0.

        All processes must call the model equally often. So a process without further rows takes any row, with weight 0.
        """
        mine, size = self.processes.part(rows), self.at_once
        if self.processes.count == 1 and self.computing.most_tokens is not None:
            yield from ((part, 1) for part in _small_parts(mine, size, self.computing.most_tokens))
            return
        for call in range(self.processes.calls(len(rows), size)):
            part = mine[call * size : (call + 1) * size]
            yield (part, 1) if part else (rows[:1], 0)

    @torch.no_grad()
    def _validate(self) -> float:
        rows = sorted(self.validation, key=lambda row: row.length)
        if (found := self.losses.validation(rows)) is not None:
            return found
        nats = sum(self.losses.loss(part).double() * counts for part, counts in self._parts(rows))
        assert isinstance(nats, torch.Tensor)
        return float(self.processes.total(nats)) / self.losses.weight(rows)

    def _save(self, name: str, weights: Weights | None = None) -> None:
        """Write the model to a folder, with ``weights`` in place of its own if they are given.

        Sharded weights are gathered first.
        """
        if self.processes.sharded and weights is None:
            weights = self.processes.weights(self.base)
        if self.processes.rank == 0:
            save(self.base, self.job.workdir / name, weights)
        self.processes.together()

    def _finish(self, state: TrainState) -> TrainReport:
        if self.best and not self.processes.sharded:
            load_trained(self.base.model, self.best)
        self._save("checkpoint", self.best if self.processes.sharded else None)
        if self.processes.rank == 0:
            self.file.remove()
        return_memory()
        return TrainReport(
            rows=len(self.rows),
            validation_rows=len(self.validation),
            truncated=sum(row.truncated for row in self.rows),
            epochs=state.epoch,
            selected=state.best_epoch or state.epoch,
            steps=state.steps,
            tokens=state.tokens,
            parameters=sum(parameter.numel() for parameter in self.base.model.parameters()),
            history=tuple(state.history),
            seconds=round(state.seconds, 3),
            notes=tuple(self._notes(state)),
        )

    def _notes(self, state: TrainState) -> Iterator[str]:
        now, size, before = self.at_once, self.recipe.batch_size, self.halved_from
        if before is not None:
            yield f"memory was not enough for {before} rows at once, so {now} were computed at once, in batches of {size}"
        yield from self.trackers.notes
        if state.epoch < self.epochs:
            yield (
                f"ended after epoch {state.epoch} of {self.epochs}: the validation loss was lowest in epoch {state.best_epoch}"
            )


def _check(job: TrainJob) -> None:
    if not job.rows:
        raise StepFailedError(
            "there are no training rows", next_step="See the yield of curation: no rationale was kept."
        )


def _small_parts(rows: Sequence[EncodedRow], most_rows: int, most_tokens: int) -> Iterator[Sequence[EncodedRow]]:
    """Yield rows in parts of at most so many rows and tokens; a part has at least one row."""
    part: list[EncodedRow] = []
    for row in rows:
        longest = max(row.length, *(other.length for other in part)) if part else row.length
        if part and (len(part) == most_rows or (len(part) + 1) * longest > most_tokens):
            yield part
            part = []
        part.append(row)
    if part:
        yield part


def _out_of_memory(error: BaseException) -> bool:
    """Return whether an error is a lack of memory, on a GPU or on a CPU, for which torch has no class."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
