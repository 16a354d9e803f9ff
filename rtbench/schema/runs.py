"""The record of a run: its cells, and the keys of their steps."""

from __future__ import annotations

from typing import Literal

from rtbench.schema.base import Fold, Record, Source
from rtbench.schema.matrix import AnswerSampling
from rtbench.schema.money import Price
from rtbench.schema.tasks import Overlap
from rtbench.schema.training import Recipe


class GivenFile(Record, frozen=True):
    """A task or plugin file with which a run was made."""

    kind: Literal["task", "plugin"]
    path: str
    """Absolute path on the machine that made the run."""
    digest: str
    """SHA-256 of its content."""


class CellRecord(Record, frozen=True, omit_defaults=True):
    """One cell of a run."""

    name: str
    method: str
    task: str
    dataset: str
    variant: str
    split: str
    teacher: str | None
    student: str | None
    degree: int | None
    seed: int
    fraction: float
    selection: str | None
    """How the epoch was selected; None where nothing is trained."""
    extractor: str
    limit: int | None
    recipe: Recipe | None
    """Recipe of the training; None where nothing is trained."""
    temperature: float | None
    """The teacher's sampling temperature, where the matrix sets it."""
    recorded: bool
    """True where the teacher's completions are recordings."""
    tries: int | None = None
    """How often the teacher is asked a question at most, until as many rationales as the degree are right."""
    sampling: AnswerSampling | None = None
    """How the student's answers were drawn; None: greedily, one per question."""
    source: Source = "upstream"
    fold: Fold = "test"
    series: str | None = None
    """The student's series (:attr:`rtbench.plugin.models.Student.series`)."""
    random_weights: bool = False
    """True where the student's weights are random before training."""
    score: str | None = None
    """Key of the score step."""
    completions: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    """Keys of the ``complete`` steps that ask the teacher."""
    examples: str | None = None
    """Key of the ``curate`` step whose examples the student is trained on."""
    checkpoint: str | None = None
    """Key of the ``train`` step whose student is tested."""
    selected_by: str | None = None
    """Key of the ``score`` step that selects its epoch, where that is by answers to held-out training questions."""
    trainings: tuple[str, ...] = ()
    """Keys of all ``train`` steps, where there are several."""
    asked_student: tuple[str, ...] = ()
    """Keys of all ``complete`` steps that ask the student, where it is asked for more than the scored completions."""
    mentored: bool = False
    """True where a student that another cell trains is among its teachers."""
    train_tasks: tuple[str, ...] = ()
    """Tasks that the student is trained on together; empty: the task that it is tested on."""
    curators: tuple[str, ...] = ()
    """Curators with their options, in words, where they are not the default; empty where nothing is trained on rationales."""
    reason: str | None = None
    """Why the cell could not run or failed."""

    @property
    def of_teacher(self) -> bool:
        """Return whether the teacher itself answers the cell."""
        return self.teacher is not None and self.student is None


class RunRecord(Record, frozen=True, omit_defaults=True):
    """A run: its cells, prices and facts about its data."""

    name: str
    matrix: str
    description: str
    version: str
    tasks: tuple[str, ...]
    cells: tuple[CellRecord, ...]
    claims: str | None = None
    """Registered name of the set of claims that the matrix names."""
    files: tuple[GivenFile, ...] = ()
    """Task and plugin files that were given to the run; later commands load them again."""
    plugins: dict[str, str] = {}
    """Versions of the installed third-party plugins, by distribution."""
    made: str = ""
    """Day of the run in UTC: ``2026-11-27``."""
    prices: dict[str, Price] = {}
    """Prices by teacher at the time of the run; teachers without a price are left out."""
    source_prices: dict[str, Price] = {}
    """Prices of the sources of mixed teachers at the time of the run, by model fingerprint; sources without a price are left
    out."""
    student_prices: dict[str, Price] = {}
    """Prices by student at the time of the run; students without a price are left out."""
    students: dict[str, str] = {}
    """Weights and data type of students, in words, by student; students without anything to say are left out."""
    random: dict[str, float] = {}
    """Expected accuracy of a uniform guess, by task."""
    overlap: dict[str, Overlap] = {}
    """Overlap of test and training questions, by task; for upstream data only, as twins' folds are disjoint by
    pattern."""
