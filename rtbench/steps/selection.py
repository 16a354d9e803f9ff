"""Select the questions that a step works on."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from rtbench.schema.steps import CompleteSpec, CurateSpec, ScoreSpec
from rtbench.schema.tasks import HeldOut, Questions, Sample, TaskData
from rtbench.storage.keys import derived_seed

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
    if questions.limit is not None:
        samples = samples[: questions.limit]
    if questions.held_out is not None:
        kept_out = held_out_of([sample.index for sample in samples], questions.held_out)
        samples = [sample for sample in samples if sample.index in kept_out]
    return samples if questions.part is None else _part(samples, *questions.part)


def held_out_of(questions: Collection[int], held_out: HeldOut) -> set[int]:
    """Return the indices of the questions that are held out: at least one of them, and never all."""
    count = min(len(questions) - 1, max(1, round(len(questions) * held_out.fraction)))
    ranked = sorted(questions, key=lambda index: random.Random(f"{held_out.seed}/{index}").random())  # noqa: S311
    return set(ranked[:count])


def _part(samples: Sequence[Sample], first: float, last: float) -> Sequence[Sample]:
    """Return the samples whose places in a random order lie between two fractions, in index order."""
    order = sorted(samples, key=lambda sample: derived_seed("part", sample.index))
    kept = {sample.index for sample in order[round(first * len(order)) : round(last * len(order))]}
    return [sample for sample in samples if sample.index in kept]


def samples_of(services: Services, spec: CompleteSpec | CurateSpec | ScoreSpec) -> Sequence[Sample]:
    """Return the available samples that a step works on, in index order."""
    return questions_of(services.task_data(spec.task.name, spec.task.variant), spec.task.split, spec.questions)


def corpus_of(data: TaskData, split: str) -> list[str]:
    """Return the texts of the whole training fold, from which a student without a tokenizer builds one.

    They contain no rationales, so that a base student is the same for every method.
    """
    return [f"{sample.question} {sample.answer}" for sample in data.fold(split, "train")]
