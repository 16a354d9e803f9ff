"""Two runs, row by row on the same questions: what got better, what got worse, and whether chance would do as much.

Answers are paired by question (and pattern and seed). Of one seed the test is McNemar's, exact (a two-sided binomial test on the
questions that only one of the two answered right; scipy's); of several, whose answers to one question are not independent, the
interval decides alone. P values are Holm-adjusted over the table (statsmodels).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rtbench.errors import BadInputError
from rtbench.schema.base import Record
from rtbench.schema.scores import Interval, Score
from rtbench.stats.bootstrap import Bootstrap
from rtbench.stats.paired import difference, in_common
from rtbench.steps.score import scores_of

if TYPE_CHECKING:
    from rtbench.schema.runs import CellRecord, RunRecord
    from rtbench.storage.store import Store

Key = tuple[Hashable, ...]


class Verdicts:
    """By question, of the cells of one store; each cell's are read once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[tuple[str | None, str], dict[int, Score]] = {}

    def of(self, cell: CellRecord) -> dict[int, Score]:
        """Empty where there are none."""
        key = (cell.score, cell.extractor)
        if key not in self._known:
            found = scores_of(self._store, cell.score, cell.extractor) if cell.score else []
            self._known[key] = {score.sample_index: score for score in found}
        return self._known[key]


class Flip(Record, frozen=True):
    """A question that only one of the two runs answered right."""

    seed: int
    sample_index: int
    better: bool
    """The second run has it right."""
    cells: tuple[str, str]


class Comparison(Record, frozen=True):
    """A row and task of two runs."""

    name: str
    """The cells' name, without the seed."""
    task: str
    questions: int
    """That both answered, over all seeds."""
    unpaired: int
    """That only one of them answered, over all seeds; they do not count."""
    seeds: int
    before: float
    after: float
    """Accuracies, as fractions, of the questions that both answered; means over seeds."""
    effect: float
    interval: Interval
    better: int
    worse: int
    """Questions that only the second, or only the first run has right."""
    p: float | None
    """McNemar's, exact; None where it does not apply (several seeds, or questions that share patterns)."""
    adjusted: float | None
    """The same, Holm-adjusted over the table."""
    flips: tuple[Flip, ...]

    @property
    def verdict(self) -> str:
        """By the adjusted p value where there is one, and by the interval in any case."""
        apart = self.interval.low > 0 or self.interval.high < 0
        if not apart or (self.adjusted is not None and self.adjusted >= 0.05):
            return "not distinguishable"
        return "better" if self.effect > 0 else "worse"


class Compared(Record, frozen=True):
    """Two runs."""

    rows: tuple[Comparison, ...]
    left_out: tuple[str, ...]
    """Rows that only one of them has, has scored, or has of the same questions."""


def compare(before: RunRecord, after: RunRecord, store_before: Store, store_after: Store) -> Compared:
    """Compares the cells that both runs have and have scored.

    Raises:
        BadInputError: they have none in common.
    """
    first, second = _rows(before), _rows(after)
    verdicts = (Verdicts(store_before), Verdicts(store_after))
    bootstrap = Bootstrap()
    pairs: list[Comparison] = []
    left_out: list[str] = []
    for key in {**first, **second}:
        one, other = first.get(key), second.get(key)
        found = _compare(one, other, verdicts, bootstrap) if one and other else None
        if found is not None:
            pairs.append(found)
        else:
            left_out.append(_name(one or other or {}))
    if not pairs:
        raise BadInputError(
            f"runs {before.name} and {after.name} have no scored cell in common",
            next_step="Cells are the same where task, data, method, teacher, student, degree, part and fold are.",
        )
    return Compared(rows=tuple(_adjusted(pairs)), left_out=tuple(left_out))


def close_to_best(run: RunRecord, store: Store) -> dict[str, frozenset[str]]:
    """Per task, the first cell of each row that is the best of its fold, or that the paired interval does not tell from it.
    A row that shares no question with the best is not among them."""
    bootstrap, verdicts = Bootstrap(), Verdicts(store)
    by_fold: dict[Key, list[dict[int, CellRecord]]] = {}
    for seeds in _rows(run).values():
        cell = next(iter(seeds.values()))
        if not cell.of_teacher:
            by_fold.setdefault((cell.task, cell.source, cell.split, cell.fold), []).append(seeds)
    found: dict[str, set[str]] = {}
    for (task, *_), rows in by_fold.items():
        scored = [(mean, seeds) for seeds in rows if (mean := _mean(seeds, verdicts)) is not None]
        if not scored:
            continue
        _, best = max(scored, key=lambda pair: pair[0])
        names = found.setdefault(str(task), set())
        for _, seeds in scored:
            other = None if seeds is best else _compare(seeds, best, (verdicts, verdicts), bootstrap)
            if seeds is best or (other is not None and other.interval.low <= 0):
                names.add(next(iter(seeds.values())).name)
    return {task: frozenset(names) for task, names in found.items()}


def _mean(seeds: dict[int, CellRecord], verdicts: Verdicts) -> float | None:
    found = [verdicts.of(cell) for cell in seeds.values()]
    means = [sum(one.correct for one in scores.values()) / len(scores) for scores in found if scores]
    return sum(means) / len(means) if means and len(means) == len(seeds) else None


def _name(seeds: dict[int, CellRecord]) -> str:
    return next(iter(seeds.values())).name.rpartition("/")[0]


def mcnemar(better: int, worse: int) -> float:
    """P value of McNemar's exact test, two-sided; 1 where nothing differs."""
    from scipy.stats import binomtest

    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def holm(values: Sequence[float]) -> list[float]:
    """P values adjusted for being several (Holm 1979)."""
    from statsmodels.stats.multitest import multipletests

    return [float(one) for one in multipletests(values, method="holm")[1]] if values else []


def _rows(run: RunRecord) -> dict[Key, dict[int, CellRecord]]:
    """Cells by seed, by what else tells them apart. Selection, recipe and extractor may differ: they are what one compares."""
    rows: dict[Key, dict[int, CellRecord]] = {}
    for cell in run.cells:
        key = (
            cell.task, cell.source, cell.split, cell.method, cell.teacher, cell.student, cell.degree, cell.fraction,
            cell.fold, cell.temperature,
        )  # fmt: skip
        rows.setdefault(key, {})[cell.seed] = cell
    return rows


def _pairs(first: dict[int, CellRecord], second: dict[int, CellRecord]) -> Iterator[tuple[int, CellRecord, CellRecord]]:
    """Cells of the same questions, seed by seed. What is not trained has one cell for all seeds of the same questions, which is
    paired with each."""

    def of(seeds: dict[int, CellRecord], seed: int) -> CellRecord | None:
        if seed in seeds:
            return seeds[seed]
        (only, *more) = seeds.values()
        return only if not more and only.recipe is None else None

    seeds = sorted(first.keys() | second.keys())
    if all(len(cells) == 1 and next(iter(cells.values())).recipe is None for cells in (first, second)):
        seeds = seeds[:1]  # the same answers would count once for each run's seed
    for seed in seeds:
        one, other = of(first, seed), of(second, seed)
        if one and other and (one.dataset, one.variant) == (other.dataset, other.variant):
            yield seed, one, other


def _compare(
    first: dict[int, CellRecord],
    second: dict[int, CellRecord],
    verdicts: tuple[Verdicts, Verdicts],
    bootstrap: Bootstrap,
) -> Comparison | None:
    """None where no question was answered by both."""
    answered = {
        seed: (cells, sides)
        for seed, *cells in _pairs(first, second)
        if all(sides := [one.of(cell) for one, cell in zip(verdicts, cells, strict=True)])
    }
    both = {
        seed: {at: (float(after[at].correct), float(before[at].correct)) for at in before.keys() & after.keys()}
        for seed, (_, (before, after)) in answered.items()
    }
    shared = len(both) > 1 and len({cells[0].dataset for cells, _ in answered.values()}) == 1
    asked = in_common(both, shared=shared)
    if not asked:
        return None
    patterns = {seed: {at: answered[seed][1][0][at].pattern for at in sides} for seed, sides in asked.items()}
    found = difference(asked, patterns, bootstrap, shared=shared)
    flips = [
        Flip(seed=seed, sample_index=at, better=after > before, cells=(cells[0].name, cells[1].name))
        for seed, sides in asked.items()
        for cells in [answered[seed][0]]
        for at, (after, before) in sorted(sides.items())
        if after != before
    ]
    better = sum(flip.better for flip in flips)
    worse = len(flips) - better
    return Comparison(
        name=_name(first),
        task=next(iter(first.values())).task,
        questions=found.n,
        unpaired=sum(len(before.keys() ^ after.keys()) for _, (before, after) in answered.values()),
        seeds=found.seeds,
        before=found.right,
        after=found.left,
        effect=found.effect,
        interval=found.interval,
        better=better,
        worse=worse,
        p=mcnemar(better, worse) if found.seeds == 1 and found.patterns == found.n else None,
        adjusted=None,
        flips=tuple(flips),
    )


def _adjusted(found: Iterable[Comparison]) -> list[Comparison]:
    import msgspec

    pairs = list(found)
    tested = [at for at, one in enumerate(pairs) if one.p is not None]
    for at, value in zip(tested, holm([pairs[at].p or 0.0 for at in tested]), strict=True):
        pairs[at] = msgspec.structs.replace(pairs[at], adjusted=value)
    return pairs
