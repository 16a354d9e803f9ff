"""The builder with which a method creates the steps of a cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec.structs import replace

from rtbench.errors import PluginError, UnavailableError
from rtbench.planning.completing import Draw, as_asked, questions_for
from rtbench.planning.curation import Curation, CurationSteps
from rtbench.planning.step_table import StepTable
from rtbench.planning.students import StudentSteps, held_out_of
from rtbench.planning.teachers import TeacherSteps, tries_of
from rtbench.planning.trainings import check_training, training_needs, training_recipe, twin_asked
from rtbench.plugin.cells import Cell
from rtbench.plugin.methods import AskedStep
from rtbench.plugin.plans import PlannedCell
from rtbench.schema.base import Fold
from rtbench.schema.objectives import Grpo, Objective, settled
from rtbench.schema.prompts import PromptFormat
from rtbench.schema.steps import CompleteSpec, Input, Resources, ScoreSpec, Step, TrainSpec
from rtbench.texts import shown_in_line


class CellBuilder:
    """Builds the steps of one cell; implements :class:`rtbench.plugin.methods.StepBuilder`.

    Args:
        table: receives the steps.
        teachers: builds the steps that ask teachers; shared by all cells.
        students: builds the steps that ask students; likewise.
        curation: builds the steps that select training examples; likewise.
    """

    def __init__(
        self, table: StepTable, teachers: TeacherSteps, students: StudentSteps, curation: CurationSteps
    ) -> None:
        self._table = table
        self._teachers = teachers
        self._students = students
        self._curation = curation
        self._notes: dict[str, None] = {}
        self._mentors: dict[str, PlannedCell] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """Return the reasons why members of the cell's teacher are left out."""
        return tuple(self._notes)

    @property
    def mentors(self) -> tuple[PlannedCell, ...]:
        """Return the cells whose trained students are teachers of the cell."""
        return tuple(self._mentors.values())

    def ask_teacher(
        self, cell: Cell, *, fold: Fold, n: int = 1, hint: str = "", unless_right: Sequence[AskedStep] = ()
    ) -> list[AskedStep]:
        found: list[AskedStep] = []
        for part in cell.parts if fold == "train" else (cell,):
            before = tuple([one for one in as_asked(unless_right) if one.step.spec.task == part.task])
            asked = self._teachers.ask(part, Draw(questions_for(part, fold), n, hint=hint, unless_right=before))
            self._notes.update(dict.fromkeys(asked.without))
            self._mentors.update({mentor.cell.name: mentor for mentor in asked.mentors})
            found += asked.steps
        return found

    def ask_student(
        self,
        cell: Cell,
        prompt_format: PromptFormat,
        *,
        checkpoint: Step | None = None,
        epoch: int | None = None,
        n: int | None = None,
        temperature: float | None = None,
        fold: Fold | None = None,
        hint: str = "",
        unless_right: Sequence[AskedStep] = (),
    ) -> Step:
        if checkpoint is not None:
            check_kind(cell, "checkpoint", checkpoint, "train")
        if fold == "train" and len(cell.train_on) > 1:
            raise UnavailableError(
                f"method {cell.method} asks its student training questions, which works with one training task only"
            )
        cell = cell.parts[0] if fold == "train" else cell
        n = (cell.sampling.n if fold is None else 1) if n is None else n
        questions = questions_for(cell, fold or cell.fold)
        return self._students.ask(
            cell,
            prompt_format,
            Draw(questions, n, hint=hint, unless_right=as_asked(unless_right)),
            checkpoint=checkpoint,
            epoch=epoch,
            temperature=temperature,
            tests=fold is None,
        )

    def curate(
        self,
        cell: Cell,
        asked: Sequence[AskedStep] = (),
        *,
        degree: int | None = None,
        own: bool = False,
        also: Sequence[str] = (),
        prompt_format: PromptFormat | None = None,
    ) -> Step:
        asked = as_asked(asked)
        if cell.train_on:
            parts = [
                self.curate(
                    part,
                    [one for one in asked if one.step.spec.task == part.task],
                    degree=degree,
                    own=own,
                    also=also,
                    prompt_format=prompt_format,
                )
                for part in cell.parts
            ]
            return self._curation.joined(parts)
        degree = (degree or cell.degree or 1) if asked else 0
        if degree and not own and (tries := tries_of(cell)):  # all of them, right or wrong
            degree += max(0, tries - (cell.degree or 1))
        learns_from = cell.models.teacher.learns_from if asked and cell.models.teacher and not own else None
        inputs = tuple([(step.key, prefix) for step, prefix in asked])
        stated = msgspec.json.encode((cell.curators, also))
        curators = [*cell.curators, *((name, {}) for name in also)]
        reader: tuple[object, ...] = ()
        if self._table.once(("reads", stated), lambda: self._curation.read_rationales(curators)):
            lengths = (cell.recipe.max_prompt_tokens, cell.recipe.max_label_tokens)
            reader = (prompt_format, cell.student.name if cell.student else "", *lengths)
        key = (
            "curate", inputs, stated, cell.task, questions_for(cell, "train"), cell.primary, degree, learns_from, reader
        )  # fmt: skip
        curation = Curation(asked, degree, learns_from, curators, own, prompt_format)
        return self._table.once(key, lambda: self._curation.curate(cell, curation))

    def train(
        self,
        cell: Cell,
        prompt_format: PromptFormat,
        examples: Step,
        *,
        note: str = "",
        start: Step | None = None,
        objective: Objective | None = None,
        guide: AskedStep | Step | None = None,
        stored: Sequence[AskedStep] = (),
    ) -> Step:
        check_kind(cell, "examples", examples, "curate")
        if start is not None:
            check_kind(cell, "start", start, "train")
        if cell.train_on:
            self._check_together(cell, objective, stored)
        training, cell = cell.training, cell.parts[0]  # all tasks on which it is tested share the training
        student = cell.required_student()
        asked = guide.step if isinstance(guide, AskedStep) else guide
        named = cell.teacher.name if cell.teacher else student.name
        check_training(self._table.services, student, start, objective, asked, named, stored=bool(stored))
        rewarded = isinstance(objective, Grpo)
        spec = TrainSpec(
            task=cell.task,
            model=self._students.base(student, cell),
            family=student.family,
            format=prompt_format,
            recipe=training_recipe(cell.recipe, objective),
            seed=cell.seed,
            held_out=held_out_of(cell) if cell.recipe.selection == "val-accuracy" else None,
            objective=None if objective is None else settled(objective),
            guide=None if asked is None else asked.spec.model,
            extractor=cell.primary if rewarded else "",
            extractor_key=dict(cell.extractors)[cell.primary] if rewarded else "",
            twin=twin_asked(cell, objective),
        )
        inputs = [Input(role="examples", kind="curate", key=examples.key)]
        if start is not None:
            inputs.append(Input(role="start", kind="train", key=start.key))
            chosen = self._students.selection(cell, start.spec.format, start)
            inputs += [] if chosen is None else [Input(role="start-selection", kind="score", key=chosen.key)]
        if asked is not None:
            inputs += [replace(one, role="guide") for one in asked.inputs_as("checkpoint")]
            inputs += [replace(one, role="guide-selection") for one in asked.inputs_as("selection")]
        inputs += [Input(role="logprobs", kind="complete", key=one.step.key) for one in as_asked(stored)]
        title = f"train {training}" + (f", {note}" if note else "")
        needs = training_needs(cell.models.student_needs("train", cell.recipe), student, objective, asked)
        return self._table.add(spec, inputs, title, needs)

    def _check_together(self, cell: Cell, objective: Objective | None, stored: Sequence[AskedStep]) -> None:
        """Raise UnavailableError where a training is not possible on several tasks together."""
        if len(cell.train_on) < 2:
            return
        if stored:
            raise UnavailableError(
                f"stored log-probabilities can be learnt on one task, and the training is on {len(cell.train_on)}"
            )
        if isinstance(objective, Grpo) or cell.recipe.selection == "val-accuracy":
            what = "GRPO" if isinstance(objective, Grpo) else "`selection: val-accuracy`"
            raise UnavailableError(
                f"{what} checks the answers of one task, and the training is on {len(cell.train_on)}"
            )

    def test(self, cell: Cell, prompt_format: PromptFormat, checkpoint: Step) -> Step:
        check_kind(cell, "checkpoint", checkpoint, "train")
        if cell.recipe.selection != "best-test":
            completions = [self.ask_student(cell, prompt_format, checkpoint=checkpoint)]
            return self.score(cell, prompt_format.answer_prefix, completions)
        completions = [
            self.ask_student(cell, prompt_format, checkpoint=checkpoint, epoch=epoch)
            for epoch in range(1, checkpoint.spec.recipe.epochs + 1)
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
        for step in completions:
            check_kind(cell, "completions", step, "complete")
            if isinstance(step.spec, CompleteSpec) and step.spec.questions.fold != cell.fold:
                raise PluginError(
                    f"method {cell.method} scores completions of the {step.spec.questions.fold} fold as {cell.fold}",
                    next_step="Pass `fold=cell.fold` when you ask for completions that are scored.",
                )
        if aggregate != "best-epoch" and len(completions) != 1:
            raise PluginError(
                f"method {cell.method} scores {len(completions)} sets of completions at once",
                next_step="Pass one step; only `best-epoch` takes several, one per epoch.",
            )
        spec = ScoreSpec(
            task=cell.task,
            questions=questions_for(cell, cell.fold),
            extractors=cell.extractors,
            answer_prefix=answer_prefix,
            aggregate=aggregate,
            primary=cell.primary if aggregate == "best-epoch" else "",
        )
        inputs = [Input(role="completions", kind="complete", key=step.key) for step in completions]
        return self._table.add(spec, inputs, f"score {cell.name}", Resources())


def check_kind(cell: Cell, argument: str, given: object, kind: str) -> None:
    """Check that a method passes a step of a kind.

    Raises:
        PluginError: it passes something else.
    """
    if getattr(given, "kind", None) != kind:
        raise PluginError(
            f"its steps() passes {step_text(given)} as `{argument}`, not a `{kind}` step", where=f"method {cell.method}"
        )


def step_text(given: object) -> str:
    """Describe the object passed as a step."""
    return f"a `{given.kind}` step" if isinstance(given, Step) else shown_in_line(repr(given)[:80])
