"""What a run leaves behind: its cells, and the keys of the steps that answer them."""

from __future__ import annotations

from rtbench.schema.base import Fold, Record, Source
from rtbench.schema.money import Price
from rtbench.schema.tasks import Overlap
from rtbench.schema.training import Recipe


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
    """How the epoch was chosen; None where nothing is trained."""
    extractor: str
    limit: int | None
    recipe: Recipe | None
    """Of the training; None where nothing is trained."""
    temperature: float | None
    """Of the teacher, where the matrix sets it."""
    recorded: bool
    """The teacher's completions are recordings."""
    source: Source = "upstream"
    fold: Fold = "test"
    series: str | None = None
    """Of the student (:attr:`rtbench.plugin.models.Student.series`)."""
    random_weights: bool = False
    """Of the student, before training."""
    score: str | None = None
    """Key of the score step."""
    completions: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    """Keys of the complete steps below that ask the teacher."""
    examples: str | None = None
    checkpoint: str | None = None
    reason: str | None = None
    """Why it could not run or failed."""

    @property
    def of_teacher(self) -> bool:
        """The teacher itself answered."""
        return self.teacher is not None and self.student is None


class RunRecord(Record, frozen=True, omit_defaults=True):
    """One run."""

    name: str
    matrix: str
    description: str
    version: str
    tasks: tuple[str, ...]
    cells: tuple[CellRecord, ...]
    made: str = ""
    """The day, in UTC: ``2026-11-27``."""
    prices: dict[str, Price] = {}
    """By teacher, as they were when it ran; teachers without one are not here."""
    student_prices: dict[str, Price] = {}
    """By student, likewise."""
    random: dict[str, float] = {}
    """Expected accuracy of a uniform guess, by task."""
    overlap: dict[str, Overlap] = {}
    """Of test and training questions, by task; of upstream data alone, as twins' folds are disjoint by pattern."""
