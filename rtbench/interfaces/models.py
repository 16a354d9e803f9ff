"""Text models, teachers and students."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rtbench.interfaces.prompts import PromptFormat
from rtbench.interfaces.tasks import RationaleSource, Task
from rtbench.records import (
    Completion,
    Family,
    ModelSpec,
    Price,
    Record,
    Request,
    Resources,
    Row,
    TrainReport,
    keyed_default,
)

if TYPE_CHECKING:
    from rtbench.interfaces.running import Services

Progress = Callable[[int, int, str], None]
"""``progress(done, total, unit)``; called often, must be cheap."""


def no_progress(done: int, total: int, unit: str) -> None:
    """A progress callback for when nobody watches."""


class TextModel(ABC):
    """Anything that answers prompts with text."""

    fingerprint: str

    @abstractmethod
    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Yields one completion per request as they finish, in any order. A request that cannot be answered (a
        recording that lacks it) yields nothing; a fault raises."""

    def close(self) -> None:
        """Releases memory and connections."""
        return


class Teacher(ABC):
    """A named source of a text model that writes rationales."""

    name: str
    format: PromptFormat
    """How it is asked; a template with ``answer_input`` is asked in two stages."""
    max_new_tokens: tuple[int, int] = (128, 32)
    """For the rationale and for the answer stage (Kojima et al. 2022: 128 and 32)."""
    family: Family = "decoder"
    """Which of the format's templates it is asked with."""
    recorded: bool = False
    """True where completions come from the ledger alone: sampling settings do not apply to them, and one that is not
    there is counted as missing instead of being an error."""
    price: Price | None = None
    paid: bool = False
    """Asking it costs money, so that a budget cannot be kept without its price."""
    leaves_out: bool = False
    """Requests that it refuses are missing, and counted as such, instead of failing the step."""
    learns_from: RationaleSource | None = None
    """What of its completions students learn from. None: what is kept apart from the answer, else the text up to it."""

    @abstractmethod
    def members(self) -> Sequence[ModelSpec]:
        """The models behind it: one, or several whose completions are pooled in this order."""

    @abstractmethod
    def open(self, member: ModelSpec) -> TextModel:
        """Loads one member."""

    def prepare(self, member: ModelSpec, task: Task, variant: str, services: Services) -> str | None:
        """Called once per task before planning (a recording is imported here).

        Returns:
            Why this member has nothing for the task, or None.
        """
        return None

    def answer_prefix(self, member: ModelSpec, dataset: str) -> str | None:
        """What stands before the answer in this member's completions for a data set (:meth:`Task.dataset_id`)."""
        return self.format.answer_prefix

    def recorded_content(self, member: ModelSpec, dataset: str) -> str:
        """Of a recorded teacher: identifies what its ledger holds for a data set, so that a later import counts."""
        return ""

    def check_ready(self) -> None:
        """Called once before a run in which it is asked.

        Raises:
            BadInputError: something is missing that only the user can give (a key in the environment).
        """
        return

    def resources(self) -> Resources:
        return Resources()


class Recipe(Record, frozen=True, omit_defaults=True):
    """Hyper-parameters of fine-tuning; defaults are the paper's (App. A) where it states them."""

    learning_rate: float = keyed_default(3e-4)
    batch_size: int = keyed_default(8)
    epochs: int = keyed_default(20)
    steps: int | None = keyed_default(None)
    """Exactly so many optimiser steps, however many rows there are; ``epochs`` does not count then. None: whole
    epochs."""
    optimizer: Literal["adamw", "muon"] = keyed_default("adamw")
    """``muon``: for hidden matrices (Jordan 2024), AdamW for the rest."""
    schedule: Literal["constant", "linear"] = keyed_default("constant")
    """Of the learning rate; ``linear`` falls to 0 at the last step."""
    warmup_steps: int = keyed_default(0)
    weight_decay: float = keyed_default(0.01)
    max_prompt_tokens: int = keyed_default(512)
    max_label_tokens: int = keyed_default(512)
    max_new_tokens: int = keyed_default(1024)
    """Cap on generated tokens at test time."""
    selection: str = keyed_default("val")
    """Which epoch's weights count: ``last``, ``val`` (lowest loss on held-out training questions) or ``best-test``
    (the paper's protocol: the epoch with the best *test* accuracy)."""
    validation_fraction: float = keyed_default(0.1)
    """Part of the training questions held out under ``val``."""
    patience: int | None = None
    """Under ``val``: training ends once the loss on them has not fallen for so many epochs. None: it goes on to the end."""


@dataclass(frozen=True)
class TrainJob:
    """Everything a student needs to train once."""

    rows: Sequence[Row]
    validation: Sequence[Row]
    recipe: Recipe
    seed: int
    workdir: Path
    """Private directory. The selected checkpoint goes to ``workdir/checkpoint``; under ``best-test`` epoch n goes
    to ``workdir/epoch-n`` (1-based) as well."""
    corpus: Sequence[str]
    """Texts of the training fold, for students that make their own tokenizer."""
    progress: Progress = no_progress
    title: str = "training"
    """What is trained, in words."""


class Student(ABC):
    """A named base model and its trainer."""

    name: str
    family: Family
    needs_corpus: bool = False
    """True where the base itself depends on the training fold (tokenizer trained on it)."""
    series: str | None = None
    """Name that all sizes of one model share, by which sizes are compared; None: it is no size of anything."""
    random_weights: bool = False
    """Its base has learned nothing before."""
    price: Price | None = None
    """Of training and asking it, where that costs money."""

    @abstractmethod
    def model(self) -> ModelSpec:
        """Names the base model. Its fingerprint changes when weights, config or tokenizer recipe do."""

    @abstractmethod
    def train(self, job: TrainJob) -> TrainReport:
        """Fine-tunes the base and leaves the checkpoint (safetensors, tokenizer) in ``job.workdir``."""

    @abstractmethod
    def load(self, checkpoint: Path | None, corpus: Sequence[str], fingerprint: str) -> TextModel:
        """Loads a checkpoint, or the untrained base (None). ``fingerprint`` is the text model's."""

    def engine(self, *, trained: bool) -> str | None:
        """What would write its texts on this machine, told in the plan. None: they are not written here.

        Args:
            trained: a checkpoint's texts, not the untrained base's.
        """
        return None

    def unpriced(self) -> str | None:
        """What to state in the matrix before a budget can be kept with it; None: nothing."""
        return None

    def training_cost(self, tokens: int) -> float | None:
        """Money for training on rows of so many tokens, each counted once; None where it is free or not known."""
        return None

    def check_ready(self) -> None:
        """Called once before a run in which it is trained or asked.

        Raises:
            BadInputError: something is missing that only the user can give (a key in the environment).
        """
        return

    def check_base(self) -> None:
        """Called once before a run in which the base is trained, or asked untrained.

        Raises:
            BadInputError: it is not here, and only the user can bring it.
        """
        return

    def resources(self, kind: str, recipe: Recipe) -> Resources:
        """Needs of a ``train`` or ``complete`` step under a recipe."""
        return Resources()
