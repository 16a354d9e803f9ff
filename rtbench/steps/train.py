"""The ``train`` step: fine-tunes a base student on examples, and saves a checkpoint."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec

from rtbench.errors import StepFailedError
from rtbench.plugin.models import TrainJob
from rtbench.schema.steps import TrainSpec
from rtbench.schema.training import CurationYield, Example, TrainReport
from rtbench.steps.context import StepContext
from rtbench.steps.curate import examples_of
from rtbench.steps.prompts import training_row
from rtbench.steps.selection import corpus_of


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
    # The duration is in timing.json, so that the result does not depend on it.
    return msgspec.structs.replace(report, seconds=0.0)


def hold_out(examples: Sequence[Example], spec: TrainSpec) -> tuple[list[Example], list[Example]]:
    """Return training and validation examples, split by question.

    Only the selection ``val`` with a validation fraction above 0 has validation examples. The choice depends only on
    seed and question index, so that all methods hold out the same questions.
    """
    if spec.recipe.selection != "val" or spec.recipe.validation_fraction == 0:
        return list(examples), []
    questions = sorted({example.sample_index for example in examples})
    count = min(len(questions) - 1, max(1, round(len(questions) * spec.recipe.validation_fraction)))
    ranked = sorted(questions, key=lambda index: random.Random(f"{spec.seed}/{index}").random())  # noqa: S311
    held_out = set(ranked[:count])
    return (
        [example for example in examples if example.sample_index not in held_out],
        [example for example in examples if example.sample_index in held_out],
    )
