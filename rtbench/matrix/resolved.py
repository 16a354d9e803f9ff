"""A matrix with its names resolved, from which cells are expanded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rtbench.plugin.methods import Method
from rtbench.plugin.models import Student, Teacher
from rtbench.plugin.tasks import Task
from rtbench.schema.base import Fold
from rtbench.schema.matrix import AnswerSampling, MatrixFile, ModelEntry
from rtbench.schema.steps import TaskSpec
from rtbench.schema.training import Recipe


@dataclass(frozen=True)
class ResolvedData:
    """The data that cells use."""

    spec: TaskSpec
    reason: str | None
    """Why the data cannot be used; None where they can."""


DataPlace = tuple[str, int, Fold]
"""Split, seed and fold."""


@dataclass(frozen=True)
class ResolvedTask:
    """A task of a block."""

    task: Task
    primary: str
    """The extractor that the leaderboard shows."""
    extractors: tuple[tuple[str, str], ...]
    """Name and content key of each extractor."""
    data: Mapping[DataPlace, ResolvedData]


@dataclass(frozen=True)
class ResolvedTeacher:
    """A teacher of a block."""

    entry: ModelEntry
    teacher: Teacher
    measured: bool
    """Whether it has a leaderboard row: not where it consists of several models, or saw the gold answers."""


@dataclass(frozen=True)
class ResolvedStudent:
    """A student of a block."""

    entry: ModelEntry
    student: Student


@dataclass(frozen=True)
class ResolvedBlock:
    """A block of a matrix: the cross product of its axes."""

    tasks: tuple[ResolvedTask, ...]
    train_sets: tuple[tuple[ResolvedTask, ...], ...]
    """Sets of tasks that students are trained on together; empty: each on the task that it is tested on."""
    methods: tuple[Method, ...]
    teachers: tuple[ResolvedTeacher, ...]
    students: tuple[ResolvedStudent, ...]
    degrees: tuple[int, ...]
    seeds: tuple[int, ...]
    fractions: tuple[float, ...]
    splits: tuple[str, ...]
    folds: tuple[Fold, ...]
    teacher_folds: tuple[Fold, ...]
    """Folds that its teachers are measured on."""
    recipe: Recipe
    curators: tuple[tuple[str, dict[str, object]], ...]
    temperature: float | None
    sampling: AnswerSampling


@dataclass(frozen=True)
class ResolvedMatrix:
    """A matrix with all names checked and replaced by the registered objects."""

    name: str
    file: MatrixFile
    blocks: tuple[ResolvedBlock, ...]
    methods: Mapping[str, Method]
    """Methods by name."""
