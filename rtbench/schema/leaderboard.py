"""A leaderboard as a record: rows by tasks, each number with the facts needed to interpret it."""

from __future__ import annotations

from typing import Literal

from rtbench.schema.base import Fold, Record, RefusalKind, Source
from rtbench.schema.effort import CostUnit, Efficiency, TrainingEffort
from rtbench.schema.money import Spending
from rtbench.schema.scores import AtK, Interval, ScoreSummary
from rtbench.schema.tasks import Overlap
from rtbench.schema.training import CurationYield, Recipe

RowKind = Literal["measured", "teacher", "random", "reported"]


class Metrics(Record, frozen=True, omit_defaults=True):
    """Further measures by the row's extractor: fractions of the questions, means over seeds."""

    contains_answer: float
    correct_format: float
    complete: float
    rationale_words: float | None = None
    """Mean length of the rationales in words, over all completions."""
    at_k: tuple[AtK, ...] = ()
    """pass@k and maj@k, where each question has several completions."""


class RequestCounts(Record, frozen=True, omit_defaults=True):
    """How requests to a model ended, over all seeds."""

    sent: int
    """Completions and refused requests together."""
    cut: int = 0
    """Completions that were cut by a token limit."""
    refused: dict[RefusalKind, int] = {}
    """Requests without an answer, by kind. They are not scored."""

    @property
    def lost(self) -> int:
        """Return the number of requests without an answer."""
        return sum(self.refused.values())


class CellResult(Record, frozen=True, omit_defaults=True):
    """A leaderboard row's result on one task."""

    accuracy: float | None = None
    """Mean over the seeds that are scored, as a fraction. None: there is no number, and ``reason`` says why."""
    interval: Interval | None = None
    n: int = 0
    """Number of different questions: one seed's where the seeds share them, the sum over seeds where each has its own
    (twins)."""
    patterns: int | None = None
    """Number of different patterns among the questions, counted likewise, where there are fewer patterns than
    questions; the interval is over patterns then."""
    effective_n: float | None = None
    """Effective number of independent questions in the mean over tasks (:func:`rtbench.stats.intervals.effective_n`),
    where it is lower than ``n``."""
    missing: int = 0
    """Questions of the fold that a recording lacks, or whose requests were refused; not in ``n``."""
    answers: RequestCounts | None = None
    """Requests for the scored completions. None on leaderboards of older versions."""
    wrong_cut: int = 0
    """Wrong answers whose text was cut by a token limit, over all seeds."""
    rationales: RequestCounts | None = None
    """Requests for the completions from which the student's training rows were selected, over all seeds."""
    seeds: int = 0
    """Number of seeds in the mean."""
    seed_values: tuple[int, ...] = ()
    """The seeds themselves."""
    extractor_version: int | None = None
    training_rows: int | None = None
    """Rows that the student was trained on; the mean over seeds."""
    metrics: Metrics | None = None
    """Measures besides accuracy."""
    summaries: tuple[ScoreSummary, ...] = ()
    """Summaries of all extractors, for a single seed."""
    curation: CurationYield | None = None
    spending: Spending | None = None
    """Cost of the rationales that the student was trained on, where the teacher has a price."""
    effort: TrainingEffort | None = None
    """What the student was trained with and what that cost, as means over seeds; None where nothing was trained."""
    effort_by_seed: tuple[TrainingEffort, ...] = ()
    """The same of each seed, in the order of ``seed_values``, where there are several."""
    efficiency: Efficiency | None = None
    """Gain per unit of cost, where the leaderboard shows that (:attr:`Leaderboard.per`)."""
    rows_cut: int = 0
    """Training rows that were cut to the student's maximum length."""
    prompts_cut: int = 0
    """Test prompts that were cut to the student's maximum length."""
    epoch: int | None = None
    """The selected epoch, for a single seed."""
    parameters: int | None = None
    recipe: Recipe | None = None
    cells: tuple[str, ...] = ()
    reason: str | None = None
    """Why there is no number, or which seeds are not in it, and why."""


class LeaderboardRow(Record, frozen=True, omit_defaults=True):
    """One row: method × student, and everything else that distinguishes rows."""

    kind: RowKind
    method: str
    teacher: str | None = None
    student: str | None = None
    series: str | None = None
    """The student's series; sizes are compared within a series."""
    random_weights: bool = False
    """True where the student's weights are random before training."""
    degree: int | None = None
    fraction: float = 1.0
    selection: str | None = None
    """``best-test``: the epoch is selected by *test* accuracy."""
    extractor: str | None = None
    completions: Literal["recorded", "live"] | None = None
    """Whether the teacher's completions are recordings made elsewhere or were generated here."""
    source: Source = "upstream"
    """Origin of the questions. Synthetic and published questions never share a row."""
    variant: str = ""
    """``twin``, with the changed knobs; otherwise the wording of the data."""
    split: str = ""
    fold: Fold = "test"
    limit: int | None = None
    sampling: str | None = None
    """How the student's answers were drawn, in words; None: greedily, one per question."""
    temperature: float | None = None
    train_tasks: tuple[str, ...] = ()
    """Tasks that the student was trained on together; empty: on each task that it is tested on."""
    curators: tuple[str, ...] = ()
    """Curators of its rationales, in words, where they are not the default."""
    tries: int | None = None
    """How often the teacher was asked a question at most, until as many rationales as the degree were right."""
    cited: str | None = None
    """Table and kind of source of a reported row."""
    results: dict[str, CellResult] = {}

    mean: float | None = None
    """Mean accuracy over the tasks that have a number, as a fraction; None where no task has one."""
    mean_interval: Interval | None = None
    measured: int = 0
    """Number of tasks that have a number."""
    effort: TrainingEffort | None = None
    """Mean over the tasks that have a number; None where nothing was trained."""
    efficiency: Efficiency | None = None
    """Mean gain over the tasks per unit of their mean cost, where the leaderboard shows that."""
    pareto: bool | None = None
    """True where no comparable row is at least as accurate and costs less, or is more accurate at the same cost. None: the
    row is not compared, and ``no_pareto`` says why."""
    cost: float | None = None
    """Cost of teacher plus student by which ``pareto`` compares, mean over tasks, in :attr:`Leaderboard.cost_unit`."""
    no_pareto: str | None = None

    @property
    def untrained(self) -> bool:
        """Return whether it is the row of a student of the run that was not trained."""
        return self.kind == "measured" and self.selection is None


class Leaderboard(Record, frozen=True):
    """A run's results: rows by tasks."""

    run: str
    matrix: str
    description: str
    version: str
    """Version of rtbench."""
    tasks: tuple[str, ...]
    rows: tuple[LeaderboardRow, ...]
    made: str = ""
    """Day of the run."""
    plugins: dict[str, str] = {}
    """Versions of the installed third-party plugins, by distribution."""
    kept_by: str = ""
    """The run's own extractor, by which rationales were kept and epochs selected, where the leaderboard shows another
    extractor; else empty."""
    spending: dict[str, Spending] = {}
    """Cost of each priced teacher's completions, each counted once."""
    spending_on_students: dict[str, Spending] = {}
    """Cost of each priced student's trainings and completions, each counted once."""
    students: dict[str, str] = {}
    """Weights and data type of students, in words, by student."""
    overlap: dict[str, Overlap] = {}
    """Test questions that are also in the training fold, by task."""
    per: CostUnit | None = None
    """What the gains in ``efficiency`` are divided by; None: they were not asked for."""
    cost_unit: str = ""
    """Unit of the rows' ``cost``: ``tokens`` (supervised, of all trainings) or a currency; empty where no row has a cost."""


def in_percent(share: float, decimals: int | None = 1, *, sign: bool = False) -> str:
    """Return a fraction in percent, without the percent sign.

    It is rounded to six decimals first: 0.5345 is treated as 53.45 %, not as the slightly smaller 100 times its float.

    Args:
        share: the fraction.
        decimals: number of decimals; None: as many as are needed.
        sign: also show the sign of positive numbers, for differences.
    """
    return f"{round(100 * share, 6):{'+' if sign else ''}{'g' if decimals is None else f'.{decimals}f'}}"
