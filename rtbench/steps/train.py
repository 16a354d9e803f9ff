"""The ``train`` step: fine-tunes a base student on examples, and saves a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from rtbench.errors import PluginError, StepFailedError
from rtbench.plugin.models import TrainJob
from rtbench.schema.steps import TrainSpec
from rtbench.schema.tasks import HeldOut, Questions
from rtbench.schema.training import CurationYield, Example, TrainReport
from rtbench.steps.context import StepContext
from rtbench.steps.curate import examples_of
from rtbench.steps.prompts import training_row
from rtbench.steps.selection import corpus_of, held_out_of, questions_of

if TYPE_CHECKING:
    from rtbench.plugin.services import Services


def train(context: StepContext[TrainSpec]) -> TrainReport:
    """Fine-tune the student in the step's private directory.

    Raises:
        StepFailedError: curation kept no examples.
    """
    services, step = context.services, context.step
    spec = step.spec
    source = step.inputs_as("examples")[0].key
    examples = examples_of(services, source)
    if not examples:
        counts = services.store.result(CurationYield, source)
        raise StepFailedError(
            f"no training examples: {counts.completions} completions for {counts.questions} questions, none kept",
            where=step.title,
            next_step="Use another teacher or other curators.",
        )
    student = services.student(spec.model.plugin, spec.model.name, spec.model.options)
    templates = [one.template(spec.family) for one in (spec.format, spec.format.along) if one is not None]
    if spec.held_out is not None:
        examples = _without_held_out(services, spec, spec.held_out, examples, step.title)
    training, validation = hold_out(examples, spec)
    corpus: list[str] = []
    if student.needs_corpus:
        corpus = corpus_of(services.task_data(spec.task.name, spec.task.variant), spec.task.split)
    report = student.train(
        TrainJob(
            rows=[training_row(template, example) for template in templates for example in training],
            validation=[training_row(template, example) for template in templates for example in validation],
            recipe=spec.recipe,
            seed=spec.seed,
            workdir=context.folder,
            corpus=corpus,
            progress=context.progress,
            title=step.title,
        )
    )
    if spec.recipe.by_answers and not (context.folder / f"epoch-{report.epochs}").is_dir():
        raise PluginError(
            f"it does not save the weights of each epoch, which `selection: {spec.recipe.selection}` needs",
            where=f"student {spec.model.name}",
            next_step="Use `selection: last` or `val`.",
        )
    # The duration is in timing.json, so that the result does not depend on it.
    return msgspec.structs.replace(report, seconds=0.0)


def _without_held_out(
    services: Services, spec: TrainSpec, held_out: Questions, examples: Sequence[Example], where: str
) -> list[Example]:
    """Return the examples of the questions that are not held out.

    Raises:
        StepFailedError: none are left.
    """
    data = services.task_data(spec.task.name, spec.task.variant)
    questions = {sample.index for sample in questions_of(data, spec.task.split, held_out)}
    left = [example for example in examples if example.sample_index not in questions]
    if not left:
        raise StepFailedError(
            f"all {len(examples)} training examples are of the {len(questions)} questions that are held out",
            where=where,
            next_step="Use more training questions, or a lower `validation_fraction`.",
        )
    return left


def hold_out(examples: Sequence[Example], spec: TrainSpec) -> tuple[list[Example], list[Example]]:
    """Return training and validation examples, split by question.

    Only the selection ``val`` with a validation fraction above 0 has validation examples. The choice depends only on
    seed and question index, so that all methods hold out the same questions.
    """
    if spec.recipe.selection != "val" or spec.recipe.validation_fraction == 0:
        return list(examples), []
    questions = sorted({example.sample_index for example in examples})
    held_out = held_out_of(questions, HeldOut(seed=spec.seed, fraction=spec.recipe.validation_fraction))
    return (
        [example for example in examples if example.sample_index not in held_out],
        [example for example in examples if example.sample_index in held_out],
    )
