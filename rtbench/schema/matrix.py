"""What a matrix file says, as it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from msgspec import Meta

from rtbench.schema.base import Fold, Record, Source

TestFold = Literal["test", "ood", "validation"]
"""Folds that can be answered and scored."""
Degree = Annotated[int, Meta(ge=1)]
"""Rationales of each question."""
Seed = Annotated[int, Meta(ge=0)]
Fraction = Annotated[float, Meta(gt=0, le=1)]
"""Of the training questions."""
Temperature = Annotated[float, Meta(ge=0)]
Limit = Annotated[int, Meta(ge=1)]
"""Questions of each fold that are used: the first so many."""


class ModelEntry(Record, frozen=True, omit_defaults=True):
    """A teacher or student as a matrix names it."""

    name: str
    use: str
    """Registered name of the factory."""
    options: dict[str, Any]
    tasks: tuple[str, ...] | None = None
    """Only for these tasks; None: for all of the matrix's."""
    degrees: tuple[Degree, ...] | None = None
    """Instead of the matrix's degrees."""


class Block(Record, frozen=True, omit_defaults=True):
    """Axes and settings as written in YAML; None: the top level's, or the default."""

    tasks: Annotated[list[str], Meta(min_length=1)] | None = None
    methods: list[str] | None = None
    teachers: list[str | dict[str, Any]] | None = None
    students: list[str | dict[str, Any]] | None = None
    degrees: list[Degree] | None = None
    seeds: list[Seed] | None = None
    fractions: list[Fraction] | None = None
    splits: list[str] | None = None
    """Of upstream data; None: the matrix's ``split`` alone."""
    folds: list[TestFold] | None = None
    curators: list[str | dict[str, Any]] | None = None
    recipe: dict[str, Any] | None = None
    temperature: Temperature | None = None
    """Of the teacher; None: greedy at degree 1, 0.7 above."""


class MatrixFile(Block, frozen=True, omit_defaults=True):
    """A whole matrix file."""

    name: str | None = None
    description: str = ""
    source: Source = "upstream"
    """``twin``: each seed has questions, folds and teacher's draws of its own."""
    variant: str | None = None
    """Wording of upstream data; None: each task's first."""
    split: str = "default"
    extractor: str | None = None
    """The one the leaderboard shows; all of a task's are computed. None: the task's own choice."""
    demonstrations: str = "own"
    """Whose few-shot demonstrations are shown: one of those a task has (:attr:`TaskInfo.demonstrations`)."""
    teacher_rows: bool = True
    """Measure each teacher on the test fold."""
    teacher_draws: Literal["shared", "per-seed"] = "shared"
    """Whether sampled rationales are the same for all seeds, or drawn (and bought) anew for each."""
    limit: Limit | None = None
    knobs: dict[str, dict[str, int | float | bool]] = {}
    """Of twins, by task: of their train, validation and test questions."""
    ood_knobs: dict[str, dict[str, int | float | bool]] = {}
    """The same of their out-of-distribution fold."""
    blocks: list[Block] = []


@dataclass(frozen=True)
class Matrix:
    """A matrix, read; ``blocks`` have the top level's values where they state none."""

    name: str
    path: str
    file: MatrixFile
    blocks: tuple[Block, ...]


TEST_FOLDS: tuple[Fold, ...] = ("test", "ood", "validation")
