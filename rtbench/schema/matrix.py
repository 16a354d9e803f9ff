"""A matrix file as written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from msgspec import Meta

from rtbench.schema.base import MOST_SEED, Positive, Record, Repeated, Source

TestFold = Literal["test", "ood", "validation"]
"""Folds that can be answered and scored."""
Degree = Repeated
"""Number of rationales per question."""
Seed = Annotated[int, Meta(ge=0, le=MOST_SEED)]
Fraction = Annotated[float, Meta(gt=0, le=1)]
"""Fraction of the training questions."""
Temperature = Annotated[float, Meta(ge=0, le=100)]
Limit = Positive
"""Number of questions of each fold that are used, from the first on."""


class AnswerSampling(Record, frozen=True, omit_defaults=True):
    """How the answers of students are drawn when they are tested. The default is greedy: one answer per question."""

    temperature: Temperature = 0.0
    top_p: Annotated[float, Meta(gt=0, le=1)] = 1.0
    n: Repeated = 1
    """Number of answers per question, each with its own seed. The accuracy is the mean over all of them."""
    max_thinking_tokens: Positive | None = None
    """Number of tokens after which thinking is ended and the answer asked for; None: no limit."""

    def __post_init__(self) -> None:
        if self.n > 1 and self.temperature == 0:
            raise ValueError("`n` above 1 needs a `temperature` above 0: greedy answers are all the same")

    def __str__(self) -> str:
        top_p = f" top_p={self.top_p:g}" if self.top_p != 1 else ""
        thinking = "" if self.max_thinking_tokens is None else f" thinking≤{self.max_thinking_tokens}"
        drawn = (
            "" if thinking and self.n == 1 and self.temperature == 0 else f"n={self.n} T={self.temperature:g}{top_p}"
        )
        return f"{drawn}{thinking}".strip()


GREEDY = AnswerSampling()
DEFAULT_CURATORS = ("correct",)
"""Curators of matrices that name none: rationales that lead to a wrong answer are removed."""


class CellSelector(Record, frozen=True, omit_defaults=True):
    """Names the training of another cell of the same matrix, on the same task, split and questions."""

    method: str
    student: str | None = None
    """None: the student of the cell that is taught."""
    teacher: str | None = None
    """None, also for degree and fraction: the matrix has only one."""
    degree: Degree | None = None
    fraction: Fraction | None = None
    train_tasks: tuple[str, ...] | None = None
    """Tasks that it is trained on together. None: the task alone, or the only set of the matrix."""
    seed: Seed | None = None
    """None: the seed of the cell that is taught."""


class ModelEntry(Record, frozen=True, omit_defaults=True):
    """A teacher or student in a matrix."""

    name: str
    use: str
    """Registered name of the factory."""
    options: dict[str, Any]
    tasks: tuple[str, ...] | None = None
    """Tasks that it is used for; None: all tasks of the matrix."""
    degrees: tuple[Degree, ...] | None = None
    """Degrees that replace the matrix's; None: the matrix's degrees."""
    tries: Repeated | None = None
    """Of a teacher: highest number of times that a training question is asked, until as many rationales as the degree are
    right. None: it is asked as often as the degree, whatever is right."""


class Block(Record, frozen=True, omit_defaults=True):
    """Axes and settings as written in YAML. None stands for the top level's value, or the default."""

    tasks: Annotated[list[str], Meta(min_length=1)] | None = None
    train_tasks: Annotated[list[Annotated[list[str], Meta(min_length=1)]], Meta(min_length=1)] | None = None
    """Sets of tasks: each student is trained on all tasks of a set together, and tested on each of ``tasks``. None: it is
    trained on the task that it is tested on."""
    methods: list[str] | None = None
    teachers: list[str | dict[str, Any]] | None = None
    students: list[str | dict[str, Any]] | None = None
    degrees: list[Degree] | None = None
    seeds: list[Seed] | None = None
    fractions: list[Fraction] | None = None
    splits: list[str] | None = None
    """Splits of upstream data; None: the matrix's ``split`` only."""
    folds: list[TestFold] | None = None
    variant: str | None = None
    """Wording of upstream data; None: the matrix's, else each task's first."""
    teacher_rows: bool | Literal["train"] | None = None
    """Whether to measure each teacher on the folds that students are tested on; ``train``: on the training questions, which
    its students learn from. None: yes."""
    curators: list[str | dict[str, Any]] | None = None
    recipe: dict[str, Any] | None = None
    sampling: AnswerSampling | None = None
    """How students answer in tests; None: greedily."""
    temperature: Temperature | None = None
    """The teacher's sampling temperature; None: 0 (greedy) at degree 1, 0.7 above."""


class MatrixFile(Block, frozen=True, omit_defaults=True):
    """A whole matrix file."""

    name: str | None = None
    description: str = ""
    claims: str | None = None
    """Registered name of the set of claims that is tested on its runs; None: the default."""
    source: Source = "upstream"
    """``twin``: each seed has its own questions, folds and teacher's draws."""
    split: str = "default"
    extractor: str | None = None
    """Extractor that the leaderboard shows; all of a task's extractors are computed. None: the task's own choice."""
    demonstrations: str = "own"
    """Source of the few-shot demonstrations: one of :attr:`TaskInfo.demonstrations`."""
    teacher_draws: Literal["shared", "per-seed"] = "shared"
    """Whether all seeds share the sampled rationales, or each seed draws (and pays for) its own."""
    limit: Limit | None = None
    knobs: dict[str, dict[str, int | float | bool]] = {}
    """Knobs of the twins' train, validation and test questions, by task."""
    ood_knobs: dict[str, dict[str, int | float | bool]] = {}
    """Knobs of the twins' out-of-distribution fold, by task."""
    blocks: list[Block] = []


@dataclass(frozen=True)
class Matrix:
    """A matrix that was read; ``blocks`` have inherited the top level's values."""

    name: str
    path: str
    file: MatrixFile
    blocks: tuple[Block, ...]
