"""The ``train`` step: trains a student on examples, and saves a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from rtbench.errors import PluginError, StepFailedError
from rtbench.plugin.models import Teacher, TrainJob
from rtbench.schema.completions import Completion
from rtbench.schema.logprobs import TokenLogprobs
from rtbench.schema.prompts import Template
from rtbench.schema.results import CompleteResult
from rtbench.schema.steps import Step, TrainSpec
from rtbench.schema.tasks import HeldOut, Questions
from rtbench.schema.training import CurationYield, Example, TrainingRow, TrainReport
from rtbench.steps.complete import completions_of, epoch_of, weights_name
from rtbench.steps.context import StepContext
from rtbench.steps.curate import examples_of
from rtbench.steps.prompts import training_row
from rtbench.steps.selection import corpus_of, held_out_of, questions_of
from rtbench.steps.twin_questions import TwinQuestions

if TYPE_CHECKING:
    from rtbench.plugin.models import TextModel
    from rtbench.plugin.services import Services


def train(context: StepContext[TrainSpec]) -> TrainReport:
    """Train the student in the step's private directory.

    Raises:
        StepFailedError: curation kept no examples, or only those of held-out questions.
        PluginError: the student does not save the weights of each epoch, which the selection needs.
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
    guide = None if spec.guide is None else open_guide(services, step)
    drawn = TwinQuestions(services, spec) if spec.twin else None
    logprobs = _logprobs(services, step)

    def rows_of(chosen: Sequence[Example]) -> list[TrainingRow]:
        return [_row(template, example, logprobs) for template in templates for example in chosen]

    job = TrainJob(
        rows=rows_of(training),
        validation=rows_of(validation),
        recipe=spec.recipe,
        seed=spec.seed,
        workdir=context.folder,
        corpus=corpus,
        progress=context.progress,
        title=step.title,
        start=_weights_as(services, step, "start"),
        objective=spec.objective,
        guide=guide,
        verify=verifier(services, spec, drawn) if spec.extractor else None,
        draw=None if drawn is None else drawn.rows,
    )
    try:
        report = student.train(job)
    finally:
        if guide is not None:
            guide.close()
    if spec.recipe.by_answers and not (context.folder / f"epoch-{report.epochs}").is_dir():
        raise PluginError(
            f"it does not save the weights of each epoch, which `selection: {spec.recipe.selection}` needs",
            where=f"student {spec.model.name}",
            next_step="Use `selection: last` or `val`.",
        )
    # The duration is in timing.json, so that the result does not depend on it.
    return replace(report, seconds=0.0)


_Source = tuple[str | None, int, int]
"""Fingerprint of the model that wrote a rationale, and the indices of its completion."""


def _logprobs(services: Services, step: Step[TrainSpec]) -> dict[_Source, TokenLogprobs]:
    """Return the log-probabilities that a step learns, by the completion that carries them."""
    found: dict[_Source, TokenLogprobs] = {}
    for i in step.inputs_as("logprobs"):
        source = services.store.result(CompleteResult, i.key).address.fingerprint
        for one in completions_of(services, i.key):
            if one.logprobs is not None:
                found[source, one.sample_index, one.completion_index] = one.logprobs
    return found


def _row(template: Template, example: Example, logprobs: Mapping[_Source, TokenLogprobs]) -> TrainingRow:
    row = training_row(template, example)
    of = logprobs.get((example.source, example.sample_index, example.completion_index))
    return row if of is None else replace(row, logprobs=of)


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


def open_guide(services: Services, step: Step[TrainSpec]) -> TextModel:
    """Open the model whose probabilities a train step learns: a teacher, a base student, or a checkpoint."""
    spec = step.spec
    assert spec.guide is not None, "only a step with a guide opens it"
    source = services.source(spec.guide)
    if isinstance(source, Teacher):
        return source.open_guide(spec.guide)
    trained = _weights_as(services, step, "guide")
    if trained is not None:
        return source.load_guide(trained, [], f"trained-{step.inputs_as('guide')[0].key}")
    corpus: list[str] = []
    if source.needs_corpus:
        corpus = corpus_of(services.task_data(spec.task.name, spec.task.variant), spec.task.split)
    return source.load_guide(None, corpus, spec.guide.fingerprint)


def _weights_as(services: Services, step: Step[TrainSpec], role: str) -> Path | None:
    """Return the folder of the weights that an input of a role has trained, of the epoch that answers have selected."""
    for i in step.inputs_as(role):
        return services.store.weights("train", i.key, weights_name(epoch_of(services.store, step, role)))
    return None


def verifier(
    services: Services, spec: TrainSpec, drawn: TwinQuestions | None
) -> Callable[[Sequence[tuple[int, str]]], list[bool]]:
    """Return the function that tells which completions of training questions, or of drawn ones, have the right answer."""
    extractor = services.task(spec.task.name).extractor(spec.extractor)
    samples = services.task_data(spec.task.name, spec.task.variant).fold(spec.task.split, "train")
    by_index = {sample.index: sample for sample in samples}
    prefix = spec.format.answer_prefix

    def verify(texts: Sequence[tuple[int, str]]) -> list[bool]:
        completions = [
            Completion(
                key="", task=spec.task.dataset, sample_index=index, completion_index=number, prompt="", text=text
            )
            for number, (index, text) in enumerate(texts)
        ]
        known = by_index if drawn is None else by_index | drawn.samples
        return [score.correct for score in extractor.score(completions, known, prefix)]

    return verify


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
