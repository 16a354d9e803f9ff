"""Steps: the cacheable units of work that compute a matrix's cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeGuard

from typing_extensions import TypeVar

from rtbench.schema.base import Family, Record
from rtbench.schema.completions import ModelSpec, Sampling
from rtbench.schema.objectives import Objective
from rtbench.schema.prompts import PromptFormat
from rtbench.schema.tasks import Questions, RationaleSource
from rtbench.schema.training import Recipe

StepKind = Literal["complete", "likelihood", "curate", "train", "score"]
VERSIONS: dict[StepKind, int] = {"complete": 1, "likelihood": 1, "curate": 2, "train": 1, "score": 3}
"""Version of each kind's implementation. Raise it when results change, which makes old results stale."""


class TaskSpec(Record, frozen=True, omit_defaults=True):
    """Identifies a task's data."""

    name: str
    variant: str
    split: str
    fingerprint: str
    dataset: str
    """Name of the samples in the ledger (:meth:`rtbench.plugin.tasks.Task.dataset_id`)."""


class Input(Record, frozen=True):
    """A step that another step depends on, and its role there."""

    role: str
    """``checkpoint``, ``selection``, ``reasoning``, ``rewritten``, ``answered``, ``completions``, ``likelihood``, ``examples``, ``start`` or
    ``guide``; ``start-selection`` and ``guide-selection`` select the epoch of the last two."""
    kind: StepKind
    key: str


class UnlessRight(Record, frozen=True, omit_defaults=True):
    """Leaves out questions that the step's ``answered`` inputs answer correctly."""

    extractor: str
    extractor_key: str
    answer_prefixes: list[str | None]
    """Answer prefix of each ``answered`` input."""
    right: int = 1
    """Number of right answers with which a question is left out."""


class Rewritten(Record, frozen=True, omit_defaults=True):
    """How the rationales that a model rewrites are found in the completions of another."""

    answer_prefix: str | None
    learns_from: RationaleSource | None = None


class CompleteSpec(Record, frozen=True, tag="complete", tag_field="type", omit_defaults=True):
    """A step in which a text model answers prompts: a teacher writes rationales, or a student is tested."""

    task: TaskSpec
    questions: Questions
    model: ModelSpec
    trained: bool
    """True where the weights come from a ``train`` step instead of the model itself."""
    epoch: int | None
    """Epoch of the checkpoint; None: the selected one."""
    family: Family
    format: PromptFormat
    stage: Literal["input", "answer", "rewrite"]
    """``answer``: the prompts contain the completions of a ``reasoning`` input; ``rewrite``: those of a ``rewritten`` input."""
    sampling: Sampling
    n: int
    recorded: str | None
    """Identifies the recordings that answer; None where the model answers."""
    demonstrations: str
    trigger: str
    """Text with which the answer stage asks for the answer; empty in the first stage."""
    hint: str = ""
    """Text added after the question, with the gold ``{answer}``: the model then explains a known answer."""
    unless_right: UnlessRight | None = None
    start: int = 0
    """Index of the first of the ``n`` completions of a question."""
    rewritten: Rewritten | None = None
    """How rationales are found in the completions that are rewritten."""


class LikelihoodSpec(Record, frozen=True, tag="likelihood", tag_field="type", omit_defaults=True):
    """A step in which a base student reads completions as training rows: how likely it finds their labels."""

    task: TaskSpec
    model: ModelSpec
    family: Family
    format: PromptFormat
    answer_prefixes: list[str | None]
    """Answer prefix of each ``completions`` input."""
    max_prompt_tokens: int
    max_label_tokens: int
    learns_from: RationaleSource | None = None
    """The teacher's :attr:`rtbench.plugin.models.Teacher.learns_from`."""


class CurateSpec(Record, frozen=True, tag="curate", tag_field="type", omit_defaults=True):
    """A step that makes training examples from completions, or from the gold answers where there are no completions."""

    task: TaskSpec
    questions: Questions
    curators: list[tuple[str, int, dict[str, object]]]
    """Name, implementation version, options."""
    extractor: str
    extractor_key: str
    """Content key of the extractor (:meth:`rtbench.plugin.tasks.Task.extractor_key`)."""
    degree: int
    answer_prefixes: list[str | None]
    """Answer prefix of each ``completions`` input."""
    learns_from: RationaleSource | None = None
    """The teacher's :attr:`rtbench.plugin.models.Teacher.learns_from`."""
    judges: dict[str, dict[str, Any]] = {}
    """Options of the models that curators use, by the fingerprint that replaces them in the curators' options; not part
    of the key."""

    def stated(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the curators with their options as written, models included."""
        return [
            (name, {**options, **({"model": self.judges[model]} if model in self.judges else {})})
            for name, _, options in self.curators
            for model in [str(options.get("model"))]
        ]


class TrainSpec(Record, frozen=True, tag="train", tag_field="type", omit_defaults=True):
    """A step that fine-tunes a base student on examples and produces a checkpoint."""

    task: TaskSpec
    model: ModelSpec
    family: Family
    format: PromptFormat
    recipe: Recipe
    seed: int
    held_out: Questions | None = None
    """Questions whose examples are left out, because their answers select the epoch."""
    objective: Objective | None = None
    """What is minimised; None: the cross entropy of the examples."""
    guide: ModelSpec | None = None
    """Model whose probabilities are learnt; its weights are those of the ``guide`` input, if there is one."""
    extractor: str = ""
    """Extractor whose verdict is the reward; empty where there are no rewards."""
    extractor_key: str = ""
    """Content key of the extractor."""
    twin: str = ""
    """Identifies the twin of which new questions are asked; empty where none are."""


class ScoreSpec(Record, frozen=True, tag="score", tag_field="type", omit_defaults=True):
    """A step that scores completions. It is pure: the same inputs give the same scores."""

    task: TaskSpec
    questions: Questions
    extractors: tuple[tuple[str, str], ...]
    """Name and content key of each extractor."""
    answer_prefix: str | None
    aggregate: Literal["single", "majority", "best-epoch"]
    """``single``: each completion counts; ``majority``: a question's most frequent answer counts; ``best-epoch``: the
    inputs are epochs, and the best epoch counts."""
    primary: str
    """Extractor by which ``best-epoch`` selects."""


Spec = CompleteSpec | LikelihoodSpec | CurateSpec | TrainSpec | ScoreSpec


SpecT = TypeVar("SpecT", bound=Spec, default=Any)


class Step(Record, Generic[SpecT], frozen=True):
    """One cacheable unit of work: small and serialisable, with its inputs named by key."""

    key: str
    kind: StepKind
    spec: SpecT
    inputs: tuple[Input, ...]
    resources: Resources
    title: str
    """Human-readable title; not part of the key."""
    then: Step[CompleteSpec] | None = None
    """Second stage of a two-stage prompt. A model that keeps what it has read answers it too while it has the first stage's
    text; not part of the key."""
    again: bool = False
    """True where it is done again although it is in the store, because files of it were removed; not part of the key."""

    def inputs_as(self, role: str) -> list[Input]:
        """Return the inputs of a role, in order."""
        return [i for i in self.inputs if i.role == role]


def asks_model(step: Step[Any]) -> TypeGuard[Step[CompleteSpec]]:
    """Return whether a step is a ``complete`` step."""
    return isinstance(step.spec, CompleteSpec)


def curates(step: Step[Any]) -> TypeGuard[Step[CurateSpec]]:
    """Return whether a step is a ``curate`` step."""
    return isinstance(step.spec, CurateSpec)


def trains(step: Step[Any]) -> TypeGuard[Step[TrainSpec]]:
    """Return whether a step is a ``train`` step."""
    return isinstance(step.spec, TrainSpec)


def kind_of(spec: Spec) -> StepKind:
    """Return the kind of step that a spec describes."""
    return spec.__struct_config__.tag  # type: ignore[return-value]


class Resources(Record, frozen=True):
    """Resources that a step needs while it runs."""

    cpus: int = 1
    """CPU cores that it keeps busy; 0 where it waits for another machine."""
    gpus: int = 0
    processes: int = 1
    """Number of processes that run the step together."""
    memory_gb: float = 1.0
    """Expected peak memory in GiB."""
    least_gb: float = 0.0
    """Minimum memory in GiB (of its GPUs, if it uses any). The step is not started where there is less."""
    lane: str = ""
    """Steps of one lane run one after the other, because they share an endpoint and its limits."""


class Duration(Record, frozen=True):
    """How long a step takes on a machine."""

    seconds: float
    least: bool
    """True where it cannot take less, and may take much longer."""
    source: str
    """What it is derived from."""


class StepState(Record, frozen=True):
    """State of one step of a run."""

    key: str
    state: str
    """``cached``, ``done``, ``failed``, ``skipped`` (a step that it depends on failed), ``pending`` (the run stopped),
    or, during the run, ``waiting`` for something outside."""
    error: str | None = None
    trace: str | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    """Messages for the user about the result."""
    stops_run: bool = False
    """True where every other step would fail for the same reason."""
    after: float = 0.0
    """Seconds until a waiting step is tried again."""


@dataclass
class Outcome:
    """Outcome of a run."""

    states: dict[str, StepState] = field(default_factory=dict)
    """State of each step, by key."""
    interrupted: bool = False

    @property
    def failed(self) -> list[StepState]:
        """Return the states of the failed steps."""
        return [state for state in self.states.values() if state.state == "failed"]
