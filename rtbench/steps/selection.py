"""Select the questions that a step works on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rtbench.schema.steps import CompleteSpec, CurateSpec, ScoreSpec
from rtbench.schema.tasks import Questions, Sample, TaskData

if TYPE_CHECKING:
    from rtbench.plugin.services import Services


def questions_of(data: TaskData, split: str, questions: Questions) -> Sequence[Sample]:
    """Return the available samples of a fold, reduced to a fraction and a limit, in index order.

    A fraction is drawn as in ``subsample_indices`` of itsnamgyu/reasoning-teacher: the samples are permuted with
    ``RandomState(0)``, and the first ones are taken and sorted.
    """
    samples = data.fold(split, questions.fold)
    if questions.fraction < 1.0:
        import numpy as np

        order = np.random.RandomState(0).permutation(len(samples))
        kept = sorted(order[: max(1, round(len(samples) * questions.fraction))].tolist())
        samples = [samples[i] for i in kept]
    return samples if questions.limit is None else samples[: questions.limit]


def samples_of(services: Services, spec: CompleteSpec | CurateSpec | ScoreSpec) -> Sequence[Sample]:
    """Return the available samples that a step works on, in index order."""
    return questions_of(services.task_data(spec.task.name, spec.task.variant), spec.task.split, spec.questions)


def corpus_of(data: TaskData, split: str) -> list[str]:
    """Return the texts of the whole training fold, from which a student without a tokenizer builds one.

    They contain no rationales, so that a base student is the same for every method.
    """
    return [f"{sample.question} {sample.answer}" for sample in data.fold(split, "train")]
