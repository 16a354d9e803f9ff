"""Compare two runs row by row on the same questions, and test whether the differences exceed chance.

Answers are paired by question and seed. With one seed, the test is McNemar's exact test: a two-sided binomial test
(scipy) on the questions that only one of the two runs answers correctly. With several seeds, answers to one question are not
independent, and only the confidence interval is used. P values are Holm-adjusted over the table (statsmodels).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from rtbench.errors import BadInputError
from rtbench.schema.base import Record
from rtbench.schema.scores import Interval, Score
from rtbench.stats.bootstrap import Bootstrap
from rtbench.stats.paired import Difference, Sides, difference, in_common
from rtbench.steps.score import scores_of

if TYPE_CHECKING:
    from rtbench.schema.runs import CellRecord, RunRecord
    from rtbench.storage.store import Store

Key = tuple[Hashable, ...]


class QuestionScore(NamedTuple):
    """The score of a question: of its completion, or the mean over its completions."""

    correct: float
    """Fraction of its completions that are correct."""
    pattern: str | int
    """Identity of its pattern (:attr:`rtbench.schema.scores.Score.pattern`)."""


class CellScores:
    """Scores of the cells of one store, by question. Each cell's scores are read once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[tuple[str | None, str], dict[int, QuestionScore]] = {}

    def of(self, cell: CellRecord) -> dict[int, QuestionScore]:
        """Return a cell's scores by sample index; empty where the cell has no scores."""
        key = (cell.score, cell.extractor)
        if key not in self._known:
            scores = scores_of(self._store, cell.score, cell.extractor) if cell.score else []
            questions: dict[int, list[Score]] = {}
            for score in scores:
                questions.setdefault(score.sample_index, []).append(score)
            self._known[key] = {
                index: QuestionScore(sum(one.correct for one in of_one) / len(of_one), of_one[0].pattern)
                for index, of_one in questions.items()
            }
        return self._known[key]


class Flip(Record, frozen=True):
    """A question that only one of the two runs answers correctly."""

    seed: int
    sample_index: int
    better: bool
    """True where the second run is correct."""
    cells: tuple[str, str]
    """Names of the cells, of the first and the second run."""


class RowComparison(Record, frozen=True):
    """RowComparison of two runs on one row and task."""

    name: str
    """Name of the cells without the seed."""
    task: str
    questions: int
    """Number of questions that both runs answered, summed over seeds."""
    unpaired: int
    """Number of questions that only one run answered, summed over seeds; they do not count."""
    seeds: int
    before: float
    after: float
    """Accuracies on the questions that both runs answered, as fractions; means over seeds."""
    effect: float
    """``after`` minus ``before``."""
    interval: Interval
    better: int
    worse: int
    """Questions that only the second run (``better``) or only the first run (``worse``) answers correctly."""
    p: float | None
    """P value of McNemar's exact test; None where it does not apply (several seeds, or questions share patterns)."""
    adjusted: float | None
    """``p``, Holm-adjusted over the table."""
    flips: tuple[Flip, ...]

    @property
    def verdict(self) -> str:
        """Return ``better`` or ``worse`` if the interval excludes 0 and the adjusted p value, if any, is below 0.05."""
        apart = self.interval.low > 0 or self.interval.high < 0
        if not apart or (self.adjusted is not None and self.adjusted >= 0.05):
            return "not distinguishable"
        return "better" if self.effect > 0 else "worse"


class RunComparison(Record, frozen=True):
    """RowComparison of two runs."""

    rows: tuple[RowComparison, ...]
    left_out: tuple[str, ...]
    """Rows that cannot be compared: only one run has them or has scored them, or their questions differ."""


def compare(before: RunRecord, after: RunRecord, store_before: Store, store_after: Store) -> RunComparison:
    """Compare the cells that both runs have scored.

    Raises:
        BadInputError: the runs have no scored cells in common.
    """
    first, second = _rows(before), _rows(after)
    verdicts = (CellScores(store_before), CellScores(store_after))
    bootstrap = Bootstrap()
    pairs: list[RowComparison] = []
    left_out: list[str] = []
    for key in {**first, **second}:
        one, other = first.get(key), second.get(key)
        comparison = _compare(one, other, verdicts, bootstrap) if one and other else None
        if comparison is not None:
            pairs.append(comparison)
        else:
            left_out.append(_name(one or other or {}))
    if not pairs:
        raise BadInputError(
            f"runs {before.name} and {after.name} have no scored cells in common",
            next_step="Compare runs with cells of the same task, data, method, teacher, student, degree and fold.",
        )
    return RunComparison(rows=tuple(_adjusted(pairs)), left_out=tuple(left_out))


def close_to_best(run: RunRecord, store: Store) -> dict[str, frozenset[str]]:
    """Return the rows that are the best of their fold or not distinguishable from it, by task.

    A row is not distinguishable from the best one where the interval of their paired difference includes 0. Rows that
    share no question with the best one are left out.

    Returns:
        The name of each row's first cell, by task.
    """
    bootstrap, verdicts = Bootstrap(), CellScores(store)
    by_fold: dict[Key, list[dict[int, CellRecord]]] = {}
    for seeds in _rows(run).values():
        cell = next(iter(seeds.values()))
        if not cell.of_teacher:
            by_fold.setdefault((cell.task, cell.source, cell.split, cell.fold), []).append(seeds)
    close: dict[str, set[str]] = {}
    for (task, *_), rows in by_fold.items():
        scored = [(mean, seeds) for seeds in rows if (mean := _mean(seeds, verdicts)) is not None]
        if not scored:
            continue
        _, best = max(scored, key=lambda pair: pair[0])
        names = close.setdefault(str(task), set())
        for _, seeds in scored:
            other = None if seeds is best else _compare(seeds, best, (verdicts, verdicts), bootstrap)
            if seeds is best or (other is not None and other.interval.low <= 0):
                names.add(next(iter(seeds.values())).name)
    return {task: frozenset(names) for task, names in close.items()}


def row_difference(
    before: Iterable[CellRecord], after: Iterable[CellRecord], scores: CellScores, bootstrap: Bootstrap
) -> RowComparison | None:
    """Return how much two rows of one run differ on a task, question by question; None without a question in common.

    Args:
        before: the cells of one row, of different seeds.
        after: the cells of the other row. An untrained model's only cell is compared with every seed.
        scores: scores of the run's cells.
        bootstrap: draws the resamples.
    """
    first, second = ({cell.seed: cell for cell in row} for row in (before, after))
    return _compare(first, second, (scores, scores), bootstrap) if first and second else None


def _mean(seeds: dict[int, CellRecord], verdicts: CellScores) -> float | None:
    """Return the mean accuracy over seeds; None where a seed has no scores."""
    by_seed = [verdicts.of(cell) for cell in seeds.values()]
    means = [sum(one.correct for one in scores.values()) / len(scores) for scores in by_seed if scores]
    return sum(means) / len(means) if means and len(means) == len(seeds) else None


def _name(seeds: dict[int, CellRecord]) -> str:
    """Return the name of a row's cells without the seed."""
    return next(iter(seeds.values())).name.rpartition("/")[0]


def mcnemar(better: int, worse: int) -> float:
    """Return the two-sided p value of McNemar's exact test; 1 where nothing differs."""
    from scipy.stats import binomtest

    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def holm(values: Sequence[float]) -> list[float]:
    """Return p values adjusted for multiple comparisons (Holm 1979)."""
    from statsmodels.stats.multitest import multipletests

    return [float(one) for one in multipletests(values, method="holm")[1]] if values else []


def _rows(run: RunRecord) -> dict[Key, dict[int, CellRecord]]:
    """Return a run's cells by seed, grouped by the other properties that two runs must share.

    Selection, recipe and extractor may differ between the runs, because their effect can be compared.
    """
    rows: dict[Key, dict[int, CellRecord]] = {}
    for cell in run.cells:
        key = (
            cell.task, cell.source, cell.split, cell.method, cell.teacher, cell.student, cell.degree, cell.fraction,
            cell.fold, cell.temperature, cell.sampling, cell.train_tasks,
        )  # fmt: skip
        rows.setdefault(key, {})[cell.seed] = cell
    return rows


def _pairs(first: dict[int, CellRecord], second: dict[int, CellRecord]) -> Iterator[tuple[int, CellRecord, CellRecord]]:
    """Yield the seeds, each with the two runs' cells on the same questions.

    An untrained model has one cell for all seeds. This cell is paired with every seed of the other run.
    """

    def of(seeds: dict[int, CellRecord], seed: int) -> CellRecord | None:
        if seed in seeds:
            return seeds[seed]
        (only, *more) = seeds.values()
        return only if not more and only.recipe is None else None

    seeds = sorted(first.keys() | second.keys())
    if all(len(cells) == 1 and next(iter(cells.values())).recipe is None for cells in (first, second)):
        seeds = seeds[:1]  # otherwise the same answers would count twice where the runs' seeds differ
    for seed in seeds:
        one, other = of(first, seed), of(second, seed)
        if one and other and (one.dataset, one.variant) == (other.dataset, other.variant):
            yield seed, one, other


def _compare(
    first: dict[int, CellRecord],
    second: dict[int, CellRecord],
    verdicts: tuple[CellScores, CellScores],
    bootstrap: Bootstrap,
) -> RowComparison | None:
    """Return the comparison of two rows; None where no question was answered in both."""
    answered = {
        seed: (cells, sides)
        for seed, *cells in _pairs(first, second)
        if all(sides := [one.of(cell) for one, cell in zip(verdicts, cells, strict=True)])
    }
    both = {
        seed: {at: (after[at].correct, before[at].correct) for at in before.keys() & after.keys()}
        for seed, (_, (before, after)) in answered.items()
    }
    shared = len(both) > 1 and len({cells[0].dataset for cells, _ in answered.values()}) == 1
    paired = in_common(both, shared=shared)
    if not paired:
        return None
    patterns = {seed: {at: answered[seed][1][0][at].pattern for at in sides} for seed, sides in paired.items()}
    result = difference(paired, patterns, bootstrap, shared=shared)
    flips = [
        Flip(seed=seed, sample_index=at, better=after > before, cells=(cells[0].name, cells[1].name))
        for seed, sides in paired.items()
        for cells in [answered[seed][0]]
        for at, (after, before) in sorted(sides.items())
        if after != before
    ]
    better = sum(flip.better for flip in flips)
    worse = len(flips) - better
    return RowComparison(
        name=_name(first),
        task=next(iter(first.values())).task,
        questions=result.n,
        unpaired=sum(len(before.keys() ^ after.keys()) for _, (before, after) in answered.values()),
        seeds=result.seeds,
        before=result.right,
        after=result.left,
        effect=result.effect,
        interval=result.interval,
        better=better,
        worse=worse,
        p=mcnemar(better, worse) if _single_answers(paired, result) else None,
        adjusted=None,
        flips=tuple(flips),
    )


def _single_answers(paired: Mapping[int, Sides], result: Difference) -> bool:
    """Return whether each question was answered once by each side, and is independent of the others."""
    shares = {share for sides in paired.values() for pair in sides.values() for share in pair}
    return result.seeds == 1 and result.patterns == result.n and shares <= {0.0, 1.0}


def _adjusted(comparisons: Iterable[RowComparison]) -> list[RowComparison]:
    """Return comparisons with Holm-adjusted p values."""
    import msgspec

    rows = list(comparisons)
    tested = [index for index, row in enumerate(rows) if row.p is not None]
    for index, value in zip(tested, holm([rows[index].p or 0.0 for index in tested]), strict=True):
        rows[index] = msgspec.structs.replace(rows[index], adjusted=value)
    return rows
