"""The ``likelihood`` step: a base student reads completions as the labels that it would learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench.schema.results import LikelihoodResult
from rtbench.schema.steps import LikelihoodSpec
from rtbench.schema.training import Example, Likelihood, TrainingRow
from rtbench.scoring.rationale import rationale_of
from rtbench.steps.complete import completions_of
from rtbench.steps.context import StepContext
from rtbench.steps.prompts import training_row
from rtbench.steps.selection import corpus_of
from rtbench.storage.writing import write_lines

if TYPE_CHECKING:
    from rtbench.plugin.models import TextModel
    from rtbench.plugin.services import Services
    from rtbench.schema.completions import Completion
    from rtbench.schema.tasks import RationaleSource, Sample

_FILE = "likelihoods.jsonl"


def likelihood(context: StepContext[LikelihoodSpec]) -> LikelihoodResult:
    """Write likelihoods.jsonl, with the likelihood of each completion, and return their sum."""
    services, step = context.services, context.step
    completions, rows = _rows(services, context)
    model = _opened(services, step.spec)
    try:
        found = [
            Likelihood(
                key=one.key,
                sample_index=one.sample_index,
                completion_index=one.completion_index,
                tokens=tokens,
                nats=nats,
            )
            for one, (tokens, nats) in zip(
                completions,
                model.likelihoods(
                    rows, step.spec.max_prompt_tokens, step.spec.max_label_tokens, progress=context.progress
                ),
                strict=True,
            )
        ]
    finally:
        model.close()
    write_lines(context.folder / _FILE, found)
    return LikelihoodResult(
        completions=len(found), tokens=sum(one.tokens for one in found), nats=sum(one.nats for one in found)
    )


def likelihoods_of(services: Services, key: str) -> dict[str, Likelihood]:
    """Return the likelihoods of a finished likelihood step, by the key of the completion."""
    found = services.store.rows("likelihood", key, _FILE, Likelihood)
    return {one.key: one for one in found}


def _rows(services: Services, context: StepContext[LikelihoodSpec]) -> tuple[list[Completion], list[TrainingRow]]:
    """Return the step's completions, each once, and the training rows that they would become."""
    step = context.step
    spec = step.spec
    samples = services.task_data(spec.task.name, spec.task.variant).samples
    template = spec.format.template(spec.family)
    completions: dict[str, Completion] = {}
    rows: list[TrainingRow] = []
    for source, prefix in zip(step.inputs_as("completions"), spec.answer_prefixes, strict=True):
        for one in completions_of(services, source.key):
            if one.key in completions:
                continue
            completions[one.key] = one
            example = example_of(samples[one.sample_index], one, prefix, spec.learns_from)
            rows.append(training_row(template, example))
    return list(completions.values()), rows


def example_of(
    sample: Sample, completion: Completion, prefix: str | None, learns_from: RationaleSource | None
) -> Example:
    """Return the training example that a completion would become."""
    return Example(
        sample_index=sample.index,
        completion_index=completion.completion_index,
        question=sample.question,
        answer=sample.answer,
        rationale=rationale_of(completion, prefix, learns_from),
    )


def _opened(services: Services, spec: LikelihoodSpec) -> TextModel:
    student = services.student(spec.model.plugin, spec.model.name, spec.model.options)
    corpus: list[str] = []
    if student.needs_corpus:
        corpus = corpus_of(services.task_data(spec.task.name, spec.task.variant), spec.task.split)
    return student.load_guide(None, corpus, spec.model.fingerprint)
