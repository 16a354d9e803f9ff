"""From cells to a plan: every step once, each with its content key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import msgspec

from rtbench.errors import MissingDataError, RtbenchError, StepFailedError
from rtbench.interfaces import PromptFormat, Recipe, Student, Task, Teacher
from rtbench.keys import content_key
from rtbench.records import Family, Fold, ModelSpec, Record, Resources, Sampling

if TYPE_CHECKING:
    from rtbench.config import Entry, Matrix
    from rtbench.session import Session

StepKind = Literal["complete", "curate", "train", "score"]
VERSIONS: dict[StepKind, int] = {"complete": 1, "curate": 1, "train": 1, "score": 1}
"""Version of each kind's implementation; raised when its results change, which makes old results stale."""

DIVERSE_TEMPERATURE = 0.7
"""Temperature of diverse reasoning (paper, section 4)."""


# ------------------------------------------------------------------------------------------------------------ steps


class TaskSpec(Record, frozen=True):
    """Names a task's data."""

    name: str
    variant: str
    split: str
    fingerprint: str
    dataset: str
    """Name of the samples in the ledger (:meth:`rtbench.interfaces.Task.dataset_id`)."""


class Questions(Record, frozen=True):
    """Which questions of a fold."""

    fold: Fold
    limit: int | None = None
    """The first so many, after ``fraction``."""
    fraction: float = 1.0
    """A random part, drawn as in the original's ``subsample_indices``."""


class Input(Record, frozen=True):
    """A step that another one rests on, and as what."""

    role: str
    """``checkpoint``, ``reasoning``, ``completions`` or ``examples``."""
    kind: StepKind
    key: str


class CompleteSpec(Record, frozen=True, tag="complete", tag_field="type"):
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


class CurateSpec(Record, frozen=True, tag="curate", tag_field="type"):
    """Completions in, training examples out. Without completions: the gold answers themselves."""

    task: TaskSpec
    questions: Questions
    curators: list[tuple[str, int, dict[str, object]]]
    """Name, implementation version, options."""
    extractor: str
    extractor_version: int
    degree: int
    answer_prefixes: list[str | None]
    """One per ``completions`` input."""


class TrainSpec(Record, frozen=True, tag="train", tag_field="type"):
    """Examples and a base student in, a checkpoint out."""

    task: TaskSpec
    model: ModelSpec
    family: Family
    format: PromptFormat
    recipe: Recipe
    seed: int


class ScoreSpec(Record, frozen=True, tag="score", tag_field="type"):
    """Completions in, scores out. Pure."""

    task: TaskSpec
    questions: Questions
    extractors: list[tuple[str, int]]
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
    """Hash of kind, spec, implementation version and the inputs' keys. A model counts by its fingerprint alone."""
    kind: StepKind = spec.__struct_config__.tag  # type: ignore[assignment]
    plain = msgspec.to_builtins(spec)
    if isinstance(spec, CompleteSpec | TrainSpec):
        plain["model"] = spec.model.fingerprint
    return content_key("step", kind, VERSIONS[kind], plain, [[i.role, i.key] for i in inputs])


# ------------------------------------------------------------------------------------------------------------ cells


@dataclass(frozen=True)
class CellModels:
    """The models of a cell, opened for their names and fingerprints only."""

    task: Task
    teacher: Teacher | None
    student: Student | None


@dataclass(frozen=True)
class Cell:
    """One point of the matrix: method × task × teacher × student × degree × seed × data fraction."""

    method: str
    task: TaskSpec
    teacher: Entry | None
    student: Entry | None
    degree: int | None
    seed: int
    fraction: float
    recipe: Recipe
    test_limit: int | None
    train_limit: int | None
    extractors: tuple[tuple[str, int], ...]
    primary: str
    curators: tuple[tuple[str, dict[str, object]], ...]
    temperature: float | None
    models: CellModels = field(compare=False, repr=False)

    @property
    def name(self) -> str:
        """Short, unique within a matrix."""
        parts = [self.task.name, self.method]
        if self.teacher is not None:
            parts.append(self.teacher.name)
        if self.student is not None:
            parts.append(self.student.name)
        if self.degree is not None:
            parts.append(f"D{self.degree}")
        if self.fraction != 1.0:
            parts.append(f"{self.fraction:g}")
        parts.append(f"seed{self.seed}")
        return "/".join(parts)


@dataclass(frozen=True)
class PlannedCell:
    """A cell with the step that answers it, or why it cannot run."""

    cell: Cell
    score: Step | None
    reason: str | None = None
    notes: tuple[str, ...] = ()
    """What it does without: members of a pooled teacher that have nothing for the task."""


class UnavailableError(RtbenchError):
    """A cell cannot run here; the leaderboard shows the reason in its place."""


class StepBuilder:
    """What a method builds its steps with. Equal steps are made once per plan."""

    def __init__(self, session: Session) -> None:
        self.steps: dict[str, Step] = {}
        self.notes: list[str] = []
        """What the cell at hand does without."""
        self._session = session
        self._prepared: dict[tuple[str, str], str | None] = {}

    # ---- complete

    def ask_teacher(self, cell: Cell, *, fold: Fold, n: int = 1) -> list[tuple[Step, str | None]]:
        """The teacher's completions for a fold: per member, its last stage's step and the answer prefix.

        Raises:
            UnavailableError: it has nothing for this task.
        """
        teacher = cell.models.teacher
        assert teacher is not None, f"method {cell.method} asks a teacher but does not set uses_teacher"
        reasons: list[str] = []
        asked: list[tuple[Step, str | None]] = []
        for member in teacher.members():
            reason = self._prepare(teacher, member, cell)
            if reason is not None:
                reasons.append(reason)
                continue
            asked.append(
                (
                    self._ask_member(cell, teacher, member, fold, n),
                    teacher.answer_prefix(member, cell.task.dataset),
                )
            )
        if not asked:
            raise UnavailableError("; ".join(reasons) or f"teacher {teacher.name} has no members")
        self.notes += reasons
        return asked

    def _prepare(self, teacher: Teacher, member: ModelSpec, cell: Cell) -> str | None:
        key = (member.fingerprint, cell.task.dataset)
        if key not in self._prepared:
            self._prepared[key] = teacher.prepare(member, cell.models.task, cell.task.variant, self._session)
        return self._prepared[key]

    def _ask_member(self, cell: Cell, teacher: Teacher, member: ModelSpec, fold: Fold, n: int) -> Step:
        if teacher.recorded:
            content = teacher.recorded_content(member, cell.task.dataset)
            draw = Sampling(max_new_tokens=0)
            return self.complete(cell, member, "decoder", teacher.format, draw, fold=fold, n=n, recorded=content)
        temperature = cell.temperature
        if temperature is None:
            temperature = 0.0 if n == 1 else DIVERSE_TEMPERATURE
        template = teacher.format.template("decoder")
        tokens, answer_tokens = teacher.max_new_tokens
        draw = Sampling(max_new_tokens=tokens, temperature=temperature, stop=template.stop, seed=cell.seed)
        first = self.complete(
            cell, member, "decoder", teacher.format, draw, fold=fold, n=n, resources=teacher.resources()
        )
        if template.answer_input is None:
            return first
        answer = Sampling(max_new_tokens=answer_tokens, stop=template.stop, seed=cell.seed)
        return self.complete(
            cell,
            member,
            "decoder",
            teacher.format,
            answer,
            fold=fold,
            n=n,
            reasoning=first,
            resources=teacher.resources(),
        )

    def ask_student(
        self,
        cell: Cell,
        prompt_format: PromptFormat,
        *,
        checkpoint: Step | None = None,
        epoch: int | None = None,
        n: int = 1,
        temperature: float = 0.0,
    ) -> Step:
        """The student (a train step's checkpoint, or untrained) answers the test fold."""
        student = cell.models.student
        assert student is not None, f"method {cell.method} asks a student but uses_student is off"
        template = prompt_format.template(student.family)
        sampling = Sampling(
            max_new_tokens=cell.recipe.max_new_tokens, temperature=temperature, stop=template.stop, seed=cell.seed
        )
        model = self._base(student, cell)
        resources = student.resources("complete")
        first = self.complete(
            cell,
            model,
            student.family,
            prompt_format,
            sampling,
            fold="test",
            n=n,
            checkpoint=checkpoint,
            epoch=epoch,
            resources=resources,
        )
        if template.answer_input is None:
            return first
        answer = msgspec.structs.replace(sampling, max_new_tokens=min(32, sampling.max_new_tokens), temperature=0.0)
        return self.complete(
            cell,
            model,
            student.family,
            prompt_format,
            answer,
            fold="test",
            n=n,
            checkpoint=checkpoint,
            epoch=epoch,
            reasoning=first,
            resources=resources,
        )

    def complete(
        self,
        cell: Cell,
        model: ModelSpec,
        family: Family,
        prompt_format: PromptFormat,
        sampling: Sampling,
        *,
        fold: Fold,
        n: int,
        recorded: str | None = None,
        checkpoint: Step | None = None,
        epoch: int | None = None,
        reasoning: Step | None = None,
        resources: Resources | None = None,
    ) -> Step:
        """The general form; methods mostly call :meth:`ask_teacher` and :meth:`ask_student`."""
        if sampling.temperature == 0:  # a greedy completion does not depend on the seed: share it between seeds
            sampling = msgspec.structs.replace(sampling, seed=0)
        spec = CompleteSpec(
            task=cell.task,
            questions=self._questions(cell, fold),
            model=model,
            trained=checkpoint is not None,
            epoch=epoch,
            family=family,
            format=prompt_format,
            stage="answer" if reasoning else "input",
            sampling=sampling,
            n=n,
            recorded=recorded,
            demonstrations=self._demonstrations(cell, prompt_format),
        )
        inputs = [Input(role="checkpoint", kind="train", key=checkpoint.key)] if checkpoint else []
        if reasoning:
            inputs.append(Input(role="reasoning", kind="complete", key=reasoning.key))
        what = f"{fold} {prompt_format.name}{' answer' if reasoning else ''}{f' ×{n}' if n > 1 else ''}"
        whose = cell.name if checkpoint else f"{cell.task.name}/{model.name}"
        title = f"complete {whose}: {what}" + (f", epoch {epoch}" if epoch else "")
        return self._step(spec, inputs, title, resources or Resources())

    def _demonstrations(self, cell: Cell, prompt_format: PromptFormat) -> str:
        """Rendered here, so that the prompt's few-shot part is in the step's key."""
        if prompt_format.demonstrations is None:
            return ""
        return self._session.demonstrations(cell.task.name, prompt_format)

    # ---- curate, train, score

    def curate(self, cell: Cell, asked: Sequence[tuple[Step, str | None]] = ()) -> Step:
        """Training examples from the teacher's completions, or from the gold answers where there are none."""
        version = dict(cell.extractors)[cell.primary]
        spec = CurateSpec(
            task=cell.task,
            questions=self._questions(cell, "train"),
            curators=[
                (name, self._session.curator(name, dict(options)).version, options) for name, options in cell.curators
            ]
            if asked
            else [],
            extractor=cell.primary if asked else "",
            extractor_version=version if asked else 0,
            degree=(cell.degree or 1) if asked else 0,
            answer_prefixes=[prefix for _, prefix in asked],
        )
        inputs = [Input(role="completions", kind="complete", key=step.key) for step, _ in asked]
        source = cell.teacher.name if asked and cell.teacher else "gold answers"
        drawn = f"/D{cell.degree}" if asked and cell.degree else ""
        return self._step(spec, inputs, f"curate {cell.task.name}/{source}{drawn}", Resources())

    def train(self, cell: Cell, prompt_format: PromptFormat, examples: Step) -> Step:
        """Fine-tunes the cell's student on examples."""
        student = cell.models.student
        assert student is not None, f"method {cell.method} trains a student but uses_student is off"
        spec = TrainSpec(
            task=cell.task,
            model=self._base(student, cell),
            family=student.family,
            format=prompt_format,
            # How long a test completion may get does not change the training.
            recipe=msgspec.structs.replace(cell.recipe, max_new_tokens=0),
            seed=cell.seed,
        )
        inputs = [Input(role="examples", kind="curate", key=examples.key)]
        title = f"train {cell.name}"
        return self._step(spec, inputs, title, student.resources("train"))

    def test(self, cell: Cell, prompt_format: PromptFormat, checkpoint: Step) -> Step:
        """Completes and scores the test fold with a trained student, by the recipe's selection."""
        if cell.recipe.selection != "best-test":
            completions = [self.ask_student(cell, prompt_format, checkpoint=checkpoint)]
            return self.score(cell, prompt_format.answer_prefix, completions)
        completions = [
            self.ask_student(cell, prompt_format, checkpoint=checkpoint, epoch=epoch)
            for epoch in range(1, cell.recipe.epochs + 1)
        ]
        return self.score(cell, prompt_format.answer_prefix, completions, aggregate="best-epoch")

    def score(
        self,
        cell: Cell,
        answer_prefix: str | None,
        completions: Sequence[Step],
        *,
        aggregate: Literal["single", "majority", "best-epoch"] = "single",
    ) -> Step:
        """Scores completions of the test fold with all of the cell's extractors."""
        spec = ScoreSpec(
            task=cell.task,
            questions=self._questions(cell, "test"),
            extractors=list(cell.extractors),
            answer_prefix=answer_prefix,
            aggregate=aggregate,
            primary=cell.primary if aggregate == "best-epoch" else "",
        )
        inputs = [Input(role="completions", kind="complete", key=step.key) for step in completions]
        return self._step(spec, inputs, f"score {cell.name}", Resources())

    # ---- shared

    @staticmethod
    def _questions(cell: Cell, fold: Fold) -> Questions:
        if fold == "test":
            return Questions(fold=fold, limit=cell.test_limit)
        return Questions(fold=fold, limit=cell.train_limit, fraction=cell.fraction)

    @staticmethod
    def _base(student: Student, cell: Cell) -> ModelSpec:
        """The base model; where it depends on the training fold, so does its fingerprint."""
        model = student.model()
        if not student.needs_corpus:
            return model
        fingerprint = content_key("base", model.fingerprint, cell.task.fingerprint, cell.task.split)
        return msgspec.structs.replace(model, fingerprint=f"{model.plugin}-{fingerprint}")

    def _step(self, spec: Spec, inputs: Sequence[Input], title: str, resources: Resources) -> Step:
        key = step_key(spec, inputs)
        if key not in self.steps:
            kind: StepKind = spec.__struct_config__.tag  # type: ignore[assignment]
            self.steps[key] = Step(
                key=key, kind=kind, spec=spec, inputs=tuple(inputs), resources=resources, title=title
            )
        return self.steps[key]


# ------------------------------------------------------------------------------------------------------------- plan


@dataclass
class Plan:
    """Everything a run will do."""

    matrix: Matrix
    cells: list[PlannedCell]
    steps: dict[str, Step]
    """By key, in an order in which every step follows its inputs."""
    cached: set[str]
    """Keys of the steps that the store holds."""

    @property
    def todo(self) -> list[Step]:
        """Steps to be done, each after its inputs: not cached, and needed by a cell whose score is not."""
        needed: set[str] = set()
        stack = [planned.score.key for planned in self.cells if planned.score is not None]
        while stack:
            key = stack.pop()
            if key not in needed and key not in self.cached:
                needed.add(key)
                stack.extend(i.key for i in self.steps[key].inputs)
        return [step for key, step in self.steps.items() if key in needed]


def make_plan(session: Session, matrix: Matrix) -> Plan:
    """Expands a matrix's cells into steps and looks up which of them the store holds."""
    from rtbench.config import expand

    builder = StepBuilder(session)
    planned: list[PlannedCell] = []
    for cell, reason in expand(session, matrix):
        if reason is not None:
            planned.append(PlannedCell(cell, None, reason))
            continue
        builder.notes = []
        try:
            score = session.method(cell.method).steps(cell, builder)
            planned.append(PlannedCell(cell, score, notes=tuple(builder.notes)))
        except (UnavailableError, MissingDataError, StepFailedError) as error:
            planned.append(PlannedCell(cell, None, str(error)))
    steps = _needed(builder.steps, [p.score.key for p in planned if p.score is not None])
    cached = {key for key, step in steps.items() if session.store.has(step.kind, key)}
    plan = Plan(matrix, planned, steps, cached)
    session.plugins.modify_plan(plan)
    return plan


def _needed(steps: dict[str, Step], goals: Iterable[str]) -> dict[str, Step]:
    """The steps that the goals rest on, each after its inputs."""
    ordered: dict[str, Step] = {}
    stack = [(key, False) for key in reversed(list(dict.fromkeys(goals)))]
    while stack:
        key, expanded = stack.pop()
        if key in ordered:
            continue
        if expanded:
            ordered[key] = steps[key]
            continue
        stack.append((key, True))
        stack.extend((i.key, False) for i in reversed(steps[key].inputs) if i.key not in ordered)
    return ordered
