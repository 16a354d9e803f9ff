"""What a plugin implements. Small enough to hold in the head.

A plugin registers *factories* of these (see :mod:`rtbench.hookspecs`); the core calls a factory with the name and the
options that stand in the matrix, and from then on knows nothing but the classes below.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from rtbench.budget import Budget, Cap
from rtbench.records import (
    Completion,
    Example,
    Family,
    Fold,
    ModelSpec,
    Price,
    Record,
    Request,
    Resources,
    Row,
    Sample,
    Score,
    Spending,
    Split,
    TrainReport,
)
from rtbench.twins import dataset_of, setting_of

if TYPE_CHECKING:
    from rtbench.builder import StepBuilder
    from rtbench.data import DataFiles
    from rtbench.ledger import Ledger
    from rtbench.plan import Plan
    from rtbench.report import Leaderboard
    from rtbench.specs import Cell, Step
    from rtbench.store import Store
    from rtbench.twins import Twin

Progress = Callable[[int, int, str], None]
"""``progress(done, total, unit)``; called often, must be cheap."""


def no_progress(done: int, total: int, unit: str) -> None:
    """A progress callback for when nobody watches."""


# ---------------------------------------------------------------------------------------------------------- prompts


class Template(Record, frozen=True, omit_defaults=True):
    """Prompt and label for one model family. Fields in braces: ``{question}``, ``{demonstrations}``, ``{rationale}``,
    ``{answer}``; in ``answer_input`` also ``{prompt}`` and ``{reasoning}`` (the first stage's) and ``{trigger}`` (the
    task's answer trigger)."""

    input: str
    label: str | None = None
    answer_input: str | None = None
    """Prompt of a second stage that asks for the answer only."""
    stop: tuple[str, ...] = ()


class PromptFormat(Record, frozen=True, omit_defaults=True):
    """How a method words questions and labels; its content enters the step's key."""

    name: str
    decoder: Template
    encoder_decoder: Template
    answer_prefix: str | None = None
    """What stands before the answer in a completion; extractors look behind it."""
    along: PromptFormat | None = None
    """Learned along with it: each example gives a training row of both. What is asked in tests is the format itself."""
    demonstrations: str | None = None
    """``cot`` or ``answer``: which few-shot demonstrations fill ``{demonstrations}``; None for none."""

    def template(self, family: Family) -> Template:
        return self.decoder if family == "decoder" else self.encoder_decoder


# ------------------------------------------------------------------------------------------------------------ tasks

DemonstrationSource = Literal["own", "paper", "paper-as-published"]
RationaleSource = Literal["text", "thoughts", "both"]
"""Of a completion in one stage: its text up to the answer, what a thinking model thought, or one after the other."""


class TaskInfo(Record, frozen=True, omit_defaults=True):
    """What can be said of a task without its data."""

    name: str
    title: str
    answer_type: str
    """``number``, ``choice``, ``yes_no``, ``string``."""
    random_accuracy: float
    """Expected accuracy of a uniform guess, as a fraction."""
    splits: tuple[str, ...] = ("default",)
    variants: tuple[str, ...] = ("original",)
    """Data variants that differ in text or gold; the first is the default."""
    extractors: dict[str, int] = {}
    """Named extractors with their versions."""
    answer_trigger: str = "Therefore, the answer is"
    """What the answer stage of a two-stage prompt asks."""
    train_size: int | None = None
    test_size: int | None = None
    source: str = ""
    """Where the definition stands (file)."""
    licence: str = ""
    twin: bool = False
    """There is a procedural twin (:meth:`Task.twin`)."""


class Demonstration(Record, frozen=True):
    """A worked example for few-shot prompts."""

    question: str
    rationale: str
    answer: str


@dataclass(frozen=True)
class TaskData:
    """A task's samples, loaded."""

    samples: Mapping[int, Sample]
    """By sample index; an index whose text is not at hand (aqua's training part) is absent."""
    splits: Mapping[str, Split]
    missing: str | None = None
    """What is absent and how to get it; None where all is there."""

    def fold(self, split: str, fold: Fold) -> list[Sample]:
        """The samples of a fold that are at hand, in index order."""
        return [self.samples[i] for i in self.splits[split].fold(fold) if i in self.samples]


class Extractor(Protocol):
    """Finds and judges answers in completions."""

    name: str
    version: int
    cites: str
    """Whose behaviour it reproduces."""

    def canonical(self, extracted: str) -> str | None:
        """One text for all answers that the extractor takes for equal; None for what is no answer. Votes are counted
        by it."""

    def score(
        self, completions: Sequence[Completion], samples: Mapping[int, Sample], answer_prefix: str | None
    ) -> list[Score]:
        """One score per completion, in order. ``answer_prefix`` as in :class:`PromptFormat`."""


class Task(ABC):
    """A task: metadata at once, samples on demand. One that has a twin takes the twin's variants
    (:func:`rtbench.twins.variant_of`) wherever it takes a variant."""

    info: TaskInfo

    @abstractmethod
    def fingerprint(self, files: DataFiles, variant: str) -> str:
        """Identifies the data (files, loader version, variant) without loading them.

        Raises:
            MissingDataError: the data are neither at hand nor pinned.
        """

    @abstractmethod
    def load(self, files: DataFiles, variant: str) -> TaskData:
        """Loads all samples and splits.

        Raises:
            MissingDataError: a file is not at hand and cannot be downloaded.
            BadInputError: a file is not what it should be.
        """

    @abstractmethod
    def extractor(self, name: str) -> Extractor:
        """Raises UnknownNameError where the task has none of that name."""

    def extractor_key(self, name: str) -> str:
        """What an extractor is by content: results of one key are never recomputed, those of another always."""
        return f"v{self.info.extractors[name]}"

    def demonstrations(
        self, files: DataFiles, source: DemonstrationSource = "own", split: str = "default"
    ) -> Sequence[Demonstration]:
        """Few-shot demonstrations; empty where the task has none.

        Args:
            files: where a published file is looked for.
            source: ``own`` (written for this project), ``paper`` (the paper's, without those that lie in the split's
                test fold) or ``paper-as-published`` (all of the paper's: some lie in the test fold).
            split: whose test fold must not be shown.
        """
        return ()

    def twin(self) -> Twin[Any] | None:
        """The seeded generator of questions like the task's; None where there is none. Its data are loaded as the
        variant ``twin-SEED``, knobs behind it, with the one split ``default`` (:func:`rtbench.twins.twin_data`,
        :func:`rtbench.twins.twin_fingerprint`)."""
        return None

    def dataset_id(self, variant: str) -> str:
        """Name of the samples in ledgers: two variants share it where they share every text and gold."""
        if setting_of(variant) is not None and (twin := self.twin()) is not None:
            return dataset_of(self.info.name, twin, variant)
        default = self.info.variants[0]
        return self.info.name if variant == default else f"{self.info.name}@{variant}"


# ----------------------------------------------------------------------------------------------------------- models


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

    def resources(self) -> Resources:
        return Resources()


class Recipe(Record, frozen=True):
    """Hyper-parameters of fine-tuning; defaults are the paper's (App. A) where it states them."""

    learning_rate: float = 3e-4
    batch_size: int = 8
    epochs: int = 20
    steps: int | None = None
    """Exactly so many optimiser steps, however many rows there are; ``epochs`` does not count then. None: whole
    epochs."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """``muon``: for hidden matrices (Jordan 2024), AdamW for the rest."""
    schedule: Literal["constant", "linear"] = "constant"
    """Of the learning rate; ``linear`` falls to 0 at the last step."""
    warmup_steps: int = 0
    weight_decay: float = 0.01
    max_prompt_tokens: int = 512
    max_label_tokens: int = 512
    max_new_tokens: int = 1024
    """Cap on generated tokens at test time."""
    selection: str = "val"
    """Which epoch's weights count: ``last``, ``val`` (lowest loss on held-out training questions) or ``best-test``
    (the paper's protocol: the epoch with the best *test* accuracy)."""
    validation_fraction: float = 0.1
    """Part of the training questions held out under ``val``."""


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


class Student(ABC):
    """A named base model and its trainer."""

    name: str
    family: Family
    needs_corpus: bool = False
    """True where the base itself depends on the training fold (tokenizer trained on it)."""
    series: str | None = None
    """Name that all sizes of one model share, by which sizes are compared; None: it is no size of anything."""
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

    def unpriced(self) -> str | None:
        """What to state in the matrix before a budget can be kept with it; None: nothing."""
        return None

    def training_cost(self, tokens: int) -> float | None:
        """Money for training on rows of so many tokens, each counted once; None where it is free or not known."""
        return None

    def resources(self, kind: str) -> Resources:
        """Needs of a ``train`` or ``complete`` step."""
        return Resources()


# ---------------------------------------------------------------------------------------------------------- methods


class Method(ABC):
    """Expands a cell into steps. See docs/plugins.md for one of a few dozen lines."""

    name: str
    uses_teacher: bool = False
    uses_degree: bool = False
    uses_student: bool = True
    trains: bool = False
    """True where seeds and data fractions make a difference."""

    @abstractmethod
    def steps(self, cell: Cell, build: StepBuilder) -> Step:
        """Returns the cell's ``score`` step; the steps it rests on hang below it."""


class Candidate(Record, frozen=True):
    """A completion on its way to become a training example."""

    example: Example
    completion: Completion
    correct: bool
    """By the task's extractor."""


@dataclass(frozen=True)
class CurationContext:
    """What a curator may look at besides the candidates."""

    samples: Mapping[int, Sample]
    test_samples: Sequence[Sample]
    """Of every fold but the training fold."""
    degree: int
    dataset: str = ""
    """Name of the samples in the ledger."""
    services: Services | None = None
    """For curators that ask a model; None where they are tried without one."""
    judged: dict[str, Spending] = field(default_factory=dict)
    """Where such a curator writes down what it cost."""
    notes: list[str] = field(default_factory=list)
    """What the user should know."""


class Curator(ABC):
    """Keeps some candidates. Curators run in the order given; what each drops is counted under its name."""

    name: str
    version: int = 1
    of_questions: bool = False
    """It goes by questions: examples that hold the gold answer alone pass it as well, so that methods are compared on the
    same questions."""
    asks_tokens: int = 0
    """New tokens of an answer of the model that it asks, at most."""
    asks_as: str = ""
    """Name of its prompt in the ledger."""

    def asks(self, services: Services) -> Teacher | None:
        """The model that it asks about candidates, once about each at most; None: it asks nobody. It is stated as the
        option ``model``, and counts in keys by its fingerprint."""
        return None

    @abstractmethod
    def keep(self, candidates: Sequence[Candidate], context: CurationContext) -> Sequence[Candidate]:
        """Returns the candidates that stay, in order."""


# ------------------------------------------------------------------------------------------------ running, reporting


class StepState(Record, frozen=True):
    """How one step of a run stands."""

    key: str
    state: str
    """``cached``, ``done``, ``failed``, ``skipped`` (a step it rests on failed), ``pending`` (the run stopped), or, on the
    way, ``waiting`` for something outside."""
    error: str | None = None
    trace: str | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    """What the user should know of the result."""
    stops_run: bool = False
    """It failed at what every other step would fail at as well."""
    after: float = 0.0
    """Seconds until a waiting step is to be tried again."""


@dataclass
class Outcome:
    """How a run ended."""

    states: dict[str, StepState] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def failed(self) -> list[StepState]:
        return [state for state in self.states.values() if state.state == "failed"]


class Listener(Protocol):
    """Told how a run goes; the progress display is one."""

    def started(self, step: Step) -> None: ...
    def progressed(self, step: Step, done: int, total: int, unit: str) -> None: ...
    def waits(self, step: Step, why: str) -> None: ...
    def finished(self, step: Step, state: StepState) -> None: ...


class Executor(ABC):
    """Runs a plan's steps in an order that respects their inputs."""

    name: str

    @abstractmethod
    def run(self, plan: Plan, services: Services, listener: Listener) -> Outcome: ...


class Reporter(ABC):
    """Renders a leaderboard."""

    name: str

    @abstractmethod
    def render(self, leaderboard: Leaderboard) -> str: ...


class Services(Protocol):
    """What the core offers to plugins while it plans and runs (:class:`rtbench.session.Session` is the real one)."""

    @property
    def workspace(self) -> Path:
        """Folder of ledger, store and runs."""

    @property
    def environment(self) -> Environment:
        """What a worker process needs to make a session of its own."""

    @property
    def files(self) -> DataFiles: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def store(self) -> Store:
        """Finished steps."""

    @property
    def budget(self) -> Budget | None:
        """What the run may spend; None: no cap."""

    @property
    def recordings(self) -> Path | None:
        """Folder with recorded completions, where there is one."""

    @property
    def trust_remote_code(self) -> bool: ...
    @property
    def offline(self) -> bool: ...

    def task(self, name: str) -> Task: ...
    def task_data(self, name: str, variant: str) -> TaskData: ...
    def teacher(self, plugin: str, name: str, options: dict[str, Any]) -> Teacher: ...
    def student(self, plugin: str, name: str, options: dict[str, Any]) -> Student: ...
    def method(self, name: str) -> Method: ...
    def curator(self, name: str, options: dict[str, Any]) -> Curator: ...


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """All that a worker process needs to rebuild the session: plain data, no secrets."""

    workspace: str
    data_dir: str | None = None
    cache_dir: str | None = None
    recordings: str | None = None
    plugin_files: tuple[str, ...] = ()
    task_files: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    trust_remote_code: bool = False
    offline: bool = False
    budget: Cap | None = None
    """What the run may spend."""
