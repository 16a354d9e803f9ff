"""Students that are fine-tuned by somebody else's service: upload, create, look again, keep what it says. Knows no
provider: :class:`Provider` is what one implements.

A job that is out is a file in the step's folder, so that a run can be stopped and picks it up again. Nothing waits here: as
long as it is out, the step says so and is looked at again later. A job is named by what it is made of, so that one that is
there already, whoever created it, is taken instead of being paid again.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
from rtbench_plugins.remote.booking import book_truth, book_worst, write_note

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
    write_atomic,
)

TRIES = 3
"""Creations that break off where nobody knows what came of them, before the step fails."""
LOOK_AFTER = 20.0
"""Seconds until a creation that broke off is looked for."""
LONGEST_WAIT = 60.0
"""Seconds between two looks at a job, at most; a tenth of its age at first."""
MARKS_PER_ROW = 64
"""Tokens of a row's own marks, from above."""


class Order(Record, frozen=True):
    """What is asked of a provider."""

    mark: str
    """Names the job by all that it is made of."""
    model: str
    training: str
    """Id of the uploaded rows."""
    validation: str | None
    hyperparameters: dict[str, Any]
    seed: int


class FineTuningJob(Record, frozen=True, omit_defaults=True):
    """A job as its provider tells it."""

    id: str
    state: Literal["out", "succeeded", "failed", "cancelled"]
    """A word that nobody knows counts as ``out``."""
    said: str = ""
    """The provider's own word."""
    model: str | None = None
    """Of one that succeeded: the fine-tuned model's name."""
    trained_tokens: int | None = None
    """That are paid, over all epochs."""
    epochs: int | None = None
    error: str = ""


class Checkpoint(Record, frozen=True, omit_defaults=True):
    """Weights that a provider kept on the way."""

    model: str
    step: int
    train_loss: float | None = None
    validation_loss: float | None = None
    """Nats per token, over the whole validation part."""


class Provider(ABC):
    """A service that fine-tunes. Each call stands alone, and raises an RtbenchError where it cannot be done."""

    @abstractmethod
    def upload(self, name: str, content: bytes) -> str:
        """Leaves training rows there. Returns an id."""

    @abstractmethod
    def create(self, order: Order) -> str | None:
        """Creates a job and returns its id; None where it broke off and may have been created all the same. An error says that there is
        none; a NotYetError, that there are too many at the moment."""

    @abstractmethod
    def find(self, mark: str) -> FineTuningJob | None:
        """The newest job of that mark which did not fail and was not cancelled."""

    @abstractmethod
    def look_at(self, job: str) -> FineTuningJob | None:
        """How a job stands; None where the provider knows none of that id."""

    @abstractmethod
    def events(self, job: str) -> list[dict[str, Any]]:
        """What the provider says of the job, the oldest first."""

    @abstractmethod
    def checkpoints(self, job: str) -> list[Checkpoint]:
        """What it kept on the way; empty where it keeps none."""


class Tuned(Record, frozen=True, omit_defaults=True):
    """``checkpoint/model.json`` of a finished training: where the fine-tuned model is."""

    model: str
    job: str
    base: str
    trained_tokens: int | None = None


class Note(Record, frozen=True, omit_defaults=True):
    """``job.json`` in the step's folder: a job that is out."""

    mark: str
    worst: int
    """What it may cost, in billionths; booked as spent until the truth is known."""
    account: str | None
    at: float
    """When it was written, in seconds since 1970."""
    tries: int = 1
    id: str | None = None
    """None while it is not known whether it was created."""


class ApiStudent(Student):
    """A base model at a provider. What a provider's own class adds: the connection, the form of a row, and the model.

    Args:
        name: as in the matrix.
        base: name of the base model at the provider.
        hyperparameters: of the job, in the provider's words.
        price: with ``training``, per million tokens; None: not known.
        paid: the provider asks for money.
        services: the session.
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
        """Connects; raises BadInputError where the environment has no key."""

    @abstractmethod
    def row(self, row: TrainingRow) -> dict[str, Any]:
        """A training row in the provider's form."""

    @abstractmethod
    def opened(self, model: str, fingerprint: str) -> TextModel:
        """The text model of a name at the provider."""

    def unpriced(self) -> str | None:
        if not self.paid or self.training_cost(1) is not None:
            return None
        return (
            "State its epochs, `hyperparameters: {n_epochs: 3}`, and its price per million tokens, "
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
        tuned: Tuned = read_json(checkpoint / "model.json", Tuned)
        return self.opened(tuned.model, fingerprint)

    def train(self, job: TrainJob) -> TrainReport:
        """Sees to it that the job is created once, and fetches what it has come to.

        Raises:
            NotYetError: it is out; look again later.
            BadInputError: the recipe asks for what no provider gives.
            BudgetSpentError: it could go over the budget.
            StepFailedError: the provider says that it failed or was cancelled.
            EndpointError: the provider is out of order.
        """
        if job.recipe.selection == "best-test":
            raise BadInputError(
                "`selection: best-test` needs the weights of every epoch, which a provider does not keep",
                where=self._where,
                next_step="Take `last` or `val`.",
            )
        training = self._encoded(job.rows)
        validation = self._encoded(job.validation)
        provider = self.provider()
        path = job.workdir / "job.json"
        note = self._created(provider, path, training, validation, job)
        assert note.id is not None
        found = provider.look_at(note.id)
        if found is None:  # its money stays booked at the worst
            path.unlink()
            raise StepFailedError(
                f"the provider knows no job {note.id} any more",
                where=self._where,
                next_step="Another run creates, and pays, another one.",
            )
        if found.state == "out":
            self._keep_events(provider, found.id, job.workdir)
            age = time.time() - note.at
            raise NotYetError(
                f"the job {found.id} is {found.said or 'under way'}", after=min(LONGEST_WAIT, max(1.0, age / 10))
            )
        book_truth(self.services.budget, path, note, self._cost(found))
        if found.state != "succeeded" or found.model is None:
            path.unlink()
            raise StepFailedError(
                f"the job {found.id} {found.said or found.state}: {found.error or 'the provider does not say why'}",
                where=self._where,
                next_step="Mend what it says; another run creates another job.",
            )
        return self._finished(provider, found, job)

    # ---- creating

    def _created(self, provider: Provider, path: Path, training: bytes, validation: bytes, job: TrainJob) -> Note:
        """The note of a job that is there."""
        mark = content_key("job", self.model().fingerprint, training, validation, job.seed)
        note: Note | None = read_json(path, Note) if path.exists() else None
        if note is not None and note.id is not None:
            return note
        there = provider.find(mark)
        if there is not None:
            if note is None:  # another workspace's, or one whose money is booked there
                note = Note(mark=mark, worst=0, account=None, at=time.time())
            return _noted(path, note, there.id)
        if note is not None:
            note = self._broken_off(path, note)
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
            account = book_worst(self.services.budget, worst)
            note = Note(mark=mark, worst=worst, account=account, at=time.time())
        write_note(path, note)  # before it is created: whatever breaks off, it is looked for, and its money settled
        try:
            created = provider.create(order)
        except RtbenchError:  # it is certain that there is none
            book_truth(self.services.budget, path, note, 0)
            path.unlink()
            raise
        if created is None:
            raise NotYetError("the creation of its job broke off", after=LOOK_AFTER)
        return _noted(path, note, created)

    def _broken_off(self, path: Path, note: Note) -> Note:
        """The note for another try, where no job is listed."""
        if time.time() - note.at < LOOK_AFTER:  # it may not be listed yet
            raise NotYetError("the creation of its job broke off", after=LOOK_AFTER)
        if note.tries >= TRIES:
            book_truth(self.services.budget, path, note, 0)
            path.unlink()
            raise StepFailedError(
                f"the creation of its job broke off {TRIES} times, and the provider lists none",
                where=self._where,
                next_step="Run again; a job that turns up meanwhile is taken.",
            )
        return msgspec.structs.replace(note, tries=note.tries + 1, at=time.time())

    def _worst(self, training: bytes, rows: int) -> int:
        """What the training may cost, in billionths: a token is at least one byte.

        Raises:
            BadInputError: under a budget, the epochs or the price of training are not known.
        """
        budget = self.services.budget
        if budget is None or not self.paid:
            return 0
        cost = self.training_cost(len(training) + MARKS_PER_ROW * rows)
        if cost is None:
            if budget.cap.nano is None:
                return 0
            raise BadInputError(
                "what it costs is not known, so no budget can be kept", where=self._where, next_step=self.unpriced()
            )
        return nano(cost)

    def _cost(self, job: FineTuningJob) -> int:
        """What the training came to, in billionths; a job that failed and counts no tokens is free."""
        if self.price is None or self.price.training is None:
            return 0
        return nano(self.price.training * (job.trained_tokens or 0) / 1e6)

    def _encoded(self, rows: Sequence[TrainingRow]) -> bytes:
        return b"".join(msgspec.json.encode(self.row(row)) + b"\n" for row in rows)

    # ---- what it has come to

    def _finished(self, provider: Provider, found: FineTuningJob, job: TrainJob) -> TrainReport:
        """Keeps where the model is, and what the provider says of it."""
        assert found.model is not None
        kept = provider.checkpoints(found.id)
        chosen = _lowest(kept) if job.recipe.selection == "val" else None
        folder = job.workdir / "checkpoint"
        folder.mkdir(exist_ok=True)
        self._keep_events(provider, found.id, folder)
        tuned = Tuned(
            model=chosen.model if chosen else found.model,
            job=found.id,
            base=self.base,
            trained_tokens=found.trained_tokens,
        )
        write_atomic(folder / "model.json", msgspec.json.format(msgspec.json.encode(tuned)) + b"\n")
        for left in ("job.json", "events.jsonl"):
            (job.workdir / left).unlink(missing_ok=True)
        return TrainReport(
            rows=len(job.rows),
            validation_rows=len(job.validation),
            truncated=0,
            epochs=found.epochs or 0,
            selected=kept.index(chosen) + 1 if chosen else found.epochs or 0,
            steps=max((one.step for one in kept), default=0),
            tokens=found.trained_tokens or 0,
            parameters=None,
            history=tuple(_losses(one) for one in kept),
            money=self._cost(found) / 1e9,
            currency=self.price.currency if self.price and self.price.training is not None else "",
        )

    def _keep_events(self, provider: Provider, job: str, folder: Path) -> None:
        events = provider.events(job)
        write_atomic(folder / "events.jsonl", b"".join(msgspec.json.encode(event) + b"\n" for event in events))


def _noted(path: Path, note: Note, job: str) -> Note:
    note = msgspec.structs.replace(note, id=job)
    write_note(path, note)
    return note


def _lowest(kept: Sequence[Checkpoint]) -> Checkpoint | None:
    """The one with the lowest validation loss; None where none states it."""
    stated = [one for one in kept if one.validation_loss is not None]
    return min(stated, key=lambda one: one.validation_loss or 0.0, default=None)


def _losses(one: Checkpoint) -> dict[str, float]:
    found = {"step": float(one.step), "train_loss": one.train_loss, "validation_loss": one.validation_loss}
    return {key: value for key, value in found.items() if value is not None}
