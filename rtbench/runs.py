"""What a run leaves behind for the report: which cells there were, and the keys of the steps that answer them.

The record holds no result. Results stand in the ledger and the store alone; deleting a report or re-making it loses
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import msgspec

from rtbench.errors import BadInputError, UnknownNameError
from rtbench.files import read_json, write_atomic
from rtbench.interfaces import Outcome, Recipe
from rtbench.overlap import Overlap, overlap_of
from rtbench.places import inside
from rtbench.plan import Plan
from rtbench.records import Fold, Price, Record, Source
from rtbench.specs import CompleteSpec, Step

if TYPE_CHECKING:
    from rtbench.plan import PlannedCell
    from rtbench.session import Session
    from rtbench.store import Store


class CellRecord(Record, frozen=True, omit_defaults=True):
    """One cell of a run."""

    name: str
    method: str
    task: str
    dataset: str
    variant: str
    split: str
    teacher: str | None
    student: str | None
    degree: int | None
    seed: int
    fraction: float
    selection: str | None
    """How the epoch was chosen; None where nothing is trained."""
    extractor: str
    limit: int | None
    recipe: Recipe | None
    """Of the training; None where nothing is trained."""
    temperature: float | None
    """Of the teacher, where the matrix sets it."""
    recorded: bool
    """The teacher's completions are recordings."""
    source: Source = "upstream"
    fold: Fold = "test"
    series: str | None = None
    """Of the student (:attr:`rtbench.interfaces.Student.series`)."""
    random_weights: bool = False
    """Of the student, before training."""
    score: str | None = None
    """Key of the score step."""
    completions: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    """Keys of the complete steps below that ask the teacher."""
    examples: str | None = None
    checkpoint: str | None = None
    reason: str | None = None
    """Why it could not run or failed."""

    def scored_in(self, store: Store) -> bool:
        """Whether its scores are there."""
        return self.score is not None and store.has("score", self.score)


class RunRecord(Record, frozen=True, omit_defaults=True):
    """One run."""

    name: str
    matrix: str
    description: str
    version: str
    tasks: tuple[str, ...]
    cells: tuple[CellRecord, ...]
    made: str = ""
    """The day, in UTC: ``2026-11-27``."""
    prices: dict[str, Price] = {}
    """By teacher, as they were when it ran; teachers without one are not here."""
    student_prices: dict[str, Price] = {}
    """By student, likewise."""
    random: dict[str, float] = {}
    """Expected accuracy of a uniform guess, by task."""
    overlap: dict[str, Overlap] = {}
    """Of test and training questions, by task; of upstream data alone, as twins' folds are disjoint by pattern."""


def run_record(
    name: str,
    plan: Plan,
    outcome: Outcome | None,
    *,
    version: str,
    random: Mapping[str, float] | None = None,
    overlap: Mapping[str, Overlap] | None = None,
) -> RunRecord:
    """Sums up a plan and, once it has run, how it ended."""
    teachers = [planned.cell.models.teacher for planned in plan.cells]
    students = [planned.cell.models.student for planned in plan.cells]
    return RunRecord(
        name=name,
        matrix=plan.matrix.name,
        description=plan.matrix.file.description,
        version=version,
        made=f"{datetime.now(UTC):%Y-%m-%d}",
        tasks=tuple(dict.fromkeys(planned.cell.task.name for planned in plan.cells)),
        cells=tuple(_cell_record(planned, plan, outcome) for planned in plan.cells),
        prices={teacher.name: teacher.price for teacher in teachers if teacher and teacher.price},
        student_prices={student.name: student.price for student in students if student and student.price},
        random=dict(random or {}),
        overlap=dict(overlap or {}),
    )


def random_accuracies(session: Session, plan: Plan) -> dict[str, float]:
    """Expected accuracy of a uniform guess, by task, for a run record: as the task has it, else by the choices of the
    questions that are asked first. Without choices there is none."""
    found: dict[str, float] = {}
    for planned in plan.cells:
        spec, stated = planned.cell.task, planned.cell.models.task.info.random_accuracy
        if spec.name in found:
            continue
        if stated is not None:
            found[spec.name] = stated
        elif planned.score is not None:
            samples = session.task_data(spec.name, spec.variant).fold(spec.split, planned.cell.fold)
            if samples and all(sample.choices for sample in samples):
                found[spec.name] = fmean(1 / len(sample.choices) for sample in samples)
    return found


def overlaps(session: Session, plan: Plan) -> dict[str, Overlap]:
    """By task, for a run record."""
    asked = {p.cell.task.name: p.cell.task for p in plan.cells if p.score is not None and p.cell.source == "upstream"}
    found = {name: overlap_of(session.task_data(name, spec.variant), spec.split) for name, spec in asked.items()}
    return {name: one for name, one in found.items() if one is not None}


def _cell_record(planned: PlannedCell, plan: Plan, outcome: Outcome | None) -> CellRecord:
    cell = planned.cell
    score = planned.score
    below = _below(plan, score)
    trains = [step for step in below if step.kind == "train"]
    reason = planned.reason
    if reason is None and outcome is not None and score is not None:
        state = outcome.states.get(score.key)
        if state is not None and state.state in {"failed", "skipped"}:
            reason = state.error
        elif state is not None and state.state == "pending":
            reason = "stopped before it was done; run again to go on"
    return CellRecord(
        name=cell.name,
        method=cell.method,
        task=cell.task.name,
        dataset=cell.task.dataset,
        variant=cell.task.variant,
        split=cell.task.split,
        teacher=cell.teacher.name if cell.teacher else None,
        student=cell.student.name if cell.student else None,
        degree=cell.degree,
        seed=cell.seed,
        fraction=cell.fraction,
        selection=cell.recipe.selection if cell.trains else None,
        extractor=cell.primary,
        limit=cell.test_limit,
        recipe=cell.recipe if cell.trains else None,
        temperature=cell.temperature,
        recorded=bool(cell.models.teacher and cell.models.teacher.recorded),
        source=cell.source,
        fold=cell.fold,
        series=cell.models.student.series if cell.models.student else None,
        random_weights=bool(cell.models.student and cell.models.student.random_weights),
        score=score.key if score else None,
        completions=tuple(i.key for i in score.inputs) if score else (),
        asked=tuple(step.key for step in below if isinstance(step.spec, CompleteSpec) and _of_teacher(step.spec)),
        examples=_examples(plan, trains),
        checkpoint=trains[0].key if trains else None,
        reason=reason,
    )


def _examples(plan: Plan, trains: Sequence[Step]) -> str | None:
    """What is trained on: of several trainings (STaR), what the teacher wrote for the first of them."""
    found = [train.inputs_as("examples")[0].key for train in trains]
    for key in found:
        asked = [plan.steps[i.key].spec for i in plan.steps[key].inputs_as("completions")]
        if any(isinstance(spec, CompleteSpec) and spec.model.role == "teacher" for spec in asked):
            return key
    return found[0] if found else None


def _of_teacher(spec: CompleteSpec) -> bool:
    return spec.model.role == "teacher" and spec.recorded is None


def _below(plan: Plan, score: Step | None) -> list[Step]:
    """The steps a score rests on."""
    found: dict[str, Step] = {}
    stack = [score] if score else []
    while stack:
        step = stack.pop()
        for i in step.inputs:
            if i.key not in found:
                found[i.key] = plan.steps[i.key]
                stack.append(plan.steps[i.key])
    return list(found.values())


class Runs:
    """The run records of a workspace."""

    def __init__(self, workspace: Path) -> None:
        self.root = workspace / "runs"

    def names(self) -> list[str]:
        """Oldest first."""
        found = sorted(self.root.glob("*.json"), key=lambda path: path.stat().st_mtime)
        return [path.stem for path in found]

    def save(self, record: RunRecord) -> None:
        write_atomic(inside(self.root, f"{record.name}.json"), msgspec.json.format(msgspec.json.encode(record)) + b"\n")

    def load(self, name: str | None = None) -> RunRecord:
        """A run by name, or the latest.

        Raises:
            BadInputError: there is no run yet.
            UnknownNameError: no run of that name.
        """
        names = self.names()
        if not names:
            raise BadInputError(
                "no run yet", where=str(self.root.parent), next_step="`rtbench run` makes one; or give --workspace."
            )
        if name is not None and name not in names:
            raise UnknownNameError.of("run", name, names, where=str(self.root))
        record: RunRecord = read_json(self.root / f"{name or names[-1]}.json", RunRecord)
        return record
