"""A leaderboard by cost: what a unit of training cost gains, and which rows are on the Pareto front."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from rtbench.reporting.compare import CellScores, row_difference
from rtbench.schema.effort import TOKENS, CostUnit, Efficiency, TrainingEffort
from rtbench.schema.leaderboard import CellResult, Leaderboard, LeaderboardRow
from rtbench.schema.scores import Interval
from rtbench.stats.bootstrap import Bootstrap
from rtbench.stats.intervals import interval_of_mean

if TYPE_CHECKING:
    from rtbench.schema.runs import CellRecord, RunRecord
    from rtbench.storage.store import Store


def with_efficiency(board: Leaderboard, run: RunRecord, store: Store, per: CostUnit) -> Leaderboard:
    """Return a leaderboard whose trained rows have their gain per unit of cost.

    The gain of a row is over the best untrained row of the same student, question by question. That is the one with the
    highest mean over the row's tasks, so all tasks of a row have the same. Without such a row, the accuracy itself counts.

    Args:
        board: the leaderboard, with the effort of its trained rows.
        run: record of the run.
        store: has the scores.
        per: unit of cost.
    """
    gains = _Gains({cell.name: cell for cell in run.cells if store.scored(cell)}, store)
    rows = tuple(_per_unit(row, board.rows, gains, per) for row in board.rows)
    return msgspec.structs.replace(board, rows=rows, per=per)


class _Gain(NamedTuple):
    """What training gains, as a fraction of the questions."""

    value: float
    interval: Interval | None
    n: int
    over: str | None
    """Method of the untrained row; None: the gain is the accuracy itself."""


class _Gains:
    """Differences between rows of a run, which share the bootstrap's draws."""

    def __init__(self, cells: Mapping[str, CellRecord], store: Store) -> None:
        self._cells = cells
        self._scores = CellScores(store)
        self._bootstrap = Bootstrap()

    def of(self, result: CellResult, task: str, untrained: LeaderboardRow | None) -> _Gain | None:
        """Return the gain over an untrained row; without one, the accuracy. None: they have no question in common."""
        assert result.accuracy is not None, "only a result with a number has a gain"
        if untrained is None:
            return _Gain(result.accuracy, result.interval, result.n, None)
        before, after = self._of(untrained.results[task]), self._of(result)
        found = row_difference(before, after, self._scores, self._bootstrap)
        return None if found is None else _Gain(found.effect, found.interval, found.questions, untrained.method)

    def _of(self, result: CellResult) -> list[CellRecord]:
        return [self._cells[name] for name in result.cells if name in self._cells]


def _per_unit(row: LeaderboardRow, rows: Iterable[LeaderboardRow], gains: _Gains, per: CostUnit) -> LeaderboardRow:
    """Return a row with its efficiency on each task and over them; unchanged where it is not a student of the run."""
    if row.kind != "measured":
        return row
    untrained = None if row.untrained else _best_untrained(row, rows)
    results, found, measured = dict(row.results), list[Efficiency](), list[_Gain]()
    for task, result in row.results.items():
        if result.accuracy is None:
            continue
        gain = None if row.untrained else gains.of(result, task, untrained)
        found.append(_efficiency(row, gain, result.effort, per))
        measured += [gain] if gain is not None else []
        results[task] = msgspec.structs.replace(result, efficiency=found[-1])
    overall = next((one for one in found if one.value is None), None) or _over_tasks(row, found, measured, per)
    return msgspec.structs.replace(row, results=results, efficiency=overall)


def _over_tasks(
    row: LeaderboardRow, found: Sequence[Efficiency], gains: Sequence[_Gain], per: CostUnit
) -> Efficiency | None:
    """Return the mean gain over tasks per unit of their mean cost; with one task, that of the task."""
    if len(found) < 2:
        return found[0] if found else None
    ends = [(gain.value, gain.interval) for gain in gains if gain.interval is not None]
    value = sum(gain.value for gain in gains) / len(gains)
    interval = interval_of_mean(ends) if len(ends) == len(gains) else None
    return _efficiency(row, _Gain(value, interval, sum(gain.n for gain in gains), gains[0].over), row.effort, per)


def _efficiency(row: LeaderboardRow, gain: _Gain | None, effort: TrainingEffort | None, per: CostUnit) -> Efficiency:
    """Return a gain per unit of cost, or why there is none."""
    if row.untrained:
        return Efficiency(value=None, reason="nothing was trained")
    if gain is None:
        return Efficiency(value=None, reason="it has no question in common with the untrained row")
    if effort is None:
        return Efficiency(value=None, reason="a train report is not in the store")
    units, reason = _units(effort, per)
    if not units:
        return Efficiency(value=None, reason=reason or "its cost is 0")
    interval = gain.interval
    if interval is not None:
        interval = msgspec.structs.replace(interval, low=interval.low / units, high=interval.high / units)
    return Efficiency(value=gain.value / units, interval=interval, gain=gain.value, over=gain.over, n=gain.n)


def _units(effort: TrainingEffort, per: CostUnit) -> tuple[float | None, str]:
    """Return a cost in units of 1,000 tokens or of its currency; None and the reason where it is not known."""
    if per == "money":
        return effort.money.amount, "; ".join(effort.money.reasons)
    tokens = effort.all_tokens
    return (None, "the number of its training tokens is not known") if tokens is None else (tokens / TOKENS, "")


def _best_untrained(row: LeaderboardRow, rows: Iterable[LeaderboardRow]) -> LeaderboardRow | None:
    """Return the best untrained row of the same student on the same questions; None where no row has all its tasks."""
    tasks = [task for task, result in row.results.items() if result.accuracy is not None]
    best: tuple[float, LeaderboardRow | None] = (-1.0, None)
    for other in rows:
        if not other.untrained or other.student != row.student or not _same_test(other, row):
            continue
        found = [result.accuracy for task in tasks if (result := other.results.get(task)) is not None]
        known = [accuracy for accuracy in found if accuracy is not None]
        if tasks and len(known) == len(tasks) and sum(known) / len(known) > best[0]:
            best = (sum(known) / len(known), other)
    return best[1]


def _same_test(one: LeaderboardRow, other: LeaderboardRow) -> bool:
    """Return whether two rows answered the same questions, drawn in the same way and scored by the same extractor."""
    return all(getattr(one, fact) == getattr(other, fact) for fact in (*SAME_QUESTIONS, "sampling"))


SAME_QUESTIONS = ("source", "variant", "split", "fold", "limit", "extractor")
"""Facts that rows share whose accuracies can be compared."""
