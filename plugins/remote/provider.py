"""Interface of services that fine-tune models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal

from rtbench.api import Record


class Order(Record, frozen=True):
    """An order for a fine-tuning job."""

    mark: str
    """Hash of everything that the job depends on."""
    model: str
    training: str
    """Id of the uploaded rows."""
    validation: str | None
    hyperparameters: dict[str, Any]
    seed: int


class FineTuningJob(Record, frozen=True, omit_defaults=True):
    """A job as its provider reports it."""

    id: str
    state: Literal["out", "succeeded", "failed", "cancelled"]
    """``out``: pending. Unknown statuses count as ``out``."""
    said: str = ""
    """The provider's own word for the status."""
    model: str | None = None
    """Name of the fine-tuned model, once the job has succeeded."""
    trained_tokens: int | None = None
    """Paid tokens, over all epochs."""
    epochs: int | None = None
    error: str = ""


class Checkpoint(Record, frozen=True, omit_defaults=True):
    """Weights that a provider stored during training."""

    model: str
    step: int
    train_loss: float | None = None
    validation_loss: float | None = None
    """Nats per token, over all validation rows."""


class Provider(ABC):
    """A service that fine-tunes. Calls are independent of each other. A call that fails raises an RtbenchError."""

    @abstractmethod
    def upload(self, name: str, content: bytes) -> str:
        """Upload training rows and return their id."""

    @abstractmethod
    def create(self, order: Order) -> str | None:
        """Create a job and return its id.

        Returns:
            None where the call was interrupted, so that the job may or may not exist.

        Raises:
            NotYetError: the provider takes no more jobs at the moment.
            RtbenchError: the job was certainly not created.
        """

    @abstractmethod
    def find(self, mark: str) -> FineTuningJob | None:
        """Return the newest job with a mark that has neither failed nor been cancelled; None where there is none."""

    @abstractmethod
    def look_at(self, job: str) -> FineTuningJob | None:
        """Return a job's current state; None where the provider has no job with that id."""

    @abstractmethod
    def events(self, job: str) -> list[dict[str, Any]]:
        """Return the provider's events of a job, oldest first."""

    @abstractmethod
    def checkpoints(self, job: str) -> list[Checkpoint]:
        """Return the weights stored during training, in order of steps; an empty list where the provider stores none."""
