"""The cells of a run that claims rest on, paired by question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from rtbench_plugins.paper.claims.records import PartialComparison

from rtbench.api import (
    CONFIDENCE,
    PART_RESAMPLES,
    RESAMPLES,
    Bootstrap,
    CellRecord,
    Difference,
    Fold,
    Record,
    RunRecord,
    Score,
    Source,
    Store,
    TrainReport,
    Verdicts,
    difference,
    in_common,
)

FINE_TUNE, FINE_TUNE_COT, TEACHER = "fine-tune", "fine-tune-cot", "teacher"


class Context(Record, frozen=True):
    """What is the same for all cells of a comparison."""

    task: str
    source: Source
    wording: str
    split: str
    fold: Fold
    extractor: str
    limit: int | None
    selection: str | None

    @classmethod
    def of(cls, cell: CellRecord) -> Context:
        return cls(
            task=cell.task,
            source=cell.source,
            wording="twin" if cell.source == "twin" else cell.variant,
            split=cell.split,
            fold=cell.fold,
            extractor=cell.extractor,
            limit=cell.limit,
            selection=cell.selection,
        )


class TeacherId(Record, frozen=True):
    """A teacher as a run asked it: by the name that the run has for it and its options."""

    name: str
    temperature: float | None

    def __str__(self) -> str:
        return self.name if self.temperature is None else f"{self.name} T={self.temperature:g}"


def teacher_of(cell: CellRecord) -> TeacherId:
    return TeacherId(name=cell.teacher or "", temperature=cell.temperature)


@dataclass(frozen=True)
class CellPair:
    """Two cells that answered the same questions."""

    left: CellRecord
    right: CellRecord


def match(left: Iterable[CellRecord], right: Iterable[CellRecord], on: Sequence[str]) -> list[CellPair]:
    """Pairs cells that agree in the facts named."""
    others = {tuple(getattr(cell, fact) for fact in on): cell for cell in right}
    found = [(cell, others.get(tuple(getattr(cell, fact) for fact in on))) for cell in left]
    return [CellPair(cell, other) for cell, other in found if other is not None]


class Evidence:
    """The cells of a run on one fold, and the verdicts on their answers.

    Args:
        run: its record.
        store: where its scores and train reports stand.
        fold: cells of other folds are left out.
    """

    def __init__(self, run: RunRecord, store: Store, fold: Fold) -> None:
        self.store = store
        self.fold = fold
        self.cells = [cell for cell in run.cells if cell.fold == fold]
        asked = Counter(teacher_of(cell) for cell in self.cells if cell.method == FINE_TUNE_COT)
        self.teachers = [teacher for teacher, _ in asked.most_common()]
        """The one that most cells learn from first; of equals, the run's order."""
        self._bootstrap = Bootstrap()
        self._verdicts = Verdicts(store)

    def contexts(self, task: str) -> list[Context]:
        """Of the students that were trained for a task."""
        trained = [cell for cell in self.cells if cell.task == task and cell.method in {FINE_TUNE, FINE_TUNE_COT}]
        return list(dict.fromkeys(Context.of(cell) for cell in trained))

    def view(self, context: Context) -> View:
        """The cells of a context that have a result; the teachers' rows among them, which select no epoch."""
        import msgspec

        untrained = msgspec.structs.replace(context, selection=None)
        found = [cell for cell in self.cells if Context.of(cell) in {context, untrained}]
        have = [cell for cell in found if self.store.scored(cell)]
        return View(self, context, have, [cell for cell in found if cell not in have])

    def scores(self, cell: CellRecord) -> Mapping[int, Score]:
        """A cell's verdicts by sample index. Read once."""
        return self._verdicts.of(cell)

    def accuracy(self, cells: Sequence[CellRecord]) -> float | None:
        """Mean over cells; None where no question was answered."""
        found = [self.scores(cell).values() for cell in cells]
        shares = [sum(score.correct for score in scores) / len(scores) for scores in found if scores]
        return sum(shares) / len(shares) if shares else None

    def parameters(self, cell: CellRecord) -> int | None:
        """Of the trained student, as its train report says; None where whoever trained it does not."""
        if cell.checkpoint is None or not self.store.has("train", cell.checkpoint):
            return None
        return self.store.result(TrainReport, cell.checkpoint).parameters

    def measure(
        self, pairs: Sequence[CellPair], confidence: float = CONFIDENCE, *, resamples: int = RESAMPLES
    ) -> Difference | None:
        """The difference over all pairs, question by question: per seed a question's difference is its mean over pairs
        (students, say). None where the two sides answered no question in common."""
        shared = len({pair.left.variant for pair in pairs}) == 1
        sides = in_common(self._by_seed(pairs), shared=shared)
        if not sides:
            return None
        patterns = self._patterns(pairs)
        return difference(sides, patterns, self._bootstrap, shared=shared, confidence=confidence, resamples=resamples)

    def _by_seed(self, pairs: Sequence[CellPair]) -> dict[tuple[str, int], dict[int, tuple[float, float]]]:
        """By variant and seed, then question: the shares of pairs whose left and whose right side is right."""
        counts: dict[tuple[str, int], dict[int, list[int]]] = {}
        for pair in pairs:
            left, right = self.scores(pair.left), self.scores(pair.right)
            seed = counts.setdefault((pair.left.variant, pair.left.seed), {})
            for index in left.keys() & right.keys():
                one = seed.setdefault(index, [0, 0, 0])
                one[0] += left[index].correct
                one[1] += right[index].correct
                one[2] += 1
        return {key: {i: (a / n, b / n) for i, (a, b, n) in seed.items()} for key, seed in counts.items()}

    def _patterns(self, pairs: Sequence[CellPair]) -> dict[tuple[str, int], dict[int, Hashable]]:
        """By variant and seed, then question: what the questions of one pattern share."""
        found: dict[tuple[str, int], dict[int, Hashable]] = {}
        for pair in pairs:
            here = found.setdefault((pair.left.variant, pair.left.seed), {})
            here.update((index, score.pattern) for index, score in self.scores(pair.left).items())
        return found

    def part(
        self, axis: str, name: str, pairs: Sequence[CellPair], confidence: float = CONFIDENCE
    ) -> list[PartialComparison]:
        """A comparison of its own, as a list of one; of none where it cannot be made."""
        found = self.measure(pairs, confidence, resamples=PART_RESAMPLES)
        if found is None:
            return []
        return [PartialComparison(axis=axis, name=name, effect=found.effect, interval=found.interval, n=found.n)]


@dataclass(frozen=True)
class View:
    """The cells of one context."""

    evidence: Evidence
    context: Context
    cells: Sequence[CellRecord]
    lost: Sequence[CellRecord]
    """Those without a result."""

    @property
    def teachers(self) -> list[TeacherId]:
        """Whose rationales students of this context learned from; the run's main teacher first."""
        here = {teacher_of(cell) for cell in self.cells if cell.method == FINE_TUNE_COT}
        return [teacher for teacher in self.evidence.teachers if teacher in here]

    def asked_as(self, teacher: TeacherId) -> list[TeacherId]:
        """The same teacher at all its temperatures, the one given first. Within a run a name stands for one set of
        options."""
        return [teacher, *(other for other in self.teachers if other.name == teacher.name and other != teacher)]

    @cached_property
    def whole(self) -> float:
        """The largest part of the training questions that a student was to learn from: all of them, 1, unless the run
        has parts only."""
        trained = [cell for cell in (*self.cells, *self.lost) if cell.method in {FINE_TUNE, FINE_TUNE_COT}]
        return max((cell.fraction for cell in trained), default=1.0)

    def vanilla(self) -> list[CellRecord]:
        """Students fine-tuned on the answers of all training questions that the run has."""
        return [cell for cell in self.cells if cell.method == FINE_TUNE and cell.fraction == self.whole]

    def cot(self, teacher: TeacherId, *, fraction: float | None = None) -> list[CellRecord]:
        """Students fine-tuned on a teacher's rationales, of a part of the training questions or of all the run has."""
        wanted = self.whole if fraction is None else fraction
        return [
            cell
            for cell in self.cells
            if cell.method == FINE_TUNE_COT and teacher_of(cell) == teacher and cell.fraction == wanted
        ]

    def parts(self) -> list[float]:
        """The smaller parts of the training questions that students learned from, smallest first."""
        return sorted({cell.fraction for cell in self.cells if cell.method == FINE_TUNE_COT} - {self.whole})

    def rows(self, teacher: TeacherId) -> list[CellRecord]:
        """The teacher's own answers to the questions of the fold."""
        return [cell for cell in self.cells if cell.method == TEACHER and teacher_of(cell) == teacher]
