"""Build the record of a run from its plan and its outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rtbench.data.overlap import overlap_of
from rtbench.plugin.plans import Plan
from rtbench.schema.matrix import DEFAULT_CURATORS, GREEDY
from rtbench.schema.runs import CellRecord, GivenFile, RunRecord
from rtbench.schema.steps import CompleteSpec, Outcome, Step, asks_model
from rtbench.schema.tasks import Overlap, guess_accuracy

if TYPE_CHECKING:
    from rtbench.plugin.cells import Cell
    from rtbench.plugin.plans import PlannedCell
    from rtbench.plugin.services import Services
    from rtbench.schema.money import Price


def run_record(
    name: str,
    plan: Plan,
    outcome: Outcome | None,
    *,
    version: str,
    random: Mapping[str, float] | None = None,
    overlap: Mapping[str, Overlap] | None = None,
    files: Sequence[GivenFile] = (),
    plugins: Mapping[str, str] | None = None,
) -> RunRecord:
    """Return the record of a plan and, if it has run, of its outcome."""
    teachers = [planned.cell.models.teacher for planned in plan.cells]
    students = [planned.cell.models.student for planned in plan.cells]
    return RunRecord(
        name=name,
        matrix=plan.matrix,
        description=plan.description,
        claims=plan.claims,
        version=version,
        files=tuple(files),
        plugins=dict(plugins or {}),
        made=f"{datetime.now(UTC):%Y-%m-%d}",
        tasks=tuple(dict.fromkeys(planned.cell.task.name for planned in plan.cells)),
        cells=tuple(_cell_record(planned, plan, outcome) for planned in plan.cells),
        prices={teacher.name: teacher.price for teacher in teachers if teacher and teacher.price},
        source_prices=_source_prices(plan),
        student_prices={student.name: student.price for student in students if student and student.price},
        students=described(plan),
        random=dict(random or {}),
        overlap=dict(overlap or {}),
    )


def _source_prices(plan: Plan) -> dict[str, Price]:
    """Return the prices of the models of teachers, by fingerprint, where some teacher is mixed or trained."""
    teachers = [planned.cell.models.teacher for planned in plan.cells if planned.cell.models.teacher]
    if not any(len(teacher.sources()) > 1 or teacher.cell is not None for teacher in teachers):
        return {}
    found: dict[str, Price] = {}
    for teacher in {teacher.name: teacher for teacher in teachers}.values():
        for source in teacher.sources():
            if source.price is not None:
                found |= {member.fingerprint: source.price for member in source.members()}
    return found


def described(plan: Plan) -> dict[str, str]:
    """Return what students say of their weights, by student. Students whose weights are missing say nothing."""
    texts: dict[str, str] = {}
    for planned in plan.cells:
        student = planned.cell.models.student
        if (
            student is not None
            and student.name not in texts
            and planned.reason is None
            and (text := student.described())
        ):
            texts[student.name] = text
    return texts


def random_accuracies(services: Services, plan: Plan) -> dict[str, float]:
    """Return the expected accuracy of a uniform guess, by task, for a run record.

    It is the task's own value, or follows from the choices of the questions in the task's first scored cell. A task
    whose questions have no choices is left out.
    """
    found: dict[str, float] = {}
    for planned in plan.cells:
        spec, stated = planned.cell.task, planned.cell.models.task.info.random_accuracy
        if spec.name in found:
            continue
        if stated is not None:
            found[spec.name] = stated
        elif planned.score is not None:
            samples = services.task_data(spec.name, spec.variant).fold(spec.split, planned.cell.fold)
            if (guess := guess_accuracy(samples)) is not None:
                found[spec.name] = guess
    return found


def overlaps(services: Services, plan: Plan) -> dict[str, Overlap]:
    """Return the train/test overlap of each upstream task that is scored, for a run record.

    Its keys are task names; where several splits of a task are scored, each has the split's name after it.
    """
    scored = [p.cell.task for p in plan.cells if p.score is not None and p.cell.source == "upstream"]
    by_split = {(spec.name, spec.split): spec for spec in scored}
    splits = Counter(name for name, _ in by_split)
    overlaps: dict[str, Overlap] = {}
    for (name, split), spec in by_split.items():
        overlap = overlap_of(services.task_data(name, spec.variant), split)
        if overlap is not None:
            overlaps[name if splits[name] == 1 else f"{name} {split}"] = overlap
    return overlaps


def _cell_record(planned: PlannedCell, plan: Plan, outcome: Outcome | None) -> CellRecord:
    cell = planned.cell
    score = planned.score
    dependencies = _dependencies(plan, score)
    trains = [step for step in dependencies if step.kind == "train"]
    taught = {step.key for mentor in planned.mentors for step in _dependencies(plan, mentor.score)}
    own = [step for step in trains if step.key not in taught]
    completions = tuple(i.key for i in score.inputs) if score else ()
    asked_student = tuple(step.key for step in dependencies if asks_model(step) and step.spec.model.role == "student")
    reason = planned.reason
    if reason is None and outcome is not None and score is not None:
        state = outcome.states.get(score.key)
        if state is not None and state.state in {"failed", "skipped"}:
            reason = state.error
        elif state is not None and state.state == "pending":
            reason = "stopped before it was done; run again to continue"
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
        sampling=cell.sampling if cell.sampling != GREEDY else None,
        recorded=_recorded(planned),
        tries=cell.teacher.tries if cell.teacher and cell.trains else None,
        source=cell.source,
        fold=cell.fold,
        series=cell.models.student.series if cell.models.student else None,
        random_weights=bool(cell.models.student and cell.models.student.random_weights),
        score=score.key if score else None,
        completions=completions,
        asked=tuple(step.key for step in dependencies if asks_model(step) and _asks_teacher(step.spec)),
        selected_by=_selected_by(plan, completions),
        examples=_examples(plan, own),
        checkpoint=own[0].key if own else None,
        trainings=tuple(step.key for step in trains) if len(trains) > 1 else (),
        asked_student=asked_student if set(asked_student) != set(completions) else (),
        curators=_curators(cell),
        mentored=bool(planned.mentors),
        train_tasks=cell.train_names,
        reason=reason,
    )


def _selected_by(plan: Plan, completions: Sequence[str]) -> str | None:
    """Return the key of the score step that selects the epoch that is tested."""
    return next((i.key for key in completions for i in plan.steps[key].inputs_as("selection")), None)


def _curators(cell: Cell) -> tuple[str, ...]:
    """Return a cell's curators in words; empty where they are the default, or nothing is trained on rationales."""
    names = tuple(name for name, _ in cell.curators)
    if not cell.trains or cell.teacher is None or names == DEFAULT_CURATORS:
        return ()
    return tuple(
        " ".join([name, *(f"{key}={value}" for key, value in options.items() if not isinstance(value, dict))])
        for name, options in cell.curators
    ) or ("none",)


def _recorded(planned: PlannedCell) -> bool:
    """Return whether all teachers are recordings, or students that were taught by recordings only."""
    teacher = planned.cell.models.teacher
    if teacher is None:
        return False
    mine = all(source.recorded for source in teacher.sources() if source.cell is None)
    return mine and all(_recorded(mentor) for mentor in planned.mentors)


def _examples(plan: Plan, trains: Sequence[Step]) -> str | None:
    """Return the key of the training examples.

    If there are several trainings, prefer examples that the teacher wrote.
    """
    found = [train.inputs_as("examples")[0].key for train in trains]
    for key in found:
        asked = [plan.steps[i.key].spec for i in plan.steps[key].inputs_as("completions")]
        if any(isinstance(spec, CompleteSpec) and spec.model.role == "teacher" for spec in asked):
            return key
    return found[0] if found else None


def _asks_teacher(spec: CompleteSpec) -> bool:
    return spec.model.role == "teacher" and spec.recorded is None


def _dependencies(plan: Plan, score: Step | None) -> list[Step]:
    """Return all direct and indirect inputs of a score."""
    found: dict[str, Step] = {}
    stack = [score] if score else []
    while stack:
        step = stack.pop()
        for i in step.inputs:
            if i.key not in found:
                found[i.key] = plan.steps[i.key]
                stack.append(plan.steps[i.key])
    return list(found.values())
