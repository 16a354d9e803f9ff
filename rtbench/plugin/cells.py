"""Cells: the points of a matrix, with the models that they use."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from rtbench.errors import PluginError
from rtbench.plugin.models import Student, Teacher
from rtbench.plugin.tasks import Task
from rtbench.schema.base import Fold, Source
from rtbench.schema.completions import ModelSpec
from rtbench.schema.matrix import GREEDY, AnswerSampling, ModelEntry
from rtbench.schema.steps import Resources, TaskSpec
from rtbench.schema.training import Recipe
from rtbench.twins import setting_of


@dataclass(frozen=True)
class CellModels:
    """The models of a cell, opened for their names and fingerprints only.

    Many cells share one instance, so that each model is queried once.
    """

    task: Task
    teacher: Teacher | None
    student: Student | None
    _needs: dict[tuple[str, Recipe], Resources] = field(default_factory=dict, init=False, compare=False, repr=False)

    @functools.cached_property
    def members(self) -> Sequence[ModelSpec]:
        """Return the models behind the teacher; empty without a teacher."""
        return self.teacher.members() if self.teacher is not None else ()

    @functools.cached_property
    def base(self) -> ModelSpec:
        """Return the student's base model, without what depends on a task's training fold."""
        assert self.student is not None
        return self.student.model()

    def student_needs(self, kind: Literal["train", "complete"], recipe: Recipe) -> Resources:
        """Return the resources of a step that trains (``train``) or asks (``complete``) the student under a recipe."""
        assert self.student is not None
        key = (kind, recipe)
        needs = self._needs.get(key)  # a recipe's hash is slow: look up once
        if needs is None:
            needs = self._needs[key] = self.student.resources(kind, recipe)
        return needs


@dataclass(frozen=True)
class TrainingPart:
    """One of several tasks that a student is trained on together."""

    task: TaskSpec
    extractors: tuple[tuple[str, str], ...]
    primary: str
    models: CellModels


class Cell(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One point of the matrix: method × task × teacher × student × degree × seed × data fraction × fold."""

    method: str
    task: TaskSpec
    teacher: ModelEntry | None
    student: ModelEntry | None
    degree: int | None
    seed: int
    fraction: float
    fold: Fold
    """The fold that is answered and scored. All folds share the training data and the teacher's completions for it."""
    recipe: Recipe
    test_limit: int | None
    train_limit: int | None
    extractors: tuple[tuple[str, str], ...]
    """Name and content key of each extractor."""
    primary: str
    curators: tuple[tuple[str, dict[str, object]], ...]
    temperature: float | None
    """Sampling temperature of the teacher, where the matrix sets it and it applies."""
    sampling: AnswerSampling
    """How the student's answers are drawn when it is tested."""
    teacher_seed: int
    """Base seed of the teacher's draws."""
    demonstrations: str
    trains: bool
    """True where the method trains the student."""
    models: CellModels
    train_on: tuple[TrainingPart, ...] = ()
    """Tasks that the student is trained on together; empty: on ``task``."""

    @property
    def train_names(self) -> tuple[str, ...]:
        """Return the names of the tasks that the student is trained on together; empty: of ``task`` alone."""
        return tuple(part.task.name for part in self.train_on)

    @functools.cached_property
    def parts(self) -> tuple[Cell, ...]:
        """Return the cell as it is for each task that it is trained on."""
        if not self.train_on:
            return (self,)
        return tuple(
            msgspec.structs.replace(
                self, task=part.task, extractors=part.extractors, primary=part.primary, models=part.models, train_on=()
            )
            for part in self.train_on
        )

    @functools.cached_property
    def name(self) -> str:
        """Return the cell's short name, unique within a matrix."""
        parts = [self.task.name, *self._parts()]
        parts += ["on-" + "+".join(self.train_names)] if self.train_on else []
        parts += [self.fold] if self.fold != "test" else []
        return "/".join([*parts, f"seed{self.seed}"])

    @functools.cached_property
    def training(self) -> str:
        """Return the name of the training, which the cells of all folds, tested tasks and samplings share."""
        task = "+".join(self.train_names) or self.task.name
        return "/".join([task, *self._parts(sampled=False), f"seed{self.seed}"])

    def required_teacher(self) -> Teacher:
        """Return the teacher of a cell whose method asks one.

        Raises:
            PluginError: the method does not set ``uses_teacher``.
        """
        if self.models.teacher is None:
            raise PluginError("asks a teacher but does not set `uses_teacher`", where=f"method {self.method}")
        return self.models.teacher

    def required_student(self) -> Student:
        """Return the student of a cell whose method trains or asks one.

        Raises:
            PluginError: the method sets ``uses_student`` to False.
        """
        if self.models.student is None:
            raise PluginError("uses a student but sets `uses_student` to False", where=f"method {self.method}")
        return self.models.student

    @property
    def source(self) -> Source:
        """Return where the questions come from."""
        return "upstream" if setting_of(self.task.variant) is None else "twin"

    def _parts(self, *, sampled: bool = True) -> list[str]:
        """Return the parts of the name between task and seed that training and cell share, and the sampling of the tests."""
        parts = [self.method]
        if self.teacher is not None:
            parts.append(self.teacher.name)
        if self.student is not None:
            parts.append(self.student.name)
        if self.degree is not None:
            parts.append(f"D{self.degree}")
        if self.temperature is not None and self.teacher is not None:
            parts.append(f"T{self.temperature:g}")
        if sampled and self.sampling != GREEDY:
            top_p = f"p{self.sampling.top_p:g}" if self.sampling.top_p != 1 else ""
            thinking = self.sampling.max_thinking_tokens
            drawn = f"n{self.sampling.n}t{self.sampling.temperature:g}{top_p}"
            parts.append(drawn if thinking is None else f"{drawn}k{thinking}")
        if self.fraction != 1.0:
            parts.append(f"{self.fraction:g}")
        if self.task.split != "default":
            parts.append(self.task.split)
        return parts
