"""Build the steps that ask a cell's teacher for rationales."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil

from msgspec.structs import replace

from rtbench.errors import UnavailableError
from rtbench.planning.completing import Asked, CompleteSteps, Draw, Source
from rtbench.plugin.cells import Cell
from rtbench.plugin.methods import AskedStep
from rtbench.plugin.models import Teacher
from rtbench.plugin.plans import PlannedCell
from rtbench.schema.completions import ModelSpec, Sampling
from rtbench.schema.matrix import CellSelector
from rtbench.schema.steps import CompleteSpec, Resources, Rewritten, Step
from rtbench.steps.prompts import fields_of
from rtbench.steps.selection import questions_of

DIVERSE_TEMPERATURE = 0.7
"""Temperature of diverse reasoning (Ho et al. 2023, section 4)."""


@dataclass(frozen=True)
class AskedTeacher:
    """Steps that ask a teacher, and the members that are left out."""

    steps: tuple[AskedStep, ...]
    """One per available member (a model behind the teacher), and per try."""
    without: tuple[str, ...]
    """Reasons why members are left out."""
    mentors: tuple[PlannedCell, ...] = ()
    """Cells whose trained students are members."""


@dataclass
class _Answers:
    """What the members of a teacher give for one draw."""

    asked: list[AskedStep] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    mentors: list[PlannedCell] = field(default_factory=list)
    held: dict[tuple[float, float] | None, int] = field(default_factory=dict)
    """Completions per question, by the part of the questions; of recordings only."""


class TeacherSteps:
    """Builds the steps that ask teachers.

    Args:
        steps: builds ``complete`` steps.
        teaching: finds the cell that trains a teacher (:meth:`rtbench.planning.trained.TrainedCells.teaching`).
    """

    def __init__(self, steps: CompleteSteps, teaching: Callable[[Cell, CellSelector], PlannedCell]) -> None:
        self._steps = steps
        self._teaching = teaching
        self._table = steps.table
        self._services = steps.table.services

    def ask(self, cell: Cell, draw: Draw) -> AskedTeacher:
        """Ask the cell's teacher. Errors: :meth:`rtbench.plugin.methods.StepBuilder.ask_teacher`.

        A teacher with a number of tries is asked for training questions until enough rationales are right.
        """
        asked = self._once(cell, draw)
        if tries_of(cell) and len(_pooled(cell.models.members, cell.required_teacher())) > 1:
            raise UnavailableError(
                f"{cell.required_teacher().name} asks several models about each question, and `tries` works with one"
            )
        again = draw.questions.fold == "train" and not (draw.hint or draw.unless_right)
        for start in range(draw.n, tries_of(cell) if again else 0):
            more = self._once(cell, Draw(draw.questions, 1, start, unless_right=asked.steps, right=draw.n))
            asked = AskedTeacher(asked.steps + more.steps, asked.without, asked.mentors)
        return asked

    def _once(self, cell: Cell, draw: Draw) -> AskedTeacher:
        teacher = cell.required_teacher()
        before = tuple([(step.key, prefix) for step, prefix in draw.unless_right])
        # Within a matrix, a teacher's name identifies one model and its options.
        name = cell.teacher.name if cell.teacher else ""
        # A student that teaches may be the cell's own, trained with its seed.
        trained = any(source.cell is not None for source in teacher.sources())
        whose = (cell.seed, cell.student.name if cell.student else None) if trained else None
        what = (draw.questions, draw.n, draw.start, draw.hint, before, draw.right)
        key = ("teacher", name, cell.task, cell.temperature, cell.teacher_seed, whose, *what)
        return self._table.once(key, lambda: self._ask_members(cell, teacher, draw))

    def _ask_members(self, cell: Cell, teacher: Teacher, draw: Draw) -> AskedTeacher:
        found = _Answers()
        members = cell.models.members if teacher is cell.models.teacher else teacher.members()
        each = _each(members, teacher, draw)
        for member in members:
            owner, part = teacher.owner(member), teacher.part(member)
            own = dataclasses.replace(draw, n=each)
            if part is not None:
                own = dataclasses.replace(own, questions=replace(draw.questions, part=part))
            if owner.cell is not None:
                found.mentors.append(self._teaching(cell, owner.cell))
                found.asked.append(self._ask_trained(cell, found.mentors[-1], own))
            elif owner.rewrites is not None:
                source = self._ask_members(cell, owner.rewrites, own)
                found.mentors += source.mentors
                found.reasons += source.without
                found.asked += [self._rewrite(cell, owner, member, own, one) for one in source.steps]
            elif (reason := self._lacking(cell, owner, member, own, found)) is None:
                step = self._ask_member(cell, owner, member, own)
                found.asked.append(AskedStep(step, owner.answer_prefix(member, cell.task.dataset)))
            elif part is not None:  # the mix would have another ratio without it
                raise UnavailableError(reason)
            else:
                found.reasons.append(reason)
        if not found.asked:
            raise UnavailableError("; ".join(found.reasons) or f"teacher {teacher.name} has no members")
        if found.held and (least := min(found.held.values())) < draw.n:
            raise UnavailableError(
                f"{teacher.name} holds at most {least} completions per {draw.questions.fold} question of "
                f"{cell.task.name}, not {draw.n}"
            )
        return AskedTeacher(tuple(found.asked), tuple(found.reasons), tuple(found.mentors))

    def _lacking(self, cell: Cell, owner: Teacher, member: ModelSpec, draw: Draw, found: _Answers) -> str | None:
        """Return why a member has nothing for the cell's questions, or None; count what recordings hold.

        Raises:
            UnavailableError: it is a recording, and would be asked something new.
        """
        if owner.recorded and (draw.hint or draw.unless_right):
            what = "with a hint" if draw.hint else "until enough rationales are right (`tries`)"
            raise UnavailableError(f"{owner.name} is a recording: it cannot be asked {what}")
        reason = self._table.once(
            ("prepared", member.fingerprint, cell.task.dataset),
            lambda: owner.prepare(member, cell.models.task, cell.task.variant, self._services),
        )
        if reason is None and owner.recorded:
            part = draw.questions.part
            most = self._most_per_question(owner, member, cell, draw)
            found.held[part] = found.held.get(part, 0) + most
            if not most:
                return f"the recording {member.name} has none of {cell.task.name}'s {draw.questions.fold} questions"
        return reason

    def _most_per_question(self, teacher: Teacher, member: ModelSpec, cell: Cell, draw: Draw) -> int:
        """Return the largest number of recorded completions for one question of the fold."""
        source = (member.fingerprint, cell.task.dataset)
        questions = replace(draw.questions, part=None)

        def most() -> int:
            counts = self._table.once(
                ("counts", *source),
                lambda: self._services.ledger.partition(*source, teacher.format.name).completions_per_sample(),
            )
            data = self._services.task_data(cell.task.name, cell.task.variant)
            samples = questions_of(data, cell.task.split, questions)
            return max((counts[sample.index] for sample in samples), default=0)

        return self._table.once(("most", *source, cell.task.variant, cell.task.split, questions), most)

    def _ask_member(self, cell: Cell, teacher: Teacher, member: ModelSpec, draw: Draw) -> Step:
        if teacher.recorded:
            content = teacher.recorded_content(member, cell.task.dataset)
            asked = Asked(member, teacher.family, teacher.format, Resources(), recorded=content)
            return self._steps.complete(cell, asked, Sampling(max_new_tokens=0), draw)
        if "rationale" in fields_of(teacher.format.template(teacher.family).input):
            raise UnavailableError(
                f"the prompt of {teacher.name} has {{rationale}}, and it has none to rewrite",
                next_step="Use it in a teacher `{use: rewrite, source: …, by: …}`.",
            )
        stop = teacher.format.template(teacher.family).stop
        tokens, answer_tokens = teacher.max_new_tokens
        asked = Asked(member, teacher.family, teacher.format, teacher.resources())
        sampling = Sampling(
            max_new_tokens=tokens, temperature=_temperature(cell, draw), stop=stop, seed=cell.teacher_seed
        )
        if teacher.max_thinking_tokens is not None:  # a default that is stated would change the key
            sampling = replace(sampling, max_thinking_tokens=teacher.max_thinking_tokens)
        if draw.questions.fold == "train":
            sampling = replace(sampling, top_logprobs=teacher.top_logprobs)
        return self._steps.stages(cell, asked, sampling, draw, Sampling(max_new_tokens=answer_tokens, stop=stop))

    def _rewrite(self, cell: Cell, teacher: Teacher, member: ModelSpec, draw: Draw, source: AskedStep) -> AskedStep:
        """Ask a teacher to rewrite the rationales that another step has asked for."""
        if draw.hint or draw.unless_right or tries_of(cell):
            raise UnavailableError(
                f"{teacher.name} rewrites rationales: it cannot be asked with a hint, or again (`tries`)"
            )
        assert teacher.rewrites is not None
        sampling = Sampling(
            max_new_tokens=teacher.max_new_tokens[0],
            temperature=_temperature(cell, draw),
            stop=teacher.format.template(teacher.family).stop,
            seed=cell.teacher_seed,
            top_logprobs=teacher.top_logprobs,
        )
        rationales = Source(source.step, Rewritten(source.answer_prefix, teacher.rewrites.learns_from))
        asked = Asked(member, teacher.family, teacher.format, teacher.resources())
        of_source: CompleteSpec = source.step.spec
        draw = Draw(of_source.questions, of_source.n)
        step = self._steps.complete(cell, asked, sampling, draw, source=rationales)
        return AskedStep(step, teacher.answer_prefix(member, cell.task.dataset))

    def _ask_trained(self, cell: Cell, mentor: PlannedCell, draw: Draw) -> AskedStep:
        """Ask the student that another cell trains, in the format in which it is tested there."""
        assert mentor.score is not None
        tests = [self._table.steps[i.key] for i in mentor.score.inputs_as("completions")]
        checkpoints, selections = (
            [self._table.steps[i.key] for i in tests[0].inputs_as(role)] for role in ("checkpoint", "selection")
        )
        if len(tests) > 1 or not checkpoints:
            raise UnavailableError(
                f"the student of {mentor.cell.training} cannot teach: "
                + ("its epoch is chosen by test answers" if checkpoints else "it is not trained")
            )
        test: CompleteSpec = tests[0].spec
        asked = Asked(
            test.model,
            test.family,
            test.format,
            tests[0].resources,
            checkpoint=checkpoints[0],
            epoch=test.epoch,
            selection=selections[0] if selections else None,
            training=mentor.cell.training,
        )
        sampling = Sampling(
            max_new_tokens=mentor.cell.recipe.max_new_tokens,
            temperature=_temperature(cell, draw),
            stop=test.format.template(test.family).stop,
            seed=cell.teacher_seed,
        )
        return AskedStep(self._steps.complete(cell, asked, sampling, draw), test.format.answer_prefix)


def _each(members: Sequence[ModelSpec], teacher: Teacher, draw: Draw) -> int:
    """Return how many completions per question each member gives.

    Where several live members are asked the same questions, they share the number. Recordings cost nothing, and some may
    lack a question, so each gives all that it has.

    Raises:
        UnavailableError: there are more members than completions.
    """
    pooled = _pooled(members, teacher)
    if not len(pooled) == len(members) > 1:
        return draw.n
    if draw.n < len(pooled):
        raise UnavailableError(
            f"{teacher.name} asks {len(pooled)} models about each question, and the degree is {draw.n}",
            next_step="Use a degree of at least the number of its sources.",
        )
    return ceil(draw.n / len(pooled))


def _pooled(members: Sequence[ModelSpec], teacher: Teacher) -> list[ModelSpec]:
    """Return the live members that are asked all questions."""
    return [member for member in members if teacher.part(member) is None and not teacher.owner(member).recorded]


def tries_of(cell: Cell) -> int:
    """Return how often a teacher is asked a training question at most, until enough are right; 0: that is not asked for."""
    return (cell.teacher.tries if cell.teacher else None) or 0


def _temperature(cell: Cell, draw: Draw) -> float:
    """Return the temperature of a teacher."""
    if cell.temperature is not None:
        return cell.temperature
    once = draw.n == 1 and (draw.questions.fold != "train" or not tries_of(cell))
    return 0.0 if once else DIVERSE_TEMPERATURE
