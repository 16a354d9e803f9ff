"""Text models, teachers and students."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rtbench.plugin.registry import Registry
from rtbench.plugin.run_services import RunServices
from rtbench.plugin.tasks import Task
from rtbench.schema.base import Family, Progress, no_progress
from rtbench.schema.completions import Completion, ModelSpec, Request
from rtbench.schema.money import Price
from rtbench.schema.prompts import PromptFormat
from rtbench.schema.steps import Resources
from rtbench.schema.tasks import RationaleSource, TaskData
from rtbench.schema.training import Recipe, TrainingRow, TrainReport


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

    def prepare(self, member: ModelSpec, task: Task, variant: str, services: ModelServices) -> str | None:
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


@dataclass(frozen=True)
class TrainJob:
    """Everything a student needs to train once."""

    rows: Sequence[TrainingRow]
    validation: Sequence[TrainingRow]
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
    elsewhere: bool = False
    """It is trained by somebody else, who is asked over the network: a training takes no machine here, only time."""
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


class ModelServices(RunServices, Protocol):
    """Names to tasks and models: what curators and the factories of teachers and students are given."""

    def task(self, name: str, *, where: str | None = None) -> Task:
        """Return the task registered under a name.

        Args:
            name: registered name.
            where: where the name is written, for the message.

        Raises:
            UnknownNameError: no such task.
            PluginError: it cannot be made.
        """

    def task_data(self, name: str, variant: str) -> TaskData:
        """Return a task's samples, loaded once; raises as :meth:`Task.load`."""

    def teacher(self, plugin: str, name: str, options: dict[str, Any]) -> Teacher:
        """Return a teacher, opened for its name only.

        Args:
            plugin: registered name of the factory.
            name: as in the matrix.
            options: of the factory.
        """

    def student(self, plugin: str, name: str, options: dict[str, Any]) -> Student:
        """Return a student; arguments as for :meth:`teacher`."""

    def source(self, model: ModelSpec) -> Teacher | Student:
        """Return the teacher or student that a step's model was named by."""

    def registry(self, kind: str) -> Registry:
        """Return all names of a kind, such as ``tasks``."""
