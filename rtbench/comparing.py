"""Two runs, row by row on the same questions: what got better, what got worse, and whether chance would do as much.

Answers are paired by question (and pattern and seed). Of one seed the test is McNemar's, exact (a two-sided binomial test on the
questions that only one of the two answered right; scipy's); of several, whose answers to one question are not independent, the
interval decides alone. P values are Holm-adjusted over the table (statsmodels).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING

from rtbench.errors import BadInputError
from rtbench.files import read_jsonl
from rtbench.paired import PairedBootstrap
from rtbench.records import Record, Score
from rtbench.stats import Interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rtbench.runs import CellRecord, RunRecord
    from rtbench.store import Store

Key = tuple[Hashable, ...]


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


def compare(before: RunRecord, after: RunRecord, store_before: Store, store_after: Store) -> list[Comparison]:
    """Compares the cells that both runs have and have scored.

    Raises:
        BadInputError: they have none in common.
    """
    first, second = _rows(before), _rows(after)
    bootstrap = PairedBootstrap()
    found = [_compare(first[key], second[key], store_before, store_after, bootstrap) for key in first if key in second]
    pairs = [one for one in found if one is not None]
    if not pairs:
        raise BadInputError(
            f"runs {before.name} and {after.name} have no scored cell in common",
            next_step="Cells are the same where task, data, method, teacher, student, degree, part and fold are.",
        )
    return _adjusted(pairs)


def close_to_best(run: RunRecord, store: Store) -> dict[str, frozenset[str]]:
    """Per task, the first cell of each row that is the best of its fold, or that the paired interval does not tell from it."""
    bootstrap = PairedBootstrap()
    by_task: dict[tuple[Hashable, ...], list[dict[int, CellRecord]]] = {}
    for seeds in _rows(run).values():
        cell = next(iter(seeds.values()))
        if cell.method != "teacher":
            by_task.setdefault((cell.task, cell.source, cell.split, cell.fold), []).append(seeds)
    found: dict[str, set[str]] = {}
    for (task, *_), rows in by_task.items():
        scored = [(mean, seeds) for seeds in rows if (mean := _mean(seeds, store)) is not None]
        if not scored:
            continue
        _, best = max(scored, key=lambda pair: pair[0])
        names = found.setdefault(str(task), set())
        for _, seeds in scored:
            other = None if seeds is best else _compare(seeds, best, store, store, bootstrap)
            if seeds is best or (other is not None and other.interval.low <= 0):
                names.add(next(iter(seeds.values())).name)
    return {task: frozenset(names) for task, names in found.items()}


def _mean(seeds: dict[int, CellRecord], store: Store) -> float | None:
    found = [_scores(cell, store) for cell in seeds.values()]
    means = [sum(one.correct for one in scores.values()) / len(scores) for scores in found if scores]
    return sum(means) / len(means) if means and len(means) == len(seeds) else None


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


def _compare(
    first: dict[int, CellRecord],
    second: dict[int, CellRecord],
    store_before: Store,
    store_after: Store,
    bootstrap: PairedBootstrap,
) -> Comparison | None:
    import numpy as np

    differences: list[NDArray[np.float64]] = []
    groups: list[list[Hashable]] = []
    asked: list[list[int]] = []
    flips: list[Flip] = []
    means: list[tuple[float, float]] = []
    unpaired = 0
    seeds = [seed for seed in sorted(first) if seed in second and first[seed].variant == second[seed].variant]
    for seed in seeds:
        one, other = _scores(first[seed], store_before), _scores(second[seed], store_after)
        if one is None or other is None:
            continue
        both = sorted(one.keys() & other.keys())
        unpaired += len(one.keys() ^ other.keys())
        if not both:
            continue
        left, right = (np.array([side[at].correct for at in both], dtype=float) for side in (one, other))
        differences.append(right - left)
        groups.append([one[at].pattern for at in both])
        asked.append(both)
        means.append((float(left.mean()), float(right.mean())))
        cells = (first[seed].name, second[seed].name)
        changed = np.flatnonzero(right != left)
        flips += [Flip(seed=seed, sample_index=both[i], better=bool(right[i] > left[i]), cells=cells) for i in changed]
    if not differences:
        return None
    cell = first[seeds[0]]
    shared = len(differences) > 1 and len({first[seed].variant for seed in seeds}) == 1
    shared = shared and all(one == asked[0] for one in asked)
    better, worse = sum(flip.better for flip in flips), sum(not flip.better for flip in flips)
    single = len(differences) == 1 and len(set(groups[0])) == len(groups[0])
    return Comparison(
        name=cell.name.rpartition("/")[0],
        task=cell.task,
        questions=sum(map(len, asked)),
        unpaired=unpaired,
        seeds=len(differences),
        before=float(np.mean([mean for mean, _ in means])),
        after=float(np.mean([mean for _, mean in means])),
        effect=float(np.mean([one.mean() for one in differences])),
        interval=bootstrap.interval(differences, shared=shared, groups=groups),
        better=better,
        worse=worse,
        p=mcnemar(better, worse) if single else None,
        adjusted=None,
        flips=tuple(flips),
    )


def _scores(cell: CellRecord, store: Store) -> dict[int, Score] | None:
    if cell.score is None or not store.has("score", cell.score):
        return None
    path = store.path("score", cell.score) / f"scores-{cell.extractor}.jsonl"
    return {score.sample_index: score for score in read_jsonl(path, Score)} if path.stat().st_size else None


def _adjusted(found: Iterable[Comparison]) -> list[Comparison]:
    import msgspec

    pairs = list(found)
    tested = [at for at, one in enumerate(pairs) if one.p is not None]
    for at, value in zip(tested, holm([pairs[at].p or 0.0 for at in tested]), strict=True):
        pairs[at] = msgspec.structs.replace(pairs[at], adjusted=value)
    return pairs
