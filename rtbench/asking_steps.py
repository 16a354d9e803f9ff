"""Steps that ask a model: a teacher writing rationales, a student being tested; and what all steps are made with."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from rtbench.errors import UnavailableError
from rtbench.interfaces import PromptFormat, Student, Teacher
from rtbench.keys import content_key, derived_seed
from rtbench.questions import questions_of
from rtbench.records import Family, Fold, ModelSpec, Questions, Resources, Sampling
from rtbench.specs import (
    Cell,
    CompleteSpec,
    Input,
    Spec,
    Step,
    TrainSpec,
    UnlessRight,
    kind_of,
    step_key,
)

if TYPE_CHECKING:
    from rtbench.session import Session

Asked = Sequence[tuple[Step, str | None]]
"""Steps that ask a model for completions, each with what stands before their answers."""
DIVERSE_TEMPERATURE = 0.7
"""Temperature of diverse reasoning (paper, section 4)."""


class AskingSteps:
    """Complete steps. Equal steps are made once per plan."""

    def __init__(self, session: Session) -> None:
        self.steps: dict[str, Step] = {}
        self.notes: list[str] = []
        """What the cell at hand does without."""
        self._session = session
        self._prepared: dict[tuple[str, str], str | None] = {}
        self._counts: dict[tuple[str, str], Counter[int]] = {}
        self._most: dict[tuple[str, str, str, str, Questions], int] = {}
        self._asked: dict[tuple[object, ...], tuple[list[tuple[Step, str | None]], list[str]]] = {}
        self._bases: dict[tuple[str, str, str], ModelSpec] = {}

    def ask_teacher(
        self, cell: Cell, *, fold: Fold, n: int = 1, hint: str = "", unless_right: Asked = ()
    ) -> list[tuple[Step, str | None]]:
        """The teacher's completions for a fold: per member, its last stage's step and the answer prefix.

        Args:
            cell: whose teacher it is.
            fold: whose questions.
            n: completions of each.
            hint: said behind each question, with the gold ``{answer}``.
            unless_right: what was asked before; questions with a right answer among it are left out.

        Raises:
            UnavailableError: it has nothing for this task, or is a recording and can be told nothing.
        """
        teacher = cell.models.teacher
        assert teacher is not None, f"method {cell.method} asks a teacher but does not set uses_teacher"
        told = (hint, tuple((step.key, prefix) for step, prefix in unless_right))
        # The session keeps its teachers, so that no other takes one's identity.
        key = (id(teacher), cell.task, self._questions(cell, fold), n, cell.temperature, cell.teacher_seed, told)
        if key not in self._asked:  # by others of its students
            self._asked[key] = self._ask_members(cell, teacher, fold, n, hint, unless_right)
        asked, without = self._asked[key]
        self.notes += without
        return list(asked)

    def _ask_members(
        self, cell: Cell, teacher: Teacher, fold: Fold, n: int, hint: str, unless_right: Asked
    ) -> tuple[list[tuple[Step, str | None]], list[str]]:
        """What is asked of the teacher's members, and of which there is nothing."""
        if teacher.recorded and (hint or unless_right):
            raise UnavailableError(f"{teacher.name} is a recording: it cannot be asked with a hint")
        reasons: list[str] = []
        held = 0
        asked: list[tuple[Step, str | None]] = []
        for member in cell.models.members:
            reason = self._prepare(teacher, member, cell)
            if reason is None and teacher.recorded:
                found = self._most_per_question(teacher, member, cell, fold)
                held += found
                reason = (
                    None if found else f"the recording {member.name} has none of {cell.task.name}'s {fold} questions"
                )
            if reason is not None:
                reasons.append(reason)
                continue
            asked.append(
                (
                    self._ask_member(cell, teacher, member, fold, n, hint, unless_right),
                    teacher.answer_prefix(member, cell.task.dataset),
                )
            )
        if not asked:
            raise UnavailableError("; ".join(reasons) or f"teacher {teacher.name} has no members")
        if teacher.recorded and held < n:
            raise UnavailableError(
                f"{teacher.name} holds at most {held} completions per {fold} question of {cell.task.name}, not {n}"
            )
        return asked, reasons

    def _prepare(self, teacher: Teacher, member: ModelSpec, cell: Cell) -> str | None:
        key = (member.fingerprint, cell.task.dataset)
        if key not in self._prepared:
            self._prepared[key] = teacher.prepare(member, cell.models.task, cell.task.variant, self._session)
        return self._prepared[key]

    def _most_per_question(self, teacher: Teacher, member: ModelSpec, cell: Cell, fold: Fold) -> int:
        """How many completions a recording holds for the fold's best covered question."""
        source = (member.fingerprint, cell.task.dataset)
        questions = self._questions(cell, fold)
        key = (*source, cell.task.variant, cell.task.split, questions)
        if key not in self._most:
            if source not in self._counts:
                partition = self._session.ledger.partition(*source, teacher.format.name)
                self._counts[source] = partition.completions_per_sample()
            data = self._session.task_data(cell.task.name, cell.task.variant)
            asked = questions_of(data, cell.task.split, questions)
            self._most[key] = max((self._counts[source][sample.index] for sample in asked), default=0)
        return self._most[key]

    def _ask_member(
        self, cell: Cell, teacher: Teacher, member: ModelSpec, fold: Fold, n: int, hint: str, unless_right: Asked
    ) -> Step:
        family = teacher.family
        if teacher.recorded:
            content = teacher.recorded_content(member, cell.task.dataset)
            draw = Sampling(max_new_tokens=0)
            return self.complete(cell, member, family, teacher.format, draw, fold=fold, n=n, recorded=content)
        temperature = cell.temperature
        if temperature is None:
            temperature = 0.0 if n == 1 else DIVERSE_TEMPERATURE
        template = teacher.format.template(family)
        tokens, answer_tokens = teacher.max_new_tokens
        draw = Sampling(max_new_tokens=tokens, temperature=temperature, stop=template.stop, seed=cell.teacher_seed)
        ask = functools.partial(
            self.complete, cell, member, family, teacher.format, fold=fold, n=n, resources=cell.models.teacher_needs
        )
        first = ask(draw, hint=hint, unless_right=unless_right)
        if template.answer_input is None:
            return first
        return ask(Sampling(max_new_tokens=answer_tokens, stop=template.stop), reasoning=first)

    def ask_student(
        self,
        cell: Cell,
        prompt_format: PromptFormat,
        *,
        checkpoint: Step | None = None,
        epoch: int | None = None,
        n: int = 1,
        temperature: float = 0.0,
        fold: Fold | None = None,
        hint: str = "",
        unless_right: Asked = (),
    ) -> Step:
        """The student (a train step's checkpoint, or untrained) answers a fold, the cell's where none is named. ``hint`` and
        ``unless_right`` as in :meth:`ask_teacher`."""
        student = cell.models.student
        assert student is not None, f"method {cell.method} asks a student but uses_student is off"
        template = prompt_format.template(student.family)
        sampling = Sampling(
            max_new_tokens=cell.recipe.max_new_tokens, temperature=temperature, stop=template.stop, seed=cell.seed
        )
        ask = functools.partial(
            self.complete,
            cell,
            self._base(student, cell),
            student.family,
            prompt_format,
            fold=fold or cell.fold,
            n=n,
            checkpoint=checkpoint,
            epoch=epoch,
            resources=cell.models.student_needs("complete", cell.recipe),
        )
        first = ask(sampling, hint=hint, unless_right=unless_right)
        if template.answer_input is None:
            return first
        answer = msgspec.structs.replace(sampling, max_new_tokens=min(32, sampling.max_new_tokens), temperature=0.0)
        return ask(answer, reasoning=first)

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
        unless_right: Asked = (),
    ) -> Step:
        """The general form; methods mostly call :meth:`ask_teacher` and :meth:`ask_student`."""
        if sampling.temperature == 0:  # a greedy completion does not depend on the seed: share it between seeds
            sampling = msgspec.structs.replace(sampling, seed=0)
        elif hint:  # draws of their own: not those that went wrong without it
            sampling = msgspec.structs.replace(sampling, seed=derived_seed("hint", sampling.seed))
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
            trigger=cell.models.task.info.answer_trigger if reasoning else "",
            hint=hint,
            unless_right=self._unless_right(cell, unless_right),
        )
        inputs = [Input(role="checkpoint", kind="train", key=checkpoint.key)] if checkpoint else []
        if reasoning:
            inputs.append(Input(role="reasoning", kind="complete", key=reasoning.key))
        inputs += [Input(role="answered", kind="complete", key=step.key) for step, _ in unless_right]
        what = f"{fold} {prompt_format.name}{' answer' if reasoning else ''}{f' ×{n}' if n > 1 else ''}{' hinted' if hint else ''}"
        whose = cell.training if checkpoint else f"{cell.task.dataset}/{model.name}"
        title = f"complete {whose}: {what}" + (f", epoch {epoch}" if epoch else "")
        return self._step(spec, inputs, title, resources or Resources())

    def _unless_right(self, cell: Cell, asked: Asked) -> UnlessRight | None:
        if not asked:
            return None
        return UnlessRight(
            extractor=cell.primary,
            extractor_key=dict(cell.extractors)[cell.primary],
            answer_prefixes=[prefix for _, prefix in asked],
        )

    def _demonstrations(self, cell: Cell, prompt_format: PromptFormat) -> str:
        """Rendered here, so that the prompt's few-shot part is in the step's key."""
        if prompt_format.demonstrations is None:
            return ""
        source = cell.demonstrations
        if cell.source == "twin" and source == "paper":  # none of the paper's lies in a twin's test fold
            source = "paper-as-published"
        return self._session.demonstrations(cell.task.name, prompt_format, source, cell.task.split)

    # ---- shared

    @staticmethod
    def _questions(cell: Cell, fold: Fold) -> Questions:
        if fold == "train":
            return Questions(fold=fold, limit=cell.train_limit, fraction=cell.fraction)
        return Questions(fold=fold, limit=cell.test_limit)

    def _base(self, student: Student, cell: Cell) -> ModelSpec:
        """The base model; where it depends on the training fold, so does its fingerprint.

        Raises:
            UnavailableError: it depends on a training fold that is not at hand.
        """
        model = cell.models.base
        if not student.needs_corpus:
            return model
        key = (model.fingerprint, cell.task.fingerprint, cell.task.split)
        if key not in self._bases:
            data = self._session.task_data(cell.task.name, cell.task.variant)
            if not data.fold(cell.task.split, "train"):
                raise UnavailableError(
                    f"{student.name} makes its tokenizer from the training questions: "
                    f"{data.missing or f'{cell.task.name} has none'}"
                )
            fingerprint = f"{model.plugin}-{content_key('base', *key)}"
            self._bases[key] = msgspec.structs.replace(model, fingerprint=fingerprint)
        return self._bases[key]

    def _step(self, spec: Spec, inputs: Sequence[Input], title: str, resources: Resources) -> Step:
        """The step, once.

        Raises:
            UnavailableError: it is to be done and cannot fit into this machine.
        """
        key = step_key(spec, inputs)
        if key not in self.steps:
            self._check_machine(spec, key, resources)
            self.steps[key] = Step(
                key=key, kind=kind_of(spec), spec=spec, inputs=tuple(inputs), resources=resources, title=title
            )
        return self.steps[key]

    def _check_machine(self, spec: Spec, key: str, resources: Resources) -> None:
        """A single GPU is no matter here: whoever asks for one where there is none computes on the CPU, or says so itself."""
        machine = self._session.machine
        too_wide = resources.processes > 1 and machine.most_gpus is not None and resources.gpus > machine.most_gpus
        least, there = resources.least_gb / max(1, resources.gpus), None
        if least > 0:
            there = machine.gpu_memory_gb() if resources.gpus else machine.memory_gb
        too_large = there is not None and least > there
        if not (too_wide or too_large) or self._session.store.has(kind_of(spec), key):
            return
        who = spec.model.name if isinstance(spec, TrainSpec | CompleteSpec) else "the judge"
        if too_wide:
            raise UnavailableError(
                f"{who} asks for {resources.gpus} GPUs, and this machine has {machine.most_gpus}",
                next_step="Lower its `processes`.",
            )
        what = "to train it" if isinstance(spec, TrainSpec) else "to ask it"
        where = "its smallest GPU" if resources.gpus else "this machine"
        raise UnavailableError(
            f"{who} needs at least {least:,.1f} GiB of memory {what}, and {where} has {there:,.1f}",
            next_step="Take a smaller one, `lora`, or a machine with more; the option `memory_gb` overrules the estimate.",
        )
