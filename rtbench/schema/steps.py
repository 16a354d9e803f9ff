"""Steps: the cacheable units of work that answer a matrix's cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeGuard

from typing_extensions import TypeVar

from rtbench.schema.base import Family, Record
from rtbench.schema.completions import ModelSpec, Sampling
from rtbench.schema.prompts import PromptFormat
from rtbench.schema.tasks import Questions, RationaleSource
from rtbench.schema.training import Recipe

StepKind = Literal["complete", "curate", "train", "score"]
VERSIONS: dict[StepKind, int] = {"complete": 1, "curate": 1, "train": 1, "score": 3}
"""Version of each kind's implementation; raised when its results change, which makes old results stale."""


class TaskSpec(Record, frozen=True, omit_defaults=True):
    """Names a task's data."""

    name: str
    variant: str
    split: str
    fingerprint: str
    dataset: str
    """Name of the samples in the ledger (:meth:`rtbench.plugin.tasks.Task.dataset_id`)."""


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
    """What the extractor is by content (:meth:`rtbench.plugin.tasks.Task.extractor_key`)."""
    degree: int
    answer_prefixes: list[str | None]
    """One per ``completions`` input."""
    learns_from: RationaleSource | None = None
    """As the teacher says (:attr:`rtbench.plugin.models.Teacher.learns_from`)."""
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


SpecT = TypeVar("SpecT", bound=Spec, default=Any)


class Step(Record, Generic[SpecT], frozen=True):
    """One cacheable unit of work: small, serialisable, finds its inputs by key."""

    key: str
    kind: StepKind
    spec: SpecT
    inputs: tuple[Input, ...]
    resources: Resources
    title: str
    """For people; not part of the key."""

    def inputs_as(self, role: str) -> list[Input]:
        return [i for i in self.inputs if i.role == role]


def asks_model(step: Step[Any]) -> TypeGuard[Step[CompleteSpec]]:
    """Return whether it is a ``complete`` step."""
    return isinstance(step.spec, CompleteSpec)


def curates(step: Step[Any]) -> TypeGuard[Step[CurateSpec]]:
    """Return whether it is a ``curate`` step."""
    return isinstance(step.spec, CurateSpec)


def trains(step: Step[Any]) -> TypeGuard[Step[TrainSpec]]:
    """Return whether it is a ``train`` step."""
    return isinstance(step.spec, TrainSpec)


def kind_of(spec: Spec) -> StepKind:
    return spec.__struct_config__.tag  # type: ignore[return-value]


class Resources(Record, frozen=True):
    """What a step needs while it runs."""

    cpus: int = 1
    gpus: int = 0
    processes: int = 1
    """That do it together."""
    memory_gb: float = 1.0
    """GiB at its peak, as expected."""
    least_gb: float = 0.0
    """GiB that it certainly needs, of its GPUs' memory where it takes some: it is not begun where there are fewer."""
    lane: str = ""
    """Steps of one lane run one after the other: they share an endpoint, whose limits are for all of them together."""


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
