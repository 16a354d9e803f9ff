"""Build the steps that ask a cell's student for answers."""

from __future__ import annotations

from msgspec.structs import replace

from rtbench.errors import UnavailableError
from rtbench.planning.completing import Asked, CompleteSteps, Draw, questions_for
from rtbench.plugin.cells import Cell
from rtbench.plugin.models import Student
from rtbench.schema.completions import ModelSpec, Sampling
from rtbench.schema.matrix import GREEDY
from rtbench.schema.prompts import PromptFormat
from rtbench.schema.steps import Input, Resources, ScoreSpec, Step
from rtbench.schema.tasks import HeldOut, Questions
from rtbench.steps.selection import questions_of
from rtbench.storage.keys import content_key

ANSWER_TOKENS = 32
"""Maximum of new tokens in a student's answer stage (Kojima et al. 2022)."""


class StudentSteps:
    """Builds the steps that ask students.

    Args:
        steps: builds ``complete`` steps.
    """

    def __init__(self, steps: CompleteSteps) -> None:
        self._steps = steps
        self._table = steps.table
        self._services = steps.table.services

    def ask(
        self,
        cell: Cell,
        prompt_format: PromptFormat,
        draw: Draw,
        *,
        checkpoint: Step | None,
        epoch: int | None,
        temperature: float | None,
        tests: bool,
    ) -> Step:
        """Ask the cell's student.

        Args:
            cell: the cell whose student is asked.
            prompt_format: format of the prompts.
            draw: what is drawn.
            checkpoint: a ``train`` step; None asks the untrained base.
            epoch: epoch of the checkpoint, from 1; None means the selected epoch.
            temperature: sampling temperature; None: as the matrix states for tests, else greedy.
            tests: whether the cell's fold is asked, so that the matrix's sampling applies.
        """
        trained = cell.parts[0] if checkpoint else cell  # another task's, where it is trained on that
        student = cell.required_student()
        stated = cell.sampling if tests else GREEDY
        plain = Sampling(
            max_new_tokens=cell.recipe.max_new_tokens,
            temperature=stated.temperature if temperature is None else temperature,
            stop=prompt_format.template(student.family).stop,
            seed=cell.seed,
        )
        # A default that is stated would change the key.
        sampling = replace(plain, top_p=stated.top_p) if temperature is None and stated.top_p != 1 else plain
        if stated.max_thinking_tokens is not None:
            _check_budget(student, stated.max_thinking_tokens, plain.max_new_tokens)
            sampling = replace(sampling, max_thinking_tokens=stated.max_thinking_tokens)
        asked = Asked(
            self.base(student, trained),
            student.family,
            prompt_format,
            cell.models.student_needs("complete", cell.recipe),
            checkpoint=checkpoint,
            epoch=epoch,
            selection=self.selection(trained, prompt_format, checkpoint) if checkpoint and epoch is None else None,
            training=cell.training + (f" on {cell.task.dataset}" if cell.train_on and tests else ""),
        )
        answer = replace(plain, max_new_tokens=min(ANSWER_TOKENS, plain.max_new_tokens), temperature=0.0)
        return self._steps.stages(cell, asked, sampling, draw, answer)

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

    def selection(self, cell: Cell, prompt_format: PromptFormat, checkpoint: Step) -> Step | None:
        """Return the step that selects an epoch of a training by its answers to the held-out training questions.

        None where the recipe selects it in another way.
        """
        if cell.recipe.selection != "val-accuracy":
            return None
        data = self._services.task_data(cell.task.name, cell.task.variant)
        questions = held_out_of(cell)
        if not questions_of(data, cell.task.split, questions):
            raise UnavailableError("`selection: val-accuracy` needs at least two training questions")
        epochs = [
            self.ask(
                cell, prompt_format, Draw(questions), checkpoint=checkpoint, epoch=epoch, temperature=0.0, tests=False
            )
            for epoch in range(1, checkpoint.spec.recipe.epochs + 1)
        ]
        spec = ScoreSpec(
            task=cell.task,
            questions=questions,
            extractors=cell.extractors,
            answer_prefix=prompt_format.answer_prefix,
            aggregate="best-epoch",
            primary=cell.primary,
        )
        inputs = [Input(role="completions", kind="complete", key=step.key) for step in epochs]
        return self._table.add(spec, inputs, f"select an epoch of {cell.training}", Resources())


def _check_budget(student: Student, budget: int, most: int) -> None:
    """Raise UnavailableError where a student cannot keep a thinking budget."""
    if not student.thinks:
        raise UnavailableError(
            f"{student.name} has no thinking to limit: it states no tags of it, or cannot continue an answer",
            next_step='Write `thinking: ["<think>", "</think>"]`, or leave `max_thinking_tokens` out of `sampling`.',
        )
    if budget >= most:
        raise UnavailableError(f"`max_thinking_tokens` ({budget}) must be less than `max_new_tokens` ({most})")


def held_out_of(cell: Cell) -> Questions:
    """Return the training questions by whose answers an epoch is selected."""
    held_out = HeldOut(seed=cell.seed, fraction=cell.recipe.validation_fraction)
    return replace(questions_for(cell, "train"), held_out=held_out)
