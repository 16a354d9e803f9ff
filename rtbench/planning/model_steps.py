"""Build the steps that ask a model: a teacher for rationales, or a student for answers."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from rtbench.errors import UnavailableError
from rtbench.planning.step_table import StepTable
from rtbench.plugin.cells import Cell
from rtbench.plugin.methods import AskedStep
from rtbench.plugin.models import Student, Teacher
from rtbench.schema.base import Family, Fold
from rtbench.schema.completions import ModelSpec, Sampling
from rtbench.schema.matrix import GREEDY
from rtbench.schema.prompts import PromptFormat
from rtbench.schema.steps import CompleteSpec, Input, Resources, Step, UnlessRight
from rtbench.schema.tasks import Questions
from rtbench.steps.prompts import demonstrations_text
from rtbench.steps.selection import questions_of
from rtbench.storage.keys import content_key, derived_seed

DIVERSE_TEMPERATURE = 0.7
"""Temperature of diverse reasoning (Ho et al. 2023, section 4)."""
ANSWER_TOKENS = 32
"""Maximum of new tokens in a student's answer stage (Kojima et al. 2022)."""


@dataclass(frozen=True)
class AskedTeacher:
    """Steps that ask a teacher, and the members that are left out."""

    steps: tuple[AskedStep, ...]
    """One per available member (a model behind the teacher)."""
    without: tuple[str, ...]
    """Reasons why members are left out."""


def questions_for(cell: Cell, fold: Fold) -> Questions:
    """Return the questions of a fold that a cell uses."""
    if fold == "train":
        return Questions(fold=fold, limit=cell.train_limit, fraction=cell.fraction)
    return Questions(fold=fold, limit=cell.test_limit)


class ModelSteps:
    """Builds ``complete`` steps.

    Args:
        table: receives the steps.
    """

    def __init__(self, table: StepTable) -> None:
        self._table = table
        self._services = table.services

    # ---- teachers

    def ask_teacher(
        self, cell: Cell, *, fold: Fold, n: int, hint: str, unless_right: Sequence[AskedStep]
    ) -> AskedTeacher:
        """Ask the cell's teacher. Arguments and errors: :meth:`rtbench.plugin.methods.StepBuilder.ask_teacher`."""
        teacher = cell.required_teacher()
        before = tuple([(step.key, prefix) for step, prefix in unless_right])
        # Within a matrix, a teacher's name identifies one model and its options.
        name = cell.teacher.name if cell.teacher else ""
        questions = questions_for(cell, fold)
        key = ("teacher", name, cell.task, questions, n, cell.temperature, cell.teacher_seed, hint, before)
        return self._table.once(key, lambda: self._ask_members(cell, teacher, fold, n, hint, unless_right))

    def _ask_members(
        self, cell: Cell, teacher: Teacher, fold: Fold, n: int, hint: str, unless_right: Sequence[AskedStep]
    ) -> AskedTeacher:
        reasons: list[str] = []
        held: dict[tuple[float, float] | None, int] = {}
        """Completions per question, by the part of the questions; of recordings only."""
        asked: list[AskedStep] = []
        for member in cell.models.members:
            owner, part = teacher.owner(member), teacher.part(member)
            if owner.recorded and (hint or unless_right):
                raise UnavailableError(f"{owner.name} is a recording: it cannot be asked with a hint")
            reason = self._prepared(owner, member, cell)
            if reason is None and owner.recorded:
                most = self._most_per_question(owner, member, cell, fold)
                held[part] = held.get(part, 0) + most
                if not most:
                    reason = f"the recording {member.name} has none of {cell.task.name}'s {fold} questions"
            if reason is not None:
                if part is not None:  # the mix would have another ratio without it
                    raise UnavailableError(reason)
                reasons.append(reason)
                continue
            step = self._ask_member(cell, owner, member, fold, n, hint, unless_right, part=part)
            asked.append(AskedStep(step, owner.answer_prefix(member, cell.task.dataset)))
        if not asked:
            raise UnavailableError("; ".join(reasons) or f"teacher {teacher.name} has no members")
        if held and (least := min(held.values())) < n:
            raise UnavailableError(
                f"{teacher.name} holds at most {least} completions per {fold} question of {cell.task.name}, not {n}"
            )
        return AskedTeacher(tuple(asked), tuple(reasons))

    def _prepared(self, teacher: Teacher, member: ModelSpec, cell: Cell) -> str | None:
        """Return why a member has nothing for the cell's task, or None if it has."""
        return self._table.once(
            ("prepared", member.fingerprint, cell.task.dataset),
            lambda: teacher.prepare(member, cell.models.task, cell.task.variant, self._services),
        )

    def _most_per_question(self, teacher: Teacher, member: ModelSpec, cell: Cell, fold: Fold) -> int:
        """Return the largest number of recorded completions for one question of the fold."""
        source = (member.fingerprint, cell.task.dataset)
        questions = questions_for(cell, fold)

        def most() -> int:
            counts = self._table.once(
                ("counts", *source),
                lambda: self._services.ledger.partition(*source, teacher.format.name).completions_per_sample(),
            )
            data = self._services.task_data(cell.task.name, cell.task.variant)
            samples = questions_of(data, cell.task.split, questions)
            return max((counts[sample.index] for sample in samples), default=0)

        return self._table.once(("most", *source, cell.task.variant, cell.task.split, questions), most)

    def _ask_member(
        self,
        cell: Cell,
        teacher: Teacher,
        member: ModelSpec,
        fold: Fold,
        n: int,
        hint: str,
        unless_right: Sequence[AskedStep],
        *,
        part: tuple[float, float] | None,
    ) -> Step:
        family = teacher.family
        if teacher.recorded:
            content = teacher.recorded_content(member, cell.task.dataset)
            draw = Sampling(max_new_tokens=0)
            return self.complete(
                cell, member, family, teacher.format, draw, fold=fold, n=n, recorded=content, part=part
            )
        temperature = cell.temperature
        if temperature is None:
            temperature = 0.0 if n == 1 else DIVERSE_TEMPERATURE
        template = teacher.format.template(family)
        tokens, answer_tokens = teacher.max_new_tokens
        draw = Sampling(max_new_tokens=tokens, temperature=temperature, stop=template.stop, seed=cell.teacher_seed)
        ask = functools.partial(
            self.complete,
            cell,
            member,
            family,
            teacher.format,
            fold=fold,
            n=n,
            resources=teacher.resources(),
            part=part,
        )
        first = ask(draw, hint=hint, unless_right=unless_right)
        if template.answer_input is None:
            return first
        return ask(Sampling(max_new_tokens=answer_tokens, stop=template.stop), reasoning=first)

    # ---- students

    def ask_student(
        self,
        cell: Cell,
        prompt_format: PromptFormat,
        *,
        checkpoint: Step | None,
        epoch: int | None,
        n: int | None,
        temperature: float | None,
        fold: Fold | None,
        hint: str,
        unless_right: Sequence[AskedStep],
    ) -> Step:
        """Ask the cell's student. Arguments: :meth:`rtbench.plugin.methods.StepBuilder.ask_student`."""
        student = cell.required_student()
        template = prompt_format.template(student.family)
        stated = cell.sampling if fold is None else GREEDY
        plain = Sampling(
            max_new_tokens=cell.recipe.max_new_tokens,
            temperature=stated.temperature if temperature is None else temperature,
            stop=template.stop,
            seed=cell.seed,
        )
        # A default that is stated would change the key.
        sampling = replace(plain, top_p=stated.top_p) if temperature is None and stated.top_p != 1 else plain
        ask = functools.partial(
            self.complete,
            cell,
            self.base(student, cell),
            student.family,
            prompt_format,
            fold=fold or cell.fold,
            n=stated.n if n is None else n,
            checkpoint=checkpoint,
            epoch=epoch,
            resources=cell.models.student_needs("complete", cell.recipe),
        )
        first = ask(sampling, hint=hint, unless_right=unless_right)
        if template.answer_input is None:
            return first
        answer = replace(plain, max_new_tokens=min(ANSWER_TOKENS, plain.max_new_tokens), temperature=0.0)
        return ask(answer, reasoning=first)

    def base(self, student: Student, cell: Cell) -> ModelSpec:
        """Return the base model. If it depends on the training fold, its fingerprint does too.

        Raises:
            UnavailableError: the model depends on a training fold that is missing.
        """
        model = cell.models.base
        if not student.needs_corpus:
            return model
        key = ("base", model.fingerprint, cell.task.fingerprint, cell.task.split)

        def of_fold() -> ModelSpec:
            data = self._services.task_data(cell.task.name, cell.task.variant)
            if not data.fold(cell.task.split, "train"):
                raise UnavailableError(
                    f"{student.name} builds its tokenizer from the training questions: "
                    f"{data.missing or f'{cell.task.name} has none'}"
                )
            return replace(model, fingerprint=f"{model.plugin}-{content_key(*key)}")

        return self._table.once(key, of_fold)

    # ---- both

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
        hint: str = "",
        unless_right: Sequence[AskedStep] = (),
        part: tuple[float, float] | None = None,
    ) -> Step:
        """Return a ``complete`` step.

        Args:
            cell: provides the task.
            model: the model to ask.
            family: selects the format's template.
            prompt_format: format of the prompts.
            sampling: how completions are drawn.
            fold: fold of the questions.
            n: completions per question.
            recorded: identifies recordings that replace the model; None: ask the model.
            checkpoint: the ``train`` step whose weights are used; None: the model's own.
            epoch: epoch of the checkpoint; None: the selected epoch.
            reasoning: the first-stage step, for a second stage.
            resources: resources that the step needs while it runs.
            hint: text added after each question.
            unless_right: leave out questions that one of these steps answers correctly.
            part: part of the questions; None: all.
        """
        questions = questions_for(cell, fold)
        spec = CompleteSpec(
            task=cell.task,
            questions=questions if part is None else replace(questions, part=part),
            model=model,
            trained=checkpoint is not None,
            epoch=epoch,
            family=family,
            format=prompt_format,
            stage="answer" if reasoning else "input",
            sampling=_with_seed(sampling, hint),
            n=n,
            recorded=recorded,
            demonstrations=self._demonstrations(cell, prompt_format),
            trigger=cell.models.task.info.answer_trigger if reasoning else "",
            hint=hint,
            unless_right=_unless_right(cell, unless_right),
        )
        inputs = [Input(role="answered", kind="complete", key=asked.step.key) for asked in unless_right]
        if reasoning:
            inputs.insert(0, Input(role="reasoning", kind="complete", key=reasoning.key))
        if checkpoint:
            inputs.insert(0, Input(role="checkpoint", kind="train", key=checkpoint.key))
        what = f"{fold} {prompt_format.name}{' answer' if reasoning else ''}{f' ×{n}' if n > 1 else ''}{' hinted' if hint else ''}"
        whose = cell.training if checkpoint else f"{cell.task.dataset}/{model.name}"
        title = f"complete {whose}: {what}" + (f", epoch {epoch}" if epoch else "")
        step = self._table.add(spec, inputs, title, resources or Resources())
        if reasoning:
            self._table.follow(reasoning, step)
        return step

    def _demonstrations(self, cell: Cell, prompt_format: PromptFormat) -> str:
        """Return the prompt's few-shot part, which is in the step's key."""
        if prompt_format.demonstrations is None:
            return ""
        # A twin's test fold has no published questions, so none has to be excluded from the demonstrations.
        split = None if cell.source == "twin" else cell.task.split
        task = cell.models.task
        return self._table.once(
            ("demonstrations", cell.task.name, cell.demonstrations, split, prompt_format),
            lambda: demonstrations_text(
                prompt_format, task.demonstrations(self._services.files, cell.demonstrations, split)
            ),
        )


def _unless_right(cell: Cell, asked: Sequence[AskedStep]) -> UnlessRight | None:
    if not asked:
        return None
    return UnlessRight(
        extractor=cell.primary,
        extractor_key=dict(cell.extractors)[cell.primary],
        answer_prefixes=[one.answer_prefix for one in asked],
    )


def _with_seed(sampling: Sampling, hint: str) -> Sampling:
    """Return the sampling with the seed that its draws depend on."""
    if sampling.temperature == 0:  # a greedy completion does not depend on the seed: share it between seeds
        return replace(sampling, seed=0)
    # With a hint, use different draws from those that were wrong without it.
    return replace(sampling, seed=derived_seed("hint", sampling.seed)) if hint else sampling
