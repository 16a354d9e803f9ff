"""Build the steps that select training examples, and those that read rationales for curators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rtbench.errors import UnavailableError
from rtbench.planning.completing import questions_for
from rtbench.planning.step_table import StepTable
from rtbench.planning.students import StudentSteps
from rtbench.plugin.cells import Cell
from rtbench.plugin.curators import Curator
from rtbench.plugin.methods import AskedStep
from rtbench.plugin.models import Student
from rtbench.schema.completions import ModelSpec
from rtbench.schema.prompts import PromptFormat
from rtbench.schema.steps import CurateSpec, Input, LikelihoodSpec, Resources, Step
from rtbench.schema.tasks import RationaleSource
from rtbench.steps.curate import judges_of


@dataclass(frozen=True)
class Curation:
    """What is curated, and how."""

    asked: tuple[AskedStep, ...]
    """Steps with the completions; empty for gold answers."""
    degree: int
    learns_from: RationaleSource | None
    curators: Sequence[tuple[str, dict[str, object]]]
    own: bool
    """Whether the completions are the student's."""
    format: PromptFormat | None
    """Format of the training rows, for curators that need it."""


@dataclass
class _Curators:
    """Curators as a step's spec stores them, and what they use."""

    named: list[tuple[str, int, dict[str, object]]] = field(default_factory=list)
    """Name, implementation version, options."""
    judges: dict[str, dict[str, Any]] = field(default_factory=dict)
    read: list[Step] = field(default_factory=list)
    """Steps with the likelihoods that they use, in order."""


class CurationSteps:
    """Builds ``curate`` and ``likelihood`` steps.

    Args:
        table: receives the steps.
        students: knows the base models of students.
    """

    def __init__(self, table: StepTable, students: StudentSteps) -> None:
        self._table = table
        self._students = students

    def curate(self, cell: Cell, curation: Curation) -> Step:
        """Return a ``curate`` step. Errors: :meth:`rtbench.plugin.methods.StepBuilder.curate`."""
        services, asked = self._table.services, curation.asked
        data = services.task_data(cell.task.name, cell.task.variant)
        if not data.fold(cell.task.split, "train"):
            raise UnavailableError(data.missing or f"{cell.task.name} has no training questions")
        curators = self._curators(cell, curation)
        spec = CurateSpec(
            task=cell.task,
            questions=questions_for(cell, "train"),
            curators=curators.named,
            extractor=cell.primary if asked else "",
            extractor_key=dict(cell.extractors)[cell.primary] if asked else "",
            degree=curation.degree,
            answer_prefixes=[one.answer_prefix for one in asked],
            learns_from=curation.learns_from,
            judges=curators.judges,
        )
        inputs = [Input(role="completions", kind="complete", key=one.step.key) for one in asked]
        inputs += [Input(role="likelihood", kind="likelihood", key=step.key) for step in curators.read]
        source = "gold answers"
        if asked:
            source = cell.student.name if curation.own and cell.student else cell.teacher.name if cell.teacher else "?"
        degree_part = f"/D{cell.degree}" if asked and cell.degree else ""
        judges = judges_of(services, spec) if curators.judges else []
        needs = judges[0].resources() if judges else Resources()
        return self._table.add(spec, inputs, f"curate {cell.task.dataset}/{source}{degree_part}", needs)

    def joined(self, steps: Sequence[Step]) -> Step:
        """Return the step that joins the examples of several tasks; that step itself where there is one."""
        if len(steps) == 1:
            return steps[0]
        first: CurateSpec = steps[0].spec
        spec = CurateSpec(
            task=first.task,
            questions=first.questions,
            curators=[],
            extractor="",
            extractor_key="",
            degree=0,
            answer_prefixes=[],
        )
        inputs = [Input(role="examples", kind="curate", key=step.key) for step in steps]
        names = "+".join(step.spec.task.dataset for step in steps)
        return self._table.add(spec, inputs, f"join the examples of {names}", Resources())

    def read_rationales(self, curators: Sequence[tuple[str, dict[str, object]]]) -> bool:
        """Return whether some of the curators use a model's likelihood of rationales."""
        found = [self._table.services.curator(name, dict(options)) for name, options in curators]
        return any(curator.likelihood_by is not None for curator in found)

    def _curators(self, cell: Cell, curation: Curation) -> _Curators:
        services, found = self._table.services, _Curators()
        for name, options in curation.curators:
            curator = services.curator(name, dict(options))
            if not curation.asked and not curator.of_questions:
                continue
            named, fingerprint = dict(options), None
            if curator.likelihood_by is not None:
                step = self._likelihood(cell, curation, curator)
                found.read.append(step)
                fingerprint = step.spec.model.fingerprint if curator.likelihood_by != "own" else None
            elif (teacher := curator.asks(services)) is not None:
                fingerprint = teacher.members()[0].fingerprint
            if fingerprint is not None:
                found.judges[fingerprint] = dict(options["model"])  # type: ignore[call-overload]
                named["model"] = fingerprint
            found.named.append((name, curator.version, named))
        return found

    def _likelihood(self, cell: Cell, curation: Curation, curator: Curator) -> Step:
        """Return the step that reads the completions with the model of a curator.

        Raises:
            UnavailableError: the method does not say how its rows are worded, or the model gives no probabilities.
        """
        if curation.format is None:
            raise UnavailableError(
                f"method {cell.method} does not say how its training rows are worded, which curator {curator.name} needs"
            )
        student, model = self._reader(cell, curator)
        if not student.guides:
            raise UnavailableError(
                f"{student.name} gives no probabilities of tokens, which curator {curator.name} needs",
                next_step="State another `model` of the curator, such as {use: pocket-2m}.",
            )
        spec = LikelihoodSpec(
            task=cell.task,
            model=model,
            family=student.family,
            format=curation.format,
            answer_prefixes=[one.answer_prefix for one in curation.asked],
            max_prompt_tokens=cell.recipe.max_prompt_tokens,
            max_label_tokens=cell.recipe.max_label_tokens,
            learns_from=curation.learns_from,
        )
        inputs = [Input(role="completions", kind="complete", key=one.step.key) for one in curation.asked]
        whose = cell.student if curation.own else cell.teacher
        title = f"read {cell.task.dataset}/{whose.name if whose else '?'} with {model.name}"
        return self._table.add(spec, inputs, title, student.resources("complete", cell.recipe))

    def _reader(self, cell: Cell, curator: Curator) -> tuple[Student, ModelSpec]:
        """Return the student that reads the completions for a curator, and its base."""
        stated = curator.likelihood_by
        if not isinstance(stated, dict):
            student = cell.required_student()
            if student.random_weights:
                raise UnavailableError(
                    f"{student.name} is not pre-trained, so its likelihoods mean nothing",
                    next_step=f"State another `model` of the curator {curator.name}, such as {{use: pocket-2m}}.",
                )
            return student, self._students.base(student, cell)
        options = {key: value for key, value in stated.items() if key not in {"use", "name"}}
        use = str(stated["use"])
        registered = self._table.services.registry("students").get(use, where=f"curator {curator.name}, model")
        student = self._table.services.student(use, str(stated.get("name", use)), {**registered.options, **options})
        if student.random_weights:
            raise UnavailableError(f"{student.name} is not pre-trained, so its likelihoods mean nothing")
        return student, student.model()
