"""Students that an external service fine-tunes: upload rows, create a job, check it until it ends, store the result.

Nothing here is specific to a provider.

Each pending job has a file in the step's folder, so a stopped run can be continued. Nothing blocks: while a job is pending,
the step raises NotYetError and is tried again later. A job is marked with a hash of everything it depends on, so an
existing job, whoever created it, is used instead of being paid again.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rtbench_plugins.remote import booking
from rtbench_plugins.remote.booking import DAMAGED_NOTE, Booked, Notes, book_maximum
from rtbench_plugins.remote.provider import Checkpoint, FineTuningJob, Order, Provider

from rtbench.api import (
    BadInputError,
    NotYetError,
    Price,
    Record,
    RtbenchError,
    Services,
    StepFailedError,
    Student,
    TextModel,
    TrainingRow,
    TrainJob,
    TrainReport,
    content_key,
    nano,
    read_json,
    read_record,
    write_json,
    write_jsonl,
)

TRIES = 3
"""Number of interrupted creations, with unknown outcome, after which the step fails."""
MOST_TIMES = 10
"""Factor above the highest possible cost up to which a provider's count of tokens is believed."""
MARKS_PER_ROW = 64
"""Upper bound on the tokens that a chat format adds to a row."""


class TunedModel(Record, frozen=True, omit_defaults=True):
    """``checkpoint/model.json`` of a finished training: the name of the fine-tuned model."""

    model: str
    job: str
    base: str
    trained_tokens: int | None = None


class PendingJob(Booked, frozen=True, omit_defaults=True):
    """``job.json`` in the step's folder: a pending job."""

    tries: int = 1
    id: str | None = None
    """None while it is unknown whether the job was created."""


class ApiStudent(Student):
    """A base model that a provider fine-tunes. A subclass adds the connection, the form of a row, and the text model.

    Args:
        name: name in the matrix.
        base: name of the base model at the provider.
        hyperparameters: of the job, with the provider's names.
        price: per million tokens, with ``training``; None where it is unknown.
        paid: whether the provider charges money.
        services: of the session.
    """

    family = "decoder"
    elsewhere = True

    def __init__(
        self,
        name: str,
        base: str,
        hyperparameters: dict[str, Any],
        price: Price | None,
        services: Services,
        *,
        paid: bool,
    ) -> None:
        self.name = name
        self.base = base
        self.hyperparameters = hyperparameters
        self.price = price
        self.services = services
        self.paid = paid
        self._where = f"student {name!r}"

    @abstractmethod
    def provider(self) -> Provider:
        """Return a connection to the provider.

        Raises:
            BadInputError: the environment has no key.
        """

    @abstractmethod
    def row(self, row: TrainingRow) -> dict[str, Any]:
        """Return a training row in the provider's form."""

    @abstractmethod
    def opened(self, model: str, fingerprint: str) -> TextModel:
        """Return the text model with a name at the provider."""

    def unpriced(self) -> str | None:
        if not self.paid or self.training_cost(1) is not None:
            return None
        return (
            "Add its epochs, `hyperparameters: {n_epochs: 3}`, and its price per million tokens, "
            "`price: {training: 3.0, input: 0.3, output: 1.2}`."
        )

    def training_cost(self, tokens: int) -> float | None:
        epochs = self.hyperparameters.get("n_epochs")
        if not isinstance(epochs, int) or self.price is None or self.price.training is None:
            return None
        return self.price.training * epochs * tokens / 1e6

    def load(self, checkpoint: Path | None, corpus: Sequence[str], fingerprint: str) -> TextModel:
        if checkpoint is None:
            return self.opened(self.base, fingerprint)
        tuned: TunedModel = read_json(checkpoint / "model.json", TunedModel)
        return self.opened(tuned.model, fingerprint)

    def train(self, job: TrainJob) -> TrainReport:
        """Create the job unless it exists, and fetch its result.

        Raises:
            NotYetError: the job is pending; try again later.
            BadInputError: the recipe needs something that no provider has.
            BudgetSpentError: the job could exceed the budget.
            StepFailedError: the job failed, was cancelled or no longer exists.
            EndpointError: the provider does not work.
        """
        if job.recipe.by_answers:
            raise BadInputError(
                f"`selection: {job.recipe.selection}` needs the weights of every epoch, which a provider does not keep",
                where=self._where,
                next_step="Use `last` or `val`.",
            )
        training = self._encoded(job.rows)
        validation = self._encoded(job.validation)
        provider = self.provider()
        path = self._note_path(job, training, validation)
        note = self._created(provider, path, training, validation, job)
        assert note.id is not None
        current = provider.look_at(note.id)
        if current is None:  # the highest cost stays booked
            self._notes.remove(path)
            raise StepFailedError(
                f"the provider no longer has the job {note.id}",
                where=self._where,
                next_step="Another run creates, and pays, another job.",
            )
        if current.state == "out":
            self._keep_events(provider, current.id, job.workdir)
            raise NotYetError(
                f"the job {current.id} is {current.said or 'running'}", after=booking.seconds_to_wait(note.at)
            )
        cost = self._cost(current, note.worst)
        self._notes.settle(path, note, cost)
        if current.state != "succeeded" or current.model is None:
            self._notes.remove(path)
            raise StepFailedError(
                f"the job {current.id} {current.said or current.state}: {current.error or 'the provider does not say why'}",
                where=self._where,
                next_step="Fix the cause; another run creates another job.",
            )
        report = self._finished(provider, current, job, cost)
        self._notes.remove(path)
        return report

    def _mark(self, job: TrainJob, training: bytes, validation: bytes) -> str:
        return content_key("job", self.model().fingerprint, training, validation, job.seed)

    def _note_path(self, job: TrainJob, training: bytes, validation: bytes) -> Path:
        """Return the path of the note of a job: where a workspace has copies on several machines, one that all of them see."""
        if self.services.place.url is None:
            return job.workdir / "job.json"
        folder = self.services.workspace / "batches" / "jobs"
        self._notes.fetch(folder)
        return folder / f"{self._mark(job, training, validation)}.json"

    # ---- creating

    def _created(self, provider: Provider, path: Path, training: bytes, validation: bytes, job: TrainJob) -> PendingJob:
        """Return the note of an existing job, which is created first where there is none."""
        mark = self._mark(job, training, validation)
        note: PendingJob | None = read_record(path, PendingJob, next_step=DAMAGED_NOTE) if path.exists() else None
        if note is not None and note.id is not None:
            return note
        existing = provider.find(mark)
        if existing is not None:
            if note is None:  # created, and its money booked, by another workspace
                note = PendingJob(mark=mark, worst=0, account=None, at=time.time())
            return self._noted(path, note, existing.id)
        if note is not None:
            note = self._interrupted(path, note)
        order = Order(
            mark=mark,
            model=self.base,
            training=provider.upload(f"{mark}.jsonl", training),
            validation=provider.upload(f"{mark}-validation.jsonl", validation) if validation else None,
            hyperparameters=self.hyperparameters,
            seed=job.seed,
        )
        if note is None:
            worst = self._worst(training, len(job.rows))
            account = book_maximum(self.services.budget, worst)
            note = PendingJob(mark=mark, worst=worst, account=account, at=time.time())
        self._notes.write(path, note)  # first, so that an interrupted job is found and its money settled
        try:
            created = provider.create(order)
        except RtbenchError:  # the job was certainly not created
            self._notes.settle(path, note, 0)
            self._notes.remove(path)
            raise
        if created is None:
            raise NotYetError("creating its job was interrupted", after=booking.LOOK_AFTER)
        return self._noted(path, note, created)

    def _noted(self, path: Path, note: PendingJob, job: str) -> PendingJob:
        note = msgspec.structs.replace(note, id=job)
        self._notes.write(path, note)
        return note

    @property
    def _notes(self) -> Notes:
        return Notes(self.services.place, self.services.budget)

    def _interrupted(self, path: Path, note: PendingJob) -> PendingJob:
        """Return the note for another try, where the creation was interrupted and no job is listed.

        Raises:
            NotYetError: a job may still be listed later.
            StepFailedError: the creation was interrupted too often.
        """
        if time.time() - note.at < booking.LOOK_AFTER:  # it may not be listed yet
            raise NotYetError("creating its job was interrupted", after=booking.LOOK_AFTER)
        if note.tries >= TRIES:
            self._notes.settle(path, note, 0)
            self._notes.remove(path)
            raise StepFailedError(
                f"creating its job was interrupted {TRIES} times, and the provider does not list the job",
                where=self._where,
                next_step="Run again; a job that the provider lists by then is used.",
            )
        return msgspec.structs.replace(note, tries=note.tries + 1, at=time.time())

    def _worst(self, training: bytes, rows: int) -> int:
        """Return the highest possible cost of the training, in billionths of the currency. A token has at least one byte.

        Raises:
            BadInputError: there is a budget, and the epochs or the price of training are unknown.
        """
        budget = self.services.budget
        if budget is None or not self.paid:
            return 0
        cost = self.training_cost(len(training) + MARKS_PER_ROW * rows)
        if cost is None:
            if budget.cap.nano is None:
                return 0
            raise BadInputError(
                "its cost is unknown, so no budget can be kept", where=self._where, next_step=self.unpriced()
            )
        return nano(cost)

    def _cost(self, job: FineTuningJob, worst: int) -> int:
        """Return the cost of the training, in billionths of the currency; a failed job without a token count is free.

        Args:
            job: as its provider reports it.
            worst: the highest possible cost, where it is known. It counts where the provider's tokens cannot be.
        """
        if self.price is None or self.price.training is None:
            return 0
        if job.trained_tokens is None and job.state == "succeeded":
            return worst
        cost = nano(self.price.training * (job.trained_tokens or 0) / 1e6)
        return cost if not worst or cost <= MOST_TIMES * worst else worst

    def _encoded(self, rows: Sequence[TrainingRow]) -> bytes:
        return b"".join(msgspec.json.encode(self.row(row)) + b"\n" for row in rows)

    # ---- storing the result

    def _finished(self, provider: Provider, ended: FineTuningJob, job: TrainJob, cost: int) -> TrainReport:
        """Store the model's name and the provider's events, and return the report; ``cost`` as for the account."""
        assert ended.model is not None
        kept = provider.checkpoints(ended.id)
        chosen = _lowest(kept) if job.recipe.selection == "val" else None
        folder = job.workdir / "checkpoint"
        folder.mkdir(exist_ok=True)
        self._keep_events(provider, ended.id, folder)
        tuned = TunedModel(
            model=chosen.model if chosen else ended.model,
            job=ended.id,
            base=self.base,
            trained_tokens=ended.trained_tokens,
        )
        write_json(folder / "model.json", tuned)
        (job.workdir / "events.jsonl").unlink(missing_ok=True)
        return TrainReport(
            rows=len(job.rows),
            validation_rows=len(job.validation),
            truncated=0,
            epochs=ended.epochs or 0,
            selected=kept.index(chosen) + 1 if chosen else ended.epochs or 0,
            steps=max((checkpoint.step for checkpoint in kept), default=0),
            tokens=ended.trained_tokens or 0,
            parameters=None,
            history=tuple(_losses(checkpoint) for checkpoint in kept),
            money=cost / 1e9,
            currency=self.price.currency if self.price and self.price.training is not None else "",
        )

    def _keep_events(self, provider: Provider, job: str, folder: Path) -> None:
        events = provider.events(job)
        write_jsonl(folder / "events.jsonl", events)


def _lowest(kept: Sequence[Checkpoint]) -> Checkpoint | None:
    """Return the checkpoint with the lowest validation loss; None where no checkpoint has one."""
    measured = [checkpoint for checkpoint in kept if checkpoint.validation_loss is not None]
    return min(measured, key=lambda checkpoint: checkpoint.validation_loss or 0.0, default=None)


def _losses(checkpoint: Checkpoint) -> dict[str, float]:
    losses = {"train_loss": checkpoint.train_loss, "validation_loss": checkpoint.validation_loss}
    return {"step": float(checkpoint.step), **{key: value for key, value in losses.items() if value is not None}}
