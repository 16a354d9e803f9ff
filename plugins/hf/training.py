"""Fine-tuning: one readable loop for both families. Imports torch.

Everything random is seeded by (seed, epoch), so an epoch's batches and dropout do not depend on how the epochs before
it were run; that is what makes a resumed run equal an undisturbed one, bit for bit on a CPU.
"""

from __future__ import annotations

import contextlib
import inspect
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from rtbench_plugins.hf.encoding import IGNORED, Codec, EncodedRow, encode_rows
from rtbench_plugins.hf.loading import Loaded, save
from rtbench_plugins.hf.optimizers import Optimizers
from rtbench_plugins.hf.training_state import StateFile, TrainState, Weights, copy_weights
from torch.nn import functional

from rtbench.errors import BadInputError, StepFailedError
from rtbench.interfaces import TrainJob
from rtbench.keys import content_key, derived_seed
from rtbench.records import TrainReport

SELECTIONS = ("last", "val", "best-test")
_GROUP = 16
"""Batches that are shuffled together and then sorted by length, so that little is padded."""


@dataclass(frozen=True)
class Batch:
    """Tensors of one step, shape (rows, longest), on the device; padded on the right."""

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    labels: torch.Tensor
    supervised: int
    """Tokens that the loss is taken on."""
    first: int
    """Decoder: position before the first of them."""


def fine_tune(
    base: Loaded,
    codec: Codec,
    job: TrainJob,
    *,
    identity: str,
    bf16: bool,
    keep_after: float,
    micro_batch: int | None = None,
) -> TrainReport:
    """Trains a base in place and leaves the selected checkpoint in ``job.workdir``.

    Args:
        base: the model, weights in float32.
        codec: its tokenizer's conventions.
        job: rows, recipe, seed and folder.
        identity: the base's fingerprint; a resumed state must be of the same base.
        bf16: compute in bfloat16 (weights and optimizer stay in float32).
        keep_after: seconds between two states kept for resuming.
        micro_batch: rows computed at once, whose gradients add up to the batch's; None: the whole batch. Halved where
            memory is not enough.

    Raises:
        StepFailedError: no rows, a row without a token to learn from, or a loss that is no number.
    """
    return _Trainer(base, codec, job, identity, bf16, keep_after, micro_batch).run()


class _Trainer:
    def __init__(
        self,
        base: Loaded,
        codec: Codec,
        job: TrainJob,
        identity: str,
        bf16: bool,
        keep_after: float,
        micro_batch: int | None,
    ) -> None:
        recipe = job.recipe
        _check(job)
        self.base, self.codec, self.job, self.recipe = base, codec, job, recipe
        self.bf16, self.keep_after = bf16, keep_after
        self.at_once = min(micro_batch or recipe.batch_size, recipe.batch_size)
        self.halved_from: int | None = None
        """Rows at once before memory was not enough for them."""
        self.rows = encode_rows(codec, job.rows, recipe)
        self.validation = encode_rows(codec, job.validation, recipe)
        per_epoch = math.ceil(len(self.rows) / recipe.batch_size)
        self.total = per_epoch * recipe.epochs if recipe.steps is None else recipe.steps
        self.epochs = math.ceil(self.total / per_epoch)
        self.optimizer = Optimizers(base, recipe, self.total)
        self.file = StateFile(job.workdir)
        key = content_key(
            identity, job.rows, job.validation, recipe, job.seed, job.corpus, bf16, str(torch.__version__)
        )
        self.state, self.best = self.file.read(key, base.model, self.optimizer, base.device)

    def run(self) -> TrainReport:
        state, kept = self.state, time.monotonic()
        self.job.progress(state.steps, self.total, "steps")
        while state.epoch < self.epochs:
            began = time.monotonic()
            self._epoch(state)
            state.seconds += time.monotonic() - began
            if state.epoch < self.epochs and time.monotonic() - kept >= self.keep_after:
                self.file.write(state, self.base.model, self.optimizer, self.best)
                kept = time.monotonic()
        return self._finish(state)

    def _epoch(self, state: TrainState) -> None:
        epoch = state.epoch + 1
        record = {"epoch": float(epoch), "train_loss": self._train(state, epoch)}
        if self.validation:
            record["validation_loss"] = self._validate()
        for name, value in record.items():
            if not math.isfinite(value):
                raise StepFailedError(
                    f"{name.replace('_', ' ')} is {value} in epoch {epoch}", next_step="Lower the learning rate."
                )
        state.epoch = epoch
        state.history.append(record)
        if self.recipe.selection == "val" and record.get("validation_loss", math.inf) < state.best_loss:
            state.best_epoch, state.best_loss = epoch, record["validation_loss"]
            self.best = copy_weights(self.base.model)
        if self.recipe.selection == "best-test":
            save(self.base, self.job.workdir / f"epoch-{epoch}")

    def _train(self, state: TrainState, epoch: int) -> float:
        """One pass over the rows, or what is left to the last step. Returns the mean loss per supervised token, in nats."""
        model, nats, tokens = self.base.model.train(), torch.zeros((), dtype=torch.float64), 0
        steps, seed = state.steps, self.job.seed
        nats = nats.to(self.base.device)
        with _seeded(derived_seed(seed, "dropout", epoch), self.base.device):
            for rows in epoch_batches(self.rows, self.recipe.batch_size, derived_seed(seed, "order", epoch)):
                nats += self._gradients(rows)
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                self.optimizer.step(steps)
                tokens += sum(row.supervised for row in rows)
                steps += 1
                self.job.progress(steps, self.total, "steps")
                if steps == self.total:
                    break
        model.eval()
        state.steps, state.tokens = steps, state.tokens + tokens
        return float(nats) / tokens

    def _gradients(self, rows: Sequence[EncodedRow]) -> torch.Tensor:
        """Leaves the batch's gradients in the model, and returns its loss, summed over tokens, in nats. Where memory is not
        enough it begins again with half as many rows at once: the batch stays what the recipe says."""
        while True:
            try:
                return self._added_up(rows)
            except (RuntimeError, MemoryError) as error:
                if not _out_of_memory(error):
                    raise
                if self.at_once == 1:
                    raise StepFailedError(
                        f"not even one row of {max(row.length for row in rows)} tokens fits into memory",
                        next_step="Set `gradient_checkpointing: true` or `lora`, or a lower `max_label_tokens`.",
                    ) from None
            self.base.model.zero_grad(set_to_none=True)
            if self.base.device.type == "cuda":
                torch.cuda.empty_cache()
            self.halved_from = self.halved_from or self.at_once
            self.at_once = (self.at_once + 1) // 2

    def _added_up(self, rows: Sequence[EncodedRow]) -> torch.Tensor:
        supervised = sum(row.supervised for row in rows)
        nats = torch.zeros((), dtype=torch.float64, device=self.base.device)
        for at in range(0, len(rows), self.at_once):
            loss = self._loss(self._batch(rows[at : at + self.at_once]))
            torch.autograd.backward(loss / supervised)
            nats += loss.detach()
        return nats

    @torch.no_grad()
    def _validate(self) -> float:
        rows = sorted(self.validation, key=lambda row: row.length)
        size, nats, tokens = self.at_once, 0.0, 0
        for at in range(0, len(rows), size):
            batch = self._batch(rows[at : at + size])
            nats += float(self._loss(batch))
            tokens += batch.supervised
        return nats / tokens

    def _batch(self, rows: Sequence[EncodedRow]) -> Batch:
        return collate(rows, self.codec.pad, self.base.device, causal=self.base.family == "decoder")

    def _loss(self, batch: Batch) -> torch.Tensor:
        """Summed cross entropy of the supervised tokens, in nats."""
        with torch.autocast(self.base.device.type, torch.bfloat16, enabled=self.bf16):
            logits, labels = _forward(self.base, batch)
        return functional.cross_entropy(
            logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum"
        )

    def _finish(self, state: TrainState) -> TrainReport:
        selected = state.best_epoch or state.epoch
        if state.best_epoch:
            assert self.best is not None
            self.base.model.load_state_dict(self.best)
        save(self.base, self.job.workdir / "checkpoint")
        self.file.remove()
        return TrainReport(
            rows=len(self.rows),
            validation_rows=len(self.validation),
            truncated=sum(row.truncated for row in self.rows),
            epochs=state.epoch,
            selected=selected,
            steps=state.steps,
            tokens=state.tokens,
            parameters=sum(parameter.numel() for parameter in self.base.model.parameters()),
            history=tuple(state.history),
            seconds=round(state.seconds, 3),
            notes=self._notes(),
        )

    def _notes(self) -> tuple[str, ...]:
        if self.halved_from is None:
            return ()
        now, size = self.at_once, self.recipe.batch_size
        return (f"memory was not enough for {self.halved_from} rows at once: {now} from then on, in batches of {size}",)


def _check(job: TrainJob) -> None:
    recipe = job.recipe
    if not job.rows:
        raise StepFailedError("there are no training rows", next_step="See the curation's yield: nothing was kept.")
    if recipe.selection not in SELECTIONS:
        raise BadInputError(
            f"unknown selection {recipe.selection!r}", where="recipe", next_step=f"Available: {', '.join(SELECTIONS)}."
        )
    for key in ("batch_size", "epochs", "max_prompt_tokens", "max_label_tokens"):
        if getattr(recipe, key) < 1:
            raise BadInputError(f"`{key}` is {getattr(recipe, key)} and must be at least 1", where="recipe")


def _out_of_memory(error: BaseException) -> bool:
    """On a GPU, or on a CPU, where torch has no class of its own for it."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def _forward(base: Loaded, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and the labels they are to meet, aligned: (rows, positions, vocabulary) and (rows, positions)."""
    inputs = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
    if base.family == "decoder":
        labels, more = batch.labels[:, 1:], {}
        if "logits_to_keep" in inspect.signature(base.model.forward).parameters:
            # Logits are the largest tensor by far; those before the first label of the batch are not needed.
            more["logits_to_keep"] = batch.labels.shape[1] - batch.first
            labels = labels[:, batch.first :]
        logits = base.model(**inputs, **more, use_cache=False).logits
        return logits[:, :-1], labels
    shifted = base.model.prepare_decoder_input_ids_from_labels(labels=batch.labels)
    return base.model(**inputs, decoder_input_ids=shifted, use_cache=False).logits, batch.labels


def collate(rows: Sequence[EncodedRow], pad: int, device: torch.device, *, causal: bool) -> Batch:
    """Pads rows on the right. A decoder's labels are as long as its inputs; an encoder-decoder's have their own
    length."""
    width = max(len(row.input_ids) for row in rows)
    label_width = max(len(row.labels) for row in rows)
    assert not causal or width == label_width
    inputs = torch.full((len(rows), width), pad)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    labels = torch.full((len(rows), label_width), IGNORED)
    for at, row in enumerate(rows):
        inputs[at, : len(row.input_ids)] = torch.tensor(row.input_ids)
        mask[at, : len(row.input_ids)] = 1
        labels[at, : len(row.labels)] = torch.tensor(row.labels)
    supervised = sum(row.supervised for row in rows)
    first = min(row.labels.index(next(label for label in row.labels if label != IGNORED)) for row in rows) - 1
    return Batch(inputs.to(device), mask.to(device), labels.to(device), supervised, max(0, first))


def epoch_batches(rows: Sequence[EncodedRow], size: int, seed: int) -> Iterator[list[EncodedRow]]:
    """Yields every row once, in random batches of rows of like length."""
    generator = torch.Generator().manual_seed(seed)
    order: list[int] = torch.randperm(len(rows), generator=generator).tolist()
    batches: list[list[int]] = []
    for at in range(0, len(order), size * _GROUP):
        group = sorted(order[at : at + size * _GROUP], key=lambda index: rows[index].length)
        batches += [group[start : start + size] for start in range(0, len(group), size)]
    for index in torch.randperm(len(batches), generator=generator).tolist():
        yield [rows[row] for row in batches[index]]


@contextlib.contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seeds dropout and leaves the process's own random state as it was."""
    cuda = [torch.cuda.current_device() if device.index is None else device.index] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(seed)
        yield


__all__ = ["SELECTIONS", "Batch", "Weights", "collate", "epoch_batches", "fine_tune"]
