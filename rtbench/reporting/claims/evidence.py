"""Cells of a run that claims compare, paired by question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec

from rtbench.reporting.compare import CellScores, QuestionScore
from rtbench.reporting.effort import EffortReader
from rtbench.reporting.spending import SpendingReader
from rtbench.schema.base import Fold, Record, Source
from rtbench.schema.claims import PartialComparison
from rtbench.schema.effort import TrainingEffort
from rtbench.schema.matrix import AnswerSampling
from rtbench.schema.runs import CellRecord, RunRecord
from rtbench.schema.training import CurationYield, TrainReport
from rtbench.stats.bootstrap import RESAMPLES, SINGLE_TASK_RESAMPLES, Bootstrap
from rtbench.stats.intervals import CONFIDENCE
from rtbench.stats.paired import Difference, difference, in_common
from rtbench.storage.ledger import Ledger
from rtbench.storage.store import Store


class Context(Record, frozen=True):
    """Facts that all cells of a comparison share."""

    task: str
    source: Source
    wording: str
    split: str
    fold: Fold
    extractor: str
    limit: int | None
    sampling: AnswerSampling | None
    selection: str | None

    @classmethod
    def of(cls, cell: CellRecord) -> Context:
        """Return the context of a cell."""
        return cls(
            task=cell.task,
            source=cell.source,
            wording="twin" if cell.source == "twin" else cell.variant,
            split=cell.split,
            fold=cell.fold,
            extractor=cell.extractor,
            limit=cell.limit,
            sampling=cell.sampling,
            selection=cell.selection,
        )


class TeacherId(Record, frozen=True):
    """A teacher as a run uses it: its name, which implies its options within the run, and its temperature."""

    name: str
    temperature: float | None

    def __str__(self) -> str:
        return self.name if self.temperature is None else f"{self.name} T={self.temperature:g}"


def teacher_of(cell: CellRecord) -> TeacherId:
    """Return the teacher of a cell."""
    return TeacherId(name=cell.teacher or "", temperature=cell.temperature)


@dataclass(frozen=True)
class CellPair:
    """Two cells that answered the same questions."""

    left: CellRecord
    right: CellRecord


def match_cells(left: Iterable[CellRecord], right: Iterable[CellRecord], on: Sequence[str]) -> list[CellPair]:
    """Return pairs of cells that have the same values in the fields ``on``."""
    others = {tuple(getattr(cell, fact) for fact in on): cell for cell in right}
    matches = [(cell, others.get(tuple(getattr(cell, fact) for fact in on))) for cell in left]
    return [CellPair(cell, other) for cell, other in matches if other is not None]


@dataclass(frozen=True)
class TrainedWith:
    """What a cell's student was trained with."""

    questions: int
    """Questions with a rationale or answer, and new questions of a twin that were asked in training."""
    effort: TrainingEffort


class Evidence:
    """The cells of a run on one fold, and the scores of their answers.

    Args:
        run: record of the run.
        store: has the run's scores and train reports.
        fold: cells of other folds are left out.
        ledger: has the token counts of completions; None: no money is known.
    """

    def __init__(self, run: RunRecord, store: Store, fold: Fold, ledger: Ledger | None = None) -> None:
        self.store = store
        self.fold = fold
        self.cells = [cell for cell in run.cells if cell.fold == fold]
        self.on_training = [cell for cell in run.cells if cell.fold == "train" and cell.of_teacher]
        """The teachers' own answers to training questions."""
        self.knows_money = ledger is not None
        """Whether costs are read."""
        self._bootstrap = Bootstrap()
        self._verdicts = CellScores(store)
        self._trained: dict[str, TrainedWith | None] = {}
        self._efforts = EffortReader(run, store, None if ledger is None else SpendingReader(store, ledger))

    def contexts(self, task: str) -> list[Context]:
        """Return the contexts in which students were trained for a task."""
        trained = [cell for cell in self.cells if cell.task == task and cell.recipe is not None]
        return list(dict.fromkeys(Context.of(cell) for cell in trained))

    def teachers(self, method: str) -> list[TeacherId]:
        """Return the teachers whose rationales students of a method learned from.

        They are ordered by the number of cells that learn from each, most first; ties are in the run's order.
        """
        taught = (cell for cell in self.cells if cell.method == method and cell.recipe is not None and cell.teacher)
        return [teacher for teacher, _ in Counter(map(teacher_of, taught)).most_common()]

    def view(self, context: Context) -> View:
        """Return the cells of a context, including untrained students and the teachers' own rows.

        Untrained students have no epoch selection, and the matrix's sampling does not apply to teachers.
        """
        untrained = msgspec.structs.replace(context, selection=None)
        teachers = msgspec.structs.replace(untrained, sampling=None)
        cells = [
            cell for cell in self.cells if Context.of(cell) in {context, teachers if cell.of_teacher else untrained}
        ]
        own = [cell for cell in cells if not cell.train_tasks]
        scored = [cell for cell in own if self.store.scored(cell)]
        transferred = [cell for cell in cells if cell.train_tasks and self.store.scored(cell)]
        return View(self, context, scored, [cell for cell in own if cell not in scored], transferred)

    def scores(self, cell: CellRecord) -> Mapping[int, QuestionScore]:
        """Return a cell's scores by sample index. They are read from the store once."""
        return self._verdicts.of(cell)

    def accuracy(self, cells: Sequence[CellRecord]) -> float | None:
        """Return the mean accuracy over cells, as a fraction; None where no question was answered."""
        by_cell = [self.scores(cell).values() for cell in cells]
        shares = [sum(score.correct for score in scores) / len(scores) for scores in by_cell if scores]
        return sum(shares) / len(shares) if shares else None

    def parameters(self, cell: CellRecord) -> int | None:
        """Return the number of parameters in the student's train report; None where the report has none."""
        if cell.checkpoint is None or not self.store.has("train", cell.checkpoint):
            return None
        return self.store.result(TrainReport, cell.checkpoint).parameters

    def trained_with(self, cell: CellRecord) -> TrainedWith | None:
        """Return what a cell's student was trained with; None where a report is missing."""
        if cell.name not in self._trained:  # several claims compare a cell
            self._trained[cell.name] = self._read_trainings(cell)
        return self._trained[cell.name]

    def _read_trainings(self, cell: CellRecord) -> TrainedWith | None:
        effort = self._efforts.of(cell)
        if effort is None or cell.examples is None or not self.store.has("curate", cell.examples):
            return None
        covered = self.store.result(CurationYield, cell.examples).covered
        return TrainedWith(covered + self._efforts.asked_of_twin(cell), effort)

    def measure(
        self,
        pairs: Sequence[CellPair],
        confidence: float = CONFIDENCE,
        *,
        resamples: int = RESAMPLES,
        with_p: bool = False,
        margin: float | None = None,
    ) -> Difference | None:
        """Return the difference of accuracies over all pairs, computed question by question.

        Within a seed, a question's difference is its mean over pairs (over students, for example).

        Returns:
            None where the two sides answered no question in common.
        """
        shared = len({pair.left.variant for pair in pairs}) == 1
        sides = in_common(self._by_seed(pairs), shared=shared)
        if not sides:
            return None
        patterns = self._patterns(pairs)
        return difference(
            sides,
            patterns,
            self._bootstrap,
            shared=shared,
            confidence=confidence,
            resamples=resamples,
            with_p=with_p,
            margin=margin,
        )

    def _by_seed(self, pairs: Sequence[CellPair]) -> dict[tuple[str, int], dict[int, tuple[float, float]]]:
        """Return, by variant and seed, then by question, the fractions of pairs whose left and whose right answer is right."""
        counts: dict[tuple[str, int], dict[int, list[float]]] = {}
        for pair in pairs:
            left, right = self.scores(pair.left), self.scores(pair.right)
            seed = counts.setdefault((pair.left.variant, pair.left.seed), {})
            for index in left.keys() & right.keys():
                tally = seed.setdefault(index, [0, 0, 0])
                tally[0] += left[index].correct
                tally[1] += right[index].correct
                tally[2] += 1
        return {key: {i: (a / n, b / n) for i, (a, b, n) in seed.items()} for key, seed in counts.items()}

    def _patterns(self, pairs: Sequence[CellPair]) -> dict[tuple[str, int], dict[int, Hashable]]:
        """Return the pattern of each question, by variant and seed, then by question."""
        patterns: dict[tuple[str, int], dict[int, Hashable]] = {}
        for pair in pairs:
            by_question = patterns.setdefault((pair.left.variant, pair.left.seed), {})
            by_question.update((index, score.pattern) for index, score in self.scores(pair.left).items())
        return patterns

    def part(
        self, axis: str, name: str, pairs: Sequence[CellPair], confidence: float = CONFIDENCE
    ) -> list[PartialComparison]:
        """Return a partial comparison as a list with one entry; an empty list where nothing can be compared."""
        measured = self.measure(pairs, confidence, resamples=SINGLE_TASK_RESAMPLES)
        if measured is None:
            return []
        return [
            PartialComparison(axis=axis, name=name, effect=measured.effect, interval=measured.interval, n=measured.n)
        ]


@dataclass(frozen=True)
class View:
    """The cells of one context."""

    evidence: Evidence
    context: Context
    cells: Sequence[CellRecord]
    """Cells with a result."""
    lost: Sequence[CellRecord]
    """Cells without a result."""
    transferred: Sequence[CellRecord] = ()
    """Cells with a result whose students are trained on stated tasks (:attr:`CellRecord.train_tasks`); not in ``cells``."""

    def teachers(self, method: str) -> list[TeacherId]:
        """Return the teachers that students of a method learned from here, the run's main teacher first."""
        used = {teacher_of(cell) for cell in self.trained(method)}
        return [teacher for teacher in self.evidence.teachers(method) if teacher in used]

    def asked_as(self, method: str, teacher: TeacherId) -> list[TeacherId]:
        """Return the same teacher at all its temperatures, the given temperature first.

        Teachers are the same if they have the same name: within a run a name implies one set of options.
        """
        others = (other for other in self.teachers(method) if other.name == teacher.name and other != teacher)
        return [teacher, *others]

    @cached_property
    def whole(self) -> float:
        """Return the largest fraction of the training questions that a cell of this context learns from.

        It is 1 unless the run uses only smaller fractions.
        """
        trained = [cell for cell in (*self.cells, *self.lost) if cell.recipe is not None]
        return max((cell.fraction for cell in trained), default=1.0)

    def trained(
        self, method: str, teacher: TeacherId | None = None, *, fraction: float | None = None
    ) -> list[CellRecord]:
        """Return the cells of students that a method trained.

        Args:
            method: name of the method.
            teacher: only students of this teacher; None: all.
            fraction: fraction of the training questions; None: the largest of the context (:attr:`whole`).
        """
        wanted = self.whole if fraction is None else fraction
        return [
            cell
            for cell in self.cells
            if cell.method == method
            and cell.recipe is not None
            and cell.fraction == wanted
            and teacher in {None, teacher_of(cell)}
        ]

    def smaller_fractions(self, method: str) -> list[float]:
        """Return the fractions of the training questions that are smaller than :attr:`whole`, smallest first."""
        return sorted({cell.fraction for cell in self.cells if cell.method == method} - {self.whole})

    def rows(self, teacher: TeacherId) -> list[CellRecord]:
        """Return the cells with the teacher's own answers to the questions of the fold."""
        return [cell for cell in self.cells if cell.of_teacher and teacher_of(cell) == teacher]

    def rows_on_training(self, teacher: TeacherId) -> list[CellRecord]:
        """Return the cells with the teacher's own answers to the training questions."""
        wanted = msgspec.structs.replace(self.context, fold="train", selection=None, sampling=None)
        cells = [cell for cell in self.evidence.on_training if Context.of(cell) == wanted]
        return [cell for cell in cells if teacher_of(cell) == teacher and self.evidence.store.scored(cell)]
