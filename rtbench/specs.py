"""Cells and steps: what a matrix is made of, and the cacheable units of work that answer it."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from rtbench.interfaces import DemonstrationSource, PromptFormat, RationaleSource, Recipe, Student, Task, Teacher
from rtbench.keys import content_key
from rtbench.records import Family, Fold, ModelSpec, Questions, Record, Resources, Sampling, Source
from rtbench.twins import setting_of

StepKind = Literal["complete", "curate", "train", "score"]
VERSIONS: dict[StepKind, int] = {"complete": 1, "curate": 1, "train": 1, "score": 3}
"""Version of each kind's implementation; raised when its results change, which makes old results stale."""


# ------------------------------------------------------------------------------------------------------------ steps


class TaskSpec(Record, frozen=True, omit_defaults=True):
    """Names a task's data."""

    name: str
    variant: str
    split: str
    fingerprint: str
    dataset: str
    """Name of the samples in the ledger (:meth:`rtbench.interfaces.Task.dataset_id`)."""


class Input(Record, frozen=True):
    """A step that another one rests on, and as what."""

    role: str
    """``checkpoint``, ``reasoning``, ``answered``, ``completions`` or ``examples``."""
    kind: StepKind
    key: str


class UnlessRight(Record, frozen=True, omit_defaults=True):
    """Leaves out questions to which one of the step's ``answered`` inputs has a right answer."""

    extractor: str
    extractor_key: str
    answer_prefixes: list[str | None]
    """One per ``answered`` input."""


class CompleteSpec(Record, frozen=True, tag="complete", tag_field="type", omit_defaults=True):
    """A text model answers prompts: a teacher writing rationales, or a student being tested."""

    task: TaskSpec
    questions: Questions
    model: ModelSpec
    trained: bool
    """True: the weights are a train step's, not the model's own."""
    epoch: int | None
    """Epoch of the checkpoint; None: the selected one."""
    family: Family
    format: PromptFormat
    stage: Literal["input", "answer"]
    sampling: Sampling
    n: int
    recorded: str | None
    """Identifies the recordings that answer; None: the model does."""
    demonstrations: str
    trigger: str
    """What the answer stage asks; empty in the first stage."""
    hint: str = ""
    """Said behind the question, with the gold ``{answer}``: a request to explain, not to find out."""
    unless_right: UnlessRight | None = None


class CurateSpec(Record, frozen=True, tag="curate", tag_field="type", omit_defaults=True):
    """Completions in, training examples out. Without completions: the gold answers themselves."""

    task: TaskSpec
    questions: Questions
    curators: list[tuple[str, int, dict[str, object]]]
    """Name, implementation version, options."""
    extractor: str
    extractor_key: str
    """What the extractor is by content (:meth:`rtbench.interfaces.Task.extractor_key`)."""
    degree: int
    answer_prefixes: list[str | None]
    """One per ``completions`` input."""
    learns_from: RationaleSource | None = None
    """As the teacher says (:attr:`rtbench.interfaces.Teacher.learns_from`)."""
    judges: dict[str, dict[str, Any]] = {}
    """Models that curators ask, by the fingerprint that stands for them in their options; not part of the key."""

    def stated(self) -> list[tuple[str, dict[str, Any]]]:
        """Curators with the options that they were given, their models too."""
        return [
            (name, {**options, **({"model": self.judges[model]} if model in self.judges else {})})
            for name, _, options in self.curators
            for model in [str(options.get("model"))]
        ]


class TrainSpec(Record, frozen=True, tag="train", tag_field="type", omit_defaults=True):
    """Examples and a base student in, a checkpoint out."""

    task: TaskSpec
    model: ModelSpec
    family: Family
    format: PromptFormat
    recipe: Recipe
    seed: int


class ScoreSpec(Record, frozen=True, tag="score", tag_field="type", omit_defaults=True):
    """Completions in, scores out. Pure."""

    task: TaskSpec
    questions: Questions
    extractors: tuple[tuple[str, str], ...]
    """Name and content key of each."""
    answer_prefix: str | None
    aggregate: Literal["single", "majority", "best-epoch"]
    """``majority``: the answer most samples gave; ``best-epoch``: inputs are epochs, the best counts."""
    primary: str
    """Extractor that ``best-epoch`` selects by."""


Spec = CompleteSpec | CurateSpec | TrainSpec | ScoreSpec


class Step(Record, frozen=True):
    """One cacheable unit of work: small, serialisable, finds its inputs by key."""

    key: str
    kind: StepKind
    spec: Spec
    inputs: tuple[Input, ...]
    resources: Resources
    title: str
    """For people; not part of the key."""

    def inputs_as(self, role: str) -> list[Input]:
        return [i for i in self.inputs if i.role == role]


def step_key(spec: Spec, inputs: Iterable[Input]) -> str:
    """Hash of kind, spec, implementation version and the inputs' keys. A model counts by its fingerprint alone, in
    trainings also by the version of how it is trained."""
    kind = kind_of(spec)
    counted: Any = spec
    if isinstance(spec, CompleteSpec):
        counted = msgspec.structs.replace(spec, model=spec.model.fingerprint)
    elif isinstance(spec, TrainSpec):
        trained = spec.model.fingerprint
        if spec.model.training != 1:
            trained += f"+training-{spec.model.training}"
        counted = msgspec.structs.replace(spec, model=trained)
    elif isinstance(spec, CurateSpec) and spec.judges:
        counted = msgspec.structs.replace(spec, judges={})
    # Encoded here, where structs can be sorted as they are: plans have hundreds of thousands of steps.
    content = msgspec.Raw(msgspec.json.encode(counted, order="sorted"))
    return content_key("step", kind, VERSIONS[kind], content, [(i.role, i.key) for i in inputs])


def kind_of(spec: Spec) -> StepKind:
    return spec.__struct_config__.tag  # type: ignore[return-value]


# ------------------------------------------------------------------------------------------------------------ cells


class Entry(Record, frozen=True, omit_defaults=True):
    """A teacher or student as a matrix names it."""

    name: str
    use: str
    """Registered name of the factory."""
    options: dict[str, Any]
    tasks: tuple[str, ...] | None = None
    """Only for these tasks; None: all of the matrix's."""
    degrees: tuple[int, ...] | None = None
    """Instead of the matrix's degrees."""


@dataclass(frozen=True)
class CellModels:
    """The models of a cell, opened for their names and fingerprints only. Many cells share one such, so that what a model
    says of itself is asked once."""

    task: Task
    teacher: Teacher | None
    student: Student | None
    _needs: dict[tuple[str, Recipe], Resources] = field(default_factory=dict, init=False, compare=False, repr=False)

    @functools.cached_property
    def members(self) -> Sequence[ModelSpec]:
        """The teacher's."""
        return self.teacher.members() if self.teacher is not None else ()

    @functools.cached_property
    def base(self) -> ModelSpec:
        """The student's model, but for what depends on a task's training fold."""
        assert self.student is not None
        return self.student.model()

    @functools.cached_property
    def teacher_needs(self) -> Resources:
        """Of a step that asks the teacher."""
        return self.teacher.resources() if self.teacher is not None else Resources()

    def student_needs(self, kind: Literal["train", "complete"], recipe: Recipe) -> Resources:
        """Of a step that trains or asks the student."""
        assert self.student is not None
        if (kind, recipe) not in self._needs:
            self._needs[kind, recipe] = self.student.resources(kind, recipe)
        return self._needs[kind, recipe]


class Cell(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One point of the matrix: method × task × teacher × student × degree × seed × data fraction × fold."""

    method: str
    task: TaskSpec
    teacher: Entry | None
    student: Entry | None
    degree: int | None
    seed: int
    fraction: float
    fold: Fold
    """The one that is answered and scored; what is asked of a teacher for training and what is trained on is the same
    for all."""
    recipe: Recipe
    test_limit: int | None
    train_limit: int | None
    extractors: tuple[tuple[str, str], ...]
    """Name and content key of each."""
    primary: str
    curators: tuple[tuple[str, dict[str, object]], ...]
    temperature: float | None
    """Of the teacher, where the matrix sets it and it applies."""
    teacher_seed: int
    """Base seed of the teacher's draws."""
    demonstrations: DemonstrationSource
    trains: bool
    """The method trains the student."""
    models: CellModels

    @functools.cached_property
    def name(self) -> str:
        """Short, unique within a matrix."""
        if self.fold == "test":
            return self.training
        return "/".join([*self._parts(), self.fold, f"seed{self.seed}"])

    @functools.cached_property
    def training(self) -> str:
        """Name of what is trained, which answers every fold."""
        return "/".join([*self._parts(), f"seed{self.seed}"])

    @property
    def source(self) -> Source:
        """Where the questions come from."""
        return "upstream" if setting_of(self.task.variant) is None else "twin"

    def _parts(self) -> list[str]:
        parts = [self.task.name, self.method]
        if self.teacher is not None:
            parts.append(self.teacher.name)
        if self.student is not None:
            parts.append(self.student.name)
        if self.degree is not None:
            parts.append(f"D{self.degree}")
        if self.temperature is not None and self.teacher is not None:
            parts.append(f"T{self.temperature:g}")
        if self.fraction != 1.0:
            parts.append(f"{self.fraction:g}")
        if self.task.split != "default":
            parts.append(self.task.split)
        return parts
