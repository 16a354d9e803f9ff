"""A leaderboard as a record: rows by tasks, each number with all that must stand beside it."""

from __future__ import annotations

from typing import Literal

from rtbench.schema.base import Fold, Record, Source
from rtbench.schema.money import Spending
from rtbench.schema.scores import AtK, Interval, ScoreSummary
from rtbench.schema.tasks import Overlap
from rtbench.schema.training import CurationYield, Recipe

RowKind = Literal["measured", "teacher", "random", "reported"]


class Metrics(Record, frozen=True, omit_defaults=True):
    """What else was measured, by the row's extractor: shares of the questions, means over seeds."""

    contains_answer: float
    correct_format: float
    complete: float
    rationale_words: float | None = None
    """Mean length of the rationales in words, of all completions."""
    at_k: tuple[AtK, ...] = ()
    """Where several completions of a question were asked for."""


class CellResult(Record, frozen=True, omit_defaults=True):
    """What the leaderboard shows for a row and a task."""

    accuracy: float | None = None
    """Fraction; the mean over seeds. None: there is no number, and ``reason`` says why."""
    interval: Interval | None = None
    n: int = 0
    """Different questions: one seed's where the seeds share them, the sum over seeds where each has its own (twins)."""
    patterns: int | None = None
    """Different patterns among them, counted likewise, where those are fewer; the interval is over patterns then."""
    effective_n: float | None = None
    """As how many independent questions they count in the mean over tasks (:func:`rtbench.stats.intervals.effective_n`), where
    those are fewer."""
    missing: int = 0
    """Questions of the fold that a recording lacks; not in ``n``."""
    seeds: int = 0
    """How many."""
    seed_values: tuple[int, ...] = ()
    """Which."""
    extractor_version: int | None = None
    training_rows: int | None = None
    """That a student was trained on; the mean over seeds."""
    metrics: Metrics | None = None
    """Beside accuracy."""
    summaries: tuple[ScoreSummary, ...] = ()
    """Every extractor's, for a single seed."""
    curation: CurationYield | None = None
    spending: Spending | None = None
    """What the rationales that it was trained on cost, where the teacher has a price."""
    rows_cut: int = 0
    """Training rows that were cut to the student's maximal length."""
    prompts_cut: int = 0
    """Test prompts that were."""
    epoch: int | None = None
    """The selected epoch, for a single seed."""
    parameters: int | None = None
    recipe: Recipe | None = None
    cells: tuple[str, ...] = ()
    reason: str | None = None


class LeaderboardRow(Record, frozen=True, omit_defaults=True):
    """Method × student, with what else tells rows apart."""

    kind: RowKind
    method: str
    teacher: str | None = None
    student: str | None = None
    series: str | None = None
    """Of the student; sizes are compared within one."""
    random_weights: bool = False
    """Of the student, before training."""
    degree: int | None = None
    fraction: float = 1.0
    selection: str | None = None
    """``best-test``: the epoch is chosen by *test* accuracy."""
    extractor: str | None = None
    completions: Literal["recorded", "live"] | None = None
    """Whether the teacher's completions are recordings made elsewhere."""
    source: Source = "upstream"
    """Synthetic and published questions never share a row."""
    variant: str = ""
    """``twin``, with the knobs that were turned; else the wording."""
    split: str = ""
    fold: Fold = "test"
    limit: int | None = None
    temperature: float | None = None
    cited: str | None = None
    """Of a reported row: table and kind of source."""
    results: dict[str, CellResult] = {}

    mean: float | None = None
    """Mean accuracy over the tasks that have a number; None without any."""
    mean_interval: Interval | None = None
    measured: int = 0
    """Tasks with a number."""


class Leaderboard(Record, frozen=True):
    """Rows by tasks."""

    run: str
    matrix: str
    description: str
    version: str
    tasks: tuple[str, ...]
    rows: tuple[LeaderboardRow, ...]
    made: str = ""
    """The day it was run."""
    kept_by: str = ""
    """Where another extractor than the run's own is shown: its own, by which rationales were kept and epochs chosen."""
    spending: dict[str, Spending] = {}
    """What each priced teacher's completions cost, each counted once."""
    spending_on_students: dict[str, Spending] = {}
    """What each priced student's trainings and completions cost, each counted once."""
    overlap: dict[str, Overlap] = {}
    """Test questions that stand in the training fold, by task."""


def in_percent(share: float) -> str:
    """A share in percent with one digit: 0.5345 is 53.45, and not the little less that 100 times its float is."""
    return f"{round(100 * share, 6):.1f}"
