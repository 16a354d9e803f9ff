"""New questions of a task's procedural twin, which a training asks instead of those of its examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench.scoring.text import folded
from rtbench.steps.curate import gold_example
from rtbench.steps.prompts import training_row
from rtbench.twins import Problem, TwinSetting, setting_of
from rtbench.twins.data import sample_of

if TYPE_CHECKING:
    from rtbench.plugin.services import Services
    from rtbench.schema.steps import TaskSpec, TrainSpec
    from rtbench.schema.tasks import Sample
    from rtbench.schema.training import TrainingRow


def asked_setting(task: TaskSpec, seed: int) -> TwinSetting:
    """Return the setting of the twin of which a training asks questions.

    It is that of the training's own questions where these are a twin's. Otherwise it has the twin's own knobs.

    Args:
        task: task of the training.
        seed: seed of the training.
    """
    return setting_of(task.variant) or TwinSetting(seed=seed)


class TwinQuestions:
    """Draws new questions for the steps of a training. They depend on its seed and the step alone.

    None has the text of a question of the training's own data, in any fold. If these are a twin's, none has a pattern
    that its validation, test or out-of-distribution questions have.

    Args:
        services: for the task and its data.
        spec: spec of the training.
    """

    def __init__(self, services: Services, spec: TrainSpec) -> None:
        twin = services.task(spec.task.name).twin()
        assert twin is not None, "a plan asks questions of tasks with a twin only"
        own = setting_of(spec.task.variant)
        self._setting = asked_setting(spec.task, spec.seed)
        self._twin = twin.turned(self._setting)
        self._outside = self._twin.outside_folds(own.seed) if own is not None else None
        samples = services.task_data(spec.task.name, spec.task.variant).samples
        self._texts = {folded(sample.question) for sample in samples.values()}
        self._first = 1 + max(samples)
        self._spec = spec
        self.samples: dict[int, Sample] = {}
        """The questions of the last draw by sample index, which no question of the task has."""

    def rows(self, step: int, count: int) -> list[TrainingRow]:
        """Return the prompts of new questions as training rows, whose labels have no rationale.

        Args:
            step: number of optimiser steps before them.
            count: number of questions.

        Raises:
            BadInputError: the twin has fewer different questions.
        """
        stream = f"training/{self._spec.seed}/{step}"
        problems = self._twin.fresh(self._setting.seed, count, stream=stream, allows=self._allows)
        self.samples = {index: sample_of(index, problem) for index, problem in enumerate(problems, self._first)}
        template = self._spec.format.template(self._spec.family)
        return [training_row(template, gold_example(sample)) for sample in self.samples.values()]

    def _allows(self, problem: Problem) -> bool:
        if folded(problem.question) in self._texts:
            return False
        return self._outside is None or self._outside(problem)
