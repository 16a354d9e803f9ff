"""Text models, teachers and students."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from rtbench.errors import PluginError
from rtbench.plugin.registry import Registry
from rtbench.plugin.run_services import RunServices
from rtbench.plugin.tasks import Task
from rtbench.schema.base import Family, RefusalKind
from rtbench.schema.completions import Completion, ModelSpec, Request
from rtbench.schema.matrix import CellSelector
from rtbench.schema.money import Price
from rtbench.schema.objectives import Objective, ObjectiveName
from rtbench.schema.progress import Progress, no_progress
from rtbench.schema.prompts import PromptFormat
from rtbench.schema.steps import Duration, Resources
from rtbench.schema.tasks import RationaleSource, TaskData
from rtbench.schema.training import Recipe, TrainingRow, TrainReport


class TextModel(ABC):
    """A model that answers prompts with text."""

    fingerprint: str
    continues_answers: bool = False
    """True where it can continue an answer (:attr:`Request.prefill`), which a thinking budget needs."""
    refused: Mapping[RefusalKind, int] = MappingProxyType({})
    """Requests that :meth:`generate` has left out because they were refused for their content, by kind."""

    @abstractmethod
    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Yield one completion per request as they finish, in any order.

        A request that cannot be answered (a recording that lacks it) yields nothing; a fault raises.
        """

    def generate_on(
        self, requests: Sequence[Request], follow: Callable[[Completion], Request | None]
    ) -> Iterator[Completion]:
        """Yield completions as :meth:`generate` does, and completions of requests that follow from them.

        A model that keeps what it has read can go on from there, instead of reading the whole prompt again. It may leave out
        any of the further requests; this implementation leaves out all.

        Args:
            requests: requests to answer.
            follow: is called with completions of ``requests``; returns the request whose prompt is the completion's prompt and
                text and more; None: nothing follows.
        """
        del follow
        return self.generate(requests)

    def likelihoods(
        self,
        rows: Sequence[TrainingRow],
        max_prompt_tokens: int,
        max_label_tokens: int,
        progress: Progress = no_progress,
    ) -> Iterator[tuple[int, float]]:
        """Yield the number of tokens of each row's label, and their negative log-likelihood in nats, in order.

        Called only for models that students' :meth:`Student.load_guide` returns. Prompts and labels are cut as in training.

        Raises:
            PluginError: the model gives no probabilities of tokens.
        """
        raise PluginError(f"{self.fingerprint} gives no probabilities of tokens", next_step="Use another model.")

    def close(self) -> None:
        """Release memory and connections."""
        return


class Teacher(ABC):
    """A named source of a text model that writes rationales."""

    name: str
    format: PromptFormat
    """Format of its prompts; a template with ``answer_input`` is asked in two stages."""
    max_new_tokens: tuple[int, int] = (128, 32)
    """Tokens for the rationale and for the answer stage (Kojima et al. 2022: 128 and 32)."""
    max_thinking_tokens: int | None = None
    """Number of tokens after which the thinking of the first stage is ended; None: no limit."""
    top_logprobs: int = 0
    """Number of most probable tokens whose log-probabilities its rationales of training questions carry; 0: none."""
    family: Family = "decoder"
    """Model family, which selects the format's template."""
    recorded: bool = False
    """True where completions come only from the ledger: sampling settings do not apply to them, and a missing
    completion is counted instead of being an error."""
    price: Price | None = None
    per_call: int = 1
    """Highest number of completions of one question that are asked for, and whose prompt is paid for, together."""
    paid: bool = False
    """True where asking it costs money, so that a budget cannot be kept without its price."""
    leaves_out: bool = False
    """True where requests that it refuses are counted as missing instead of failing the step."""
    learns_from: RationaleSource | None = None
    """Part of its completions that students learn from. None: the rationale that is kept apart from the answer, else
    the text up to the answer."""
    cell: CellSelector | None = None
    """Cell of the same matrix whose trained student writes the rationales. None: the teacher has a model of its own.
    Otherwise its members are never opened; they stand for the student in a mix."""
    rewrites: Teacher | None = None
    """Teacher whose rationales it rewrites: its prompt then contains ``{rationale}``. None: it writes its own."""
    saw_answers: bool = False
    """True where it knew the gold answers, so that its own accuracy means nothing and is not measured."""
    guides: bool = False
    """True where :meth:`open_guide` returns a model whose probabilities of tokens students can learn."""

    @abstractmethod
    def members(self) -> Sequence[ModelSpec]:
        """Return the models behind the teacher: one, or several whose completions are pooled in this order."""

    @abstractmethod
    def open(self, member: ModelSpec) -> TextModel:
        """Load one member."""

    def open_guide(self, member: ModelSpec) -> TextModel:
        """Load one member for its probabilities of tokens; called only where ``guides`` is True."""
        return self.open(member)

    def owner(self, member: ModelSpec) -> Teacher:
        """Return the teacher that a member is asked through: this one, or one of those that a mix is made of."""
        del member
        return self

    def part(self, member: ModelSpec) -> tuple[float, float] | None:
        """Return the part of the questions that a member is asked (:attr:`rtbench.schema.tasks.Questions.part`).

        None: all of them.
        """
        del member
        return None

    def sources(self) -> Sequence[Teacher]:
        """Return the teachers that it is made of: itself, or those of a mix."""
        return (self,)

    def prepare(self, member: ModelSpec, task: Task, variant: str, services: ModelServices) -> str | None:
        """Prepare a member for a task; called once per task before planning (a recording is imported here).

        Returns:
            The reason why this member has nothing for the task, or None.
        """
        return None

    def answer_prefix(self, member: ModelSpec, dataset: str) -> str | None:
        """Return the text before the answer in this member's completions for a data set (:meth:`Task.dataset_id`)."""
        return self.format.answer_prefix

    def recorded_content(self, member: ModelSpec, dataset: str) -> str:
        """Return an identifier of a recorded teacher's completions for a data set.

        It changes when more completions are imported, so that the steps that use them run again.
        """
        return ""

    def check_ready(self) -> None:
        """Check that the teacher can be asked; called once before a run that asks it.

        Raises:
            BadInputError: something is missing that only the user can provide (a key in the environment).
        """
        return

    def answering_time(self, completions: int) -> Duration | None:
        """Return the time of a number of completions on this machine, from measured speeds; None where not known."""
        return None

    def resources(self) -> Resources:
        """Return the resources of a step that asks it."""
        return Resources()


@dataclass(frozen=True)
class TrainJob:
    """Everything that a student needs for one training."""

    rows: Sequence[TrainingRow]
    validation: Sequence[TrainingRow]
    recipe: Recipe
    seed: int
    workdir: Path
    """Private directory. The selected checkpoint goes to ``workdir/checkpoint``; where answers select the epoch
    (:attr:`Recipe.by_answers`), epoch n also goes to ``workdir/epoch-n`` (1-based)."""
    corpus: Sequence[str]
    """Texts of the training fold, for students that train their own tokenizer."""
    progress: Progress = no_progress
    title: str = "training"
    """Human-readable name of the training."""
    start: Path | None = None
    """Folder of the weights to begin with, another training's checkpoint; None: the base."""
    objective: Objective | None = None
    """What is minimised; None: the cross entropy of the rows' labels."""
    guide: TextModel | None = None
    """Model whose probabilities are learnt, as its source opened it for that."""
    verify: Callable[[Sequence[tuple[int, str]]], list[bool]] | None = None
    """Returns which completions have the right answer, given their questions' sample indices and their texts."""
    draw: Callable[[int, int], Sequence[TrainingRow]] | None = None
    """Returns new questions as rows, given the number of optimiser steps before them and their number; ``verify`` knows
    those of the last call. None: the questions are those of ``rows``."""


class Student(ABC):
    """A named base model and its trainer."""

    name: str
    family: Family
    needs_corpus: bool = False
    """True where the base itself depends on the training fold (its tokenizer is trained on it)."""
    series: str | None = None
    """Name that all sizes of one model share, by which sizes are compared; None where it has no other sizes."""
    random_weights: bool = False
    """True where the base is not pre-trained."""
    thinks: bool = False
    """True where its models separate thinking and can continue an answer, which a thinking budget needs."""
    objectives: frozenset[ObjectiveName] = frozenset()
    """Objectives that it can be trained with, besides the cross entropy."""
    continues: bool = False
    """True where a training can begin with another training's checkpoint (:attr:`TrainJob.start`)."""
    guides: bool = False
    """True where :meth:`load_guide` returns a model whose probabilities of tokens other students can learn."""
    elsewhere: bool = False
    """True where a provider trains it over the network: a training then uses no resources of this machine, only
    time."""
    price: Price | None = None
    """Price of training and asking it, where that costs money."""
    leaves_out: bool = False
    """As for teachers."""

    @abstractmethod
    def model(self) -> ModelSpec:
        """Return the base model. Its fingerprint changes with the weights, the config and the tokenizer recipe."""

    @abstractmethod
    def train(self, job: TrainJob) -> TrainReport:
        """Fine-tune the base and write the checkpoint (safetensors, tokenizer) to ``job.workdir``."""

    @abstractmethod
    def load(self, checkpoint: Path | None, corpus: Sequence[str], fingerprint: str) -> TextModel:
        """Load a checkpoint, or the untrained base.

        Args:
            checkpoint: folder of the checkpoint; None loads the untrained base.
            corpus: texts of the training fold, for students that train their own tokenizer.
            fingerprint: fingerprint of the returned text model.
        """

    def load_guide(self, checkpoint: Path | None, corpus: Sequence[str], fingerprint: str) -> TextModel:
        """Load it for its probabilities of tokens; called only where ``guides`` is True. Arguments: :meth:`load`."""
        return self.load(checkpoint, corpus, fingerprint)

    def lacks(self, objective: ObjectiveName) -> str | None:
        """Return why it cannot be trained with an objective; None where it can."""
        if objective in self.objectives:
            return None
        return f"{self.name} cannot be trained with the objective {objective}"

    def engine(self, *, trained: bool) -> str | None:
        """Return the engine that generates its texts on this machine, for the plan; None where another machine does.

        Args:
            trained: whether the texts are a checkpoint's rather than the untrained base's.
        """
        return None

    def described(self) -> str | None:
        """Return in words which weights its base has and in which data type it computes, for the plan and the leaderboard.

        None where there is nothing to say.
        """
        return None

    def training_time(self, tokens: int) -> Duration | None:
        """Return the time of a training on a number of tokens, from measured speeds of the device; None where not known."""
        return None

    def generation_time(self, read: int, written: int) -> Duration | None:
        """Return the time to read and write a number of tokens, likewise."""
        return None

    def timed_devices(self) -> Sequence[str]:
        """Return the names of the GPUs for which :meth:`training_time` has a speed, for the plan."""
        return ()

    def checkpoint_bytes(self) -> int | None:
        """Return the size of a checkpoint on this machine, in bytes; None where it is elsewhere or not known."""
        return None

    def unpriced(self) -> str | None:
        """Return what the matrix must state before a budget can be kept with it; None where nothing is missing."""
        return None

    def training_cost(self, tokens: int) -> float | None:
        """Return the price of a training, in the currency of ``price``; None where it is free or not known.

        Args:
            tokens: tokens of the training rows, each counted once.
        """
        return None

    def check_ready(self) -> None:
        """Check that the student can be trained and asked. Called once before a run that does so.

        Raises:
            BadInputError: something is missing that only the user can give (a key in the environment).
        """
        return

    def check_base(self) -> None:
        """Check that the base is available; called once before a run that trains it or asks it untrained.

        Raises:
            BadInputError: the base is missing, and only the user can provide it.
        """
        return

    def resources(self, kind: str, recipe: Recipe) -> Resources:
        """Return the resources of a ``train`` or ``complete`` step under a recipe."""
        return Resources()


class ModelServices(RunServices, Protocol):
    """Looks up tasks and models by name, for curators and for the factories of teachers and students."""

    def task(self, name: str, *, where: str | None = None) -> Task:
        """Return the task registered under a name.

        Args:
            name: registered name.
            where: place that the name was read from, for messages.

        Raises:
            UnknownNameError: there is no such task.
            PluginError: its plugin fails to create it.
        """

    def task_data(self, name: str, variant: str) -> TaskData:
        """Return a task's samples, loaded once; raises as :meth:`Task.load` does."""

    def teacher(self, plugin: str, name: str, options: dict[str, Any]) -> Teacher:
        """Return a teacher without loading its model.

        Args:
            plugin: registered name of the factory.
            name: the teacher's name in the matrix.
            options: options of the factory.
        """

    def student(self, plugin: str, name: str, options: dict[str, Any]) -> Student:
        """Return a student without loading its model; arguments as for :meth:`teacher`."""

    def source(self, model: ModelSpec) -> Teacher | Student:
        """Return the teacher or student that a step's model belongs to."""

    def registry(self, kind: str) -> Registry:
        """Return the registry of a kind, such as ``tasks``."""
