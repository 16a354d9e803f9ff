"""Rows of the leaderboard as the page shows them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from rtbench_plugins.site.labels import HEADS, Labels, facts_of, method_of, short
from rtbench_plugins.site.palette import css_class

from rtbench.api import Interval, Leaderboard, LeaderboardRow, in_percent


@dataclass(frozen=True)
class Number:
    """An accuracy on the page."""

    text: str
    span: str = ""
    """Its interval."""
    more: str = ""
    """What else must be said of it."""
    value: str = ""
    """The number by which rows are sorted; empty where there is none."""
    pages: tuple[str, ...] = ()
    """Short names of the cells behind it, one per seed."""
    close: bool = False
    """True where it is the best of its task, or not distinguishable from it."""
    why: str = ""
    """Why there is no number, or which seeds are not in it."""


@dataclass(frozen=True)
class ShownRow:
    """A row of the leaderboard on the page."""

    place: int
    """Place on the leaderboard, to which notes refer."""
    kind: str
    method: str
    mark: str
    """Name of the colour of its method."""
    parts: tuple[str, ...]
    """What distinguishes it from other rows of the method."""
    mean: Number
    cells: tuple[Number, ...]
    facts: tuple[str, ...]
    """Values of the columns after the tasks."""
    data: Mapping[str, str]
    """Facts by which the page filters."""
    parameters: int
    """0: not known."""
    size: str

    @property
    def empty(self) -> bool:
        """Return whether the row has no number."""
        return not self.mean.value and not any(cell.value for cell in self.cells)


@dataclass(frozen=True)
class Board:
    """The leaderboard on the page."""

    rows: tuple[ShownRow, ...]
    heads: tuple[str, ...]
    """Heads of the columns after the tasks."""
    said: str
    """What rows have in common."""
    filters: Mapping[str, list[str]]

    @property
    def reported(self) -> int:
        """Return the number of rows from the paper."""
        return sum(row.kind == "reported" for row in self.rows)

    @property
    def empty(self) -> int:
        """Return the number of rows that are hidden because they have no number; 0 where no row has any."""
        count = sum(row.empty for row in self.rows if row.kind != "reported")
        return count if count < len(self.rows) - self.reported else 0

    def hidden(self, row: ShownRow) -> bool:
        """Return whether a row is hidden until a reader shows it."""
        return row.kind == "reported" or (row.empty and self.empty > 0)


def board_of(
    board: Leaderboard,
    pages: Mapping[str, str],
    close: Mapping[str, frozenset[str]],
    scored: Collection[str],
    colours: Mapping[str, str],
) -> Board:
    """Return the leaderboard for the page.

    Args:
        board: the leaderboard.
        pages: short names of cells, by name.
        close: first cells of the rows that cannot be distinguished from the best one, by task.
        scored: cells that have a score.
        colours: colour of each method.
    """
    sizes = _sizes(board)
    labels = Labels.of([row for row in board.rows if row.kind != "reported"])
    rows = tuple(
        _row(place, row, board, labels, pages=pages, close=close, scored=scored, colours=colours, sizes=sizes)
        for place, row in enumerate(board.rows)
    )
    heads = tuple(HEADS[name] for name in labels.kept)
    return Board(rows, heads, labels.said(), _filters(rows))


def _row(
    place: int,
    row: LeaderboardRow,
    board: Leaderboard,
    labels: Labels,
    *,
    pages: Mapping[str, str],
    close: Mapping[str, frozenset[str]],
    scored: Collection[str],
    colours: Mapping[str, str],
    sizes: Mapping[str | None, int],
) -> ShownRow:
    facts = facts_of(row)
    own = labels if row.kind != "reported" else Labels(tuple(HEADS), {})
    data = {
        "kind": row.kind, "method": row.method, "student": row.student or "", "teacher": row.teacher or "",
        "fold": str(row.fold), "source": str(row.source), "family": row.series or "", "size": _size(row, sizes),
    }  # fmt: skip
    partly = row.measured not in {0, len(board.tasks)}
    mean = _number(row.mean, row.mean_interval, more=f"{row.measured}/{len(board.tasks)} tasks" if partly else "")
    return ShownRow(
        place=place, kind=row.kind, method=method_of(row, board), mark=css_class(colours[row.method]),
        parts=tuple(own.parts(row)), mean=mean,
        cells=tuple(_cell(row, task, pages, close, scored) for task in board.tasks),
        facts=tuple(facts.get(name, "–") for name in labels.kept), data=data,
        parameters=sizes.get(row.student, 0), size=_size(row, sizes),
    )  # fmt: skip


def _cell(
    row: LeaderboardRow,
    task: str,
    pages: Mapping[str, str],
    close: Mapping[str, frozenset[str]],
    scored: Collection[str],
) -> Number:
    result = row.results.get(task)
    if result is None:
        return Number("")
    names = [name for name in result.cells if name in pages]
    best = bool(names) and names[0] in close.get(task, ())
    found = tuple(pages[name] for name in names if name in scored) or tuple(pages[name] for name in names[:1])
    return _number(result.accuracy, result.interval, pages=found, close=best, why=result.reason or "")


def _number(
    accuracy: float | None,
    interval: Interval | None,
    *,
    more: str = "",
    pages: tuple[str, ...] = (),
    close: bool = False,
    why: str = "",
) -> Number:
    if accuracy is None:
        return Number("—", pages=pages, why=why)
    span = f"[{in_percent(interval.low, 0)}–{in_percent(interval.high, 0)}]" if interval else ""
    return Number(in_percent(accuracy), span, more, f"{accuracy:.6f}", pages, close, why)


def _sizes(board: Leaderboard) -> dict[str | None, int]:
    """Return the number of parameters of each student that was trained in the run."""
    results = [(row.student, result.parameters) for row in board.rows for result in row.results.values()]
    return {student: parameters for student, parameters in results if parameters}


def _size(row: LeaderboardRow, sizes: Mapping[str | None, int]) -> str:
    """Return the number of parameters with three digits; empty where it is unknown."""
    count = sizes.get(row.student, 0)
    return short(count) if count else ""


def _filters(rows: tuple[ShownRow, ...]) -> dict[str, list[str]]:
    """Return the values by which rows can be filtered, for facts that have several values."""
    shown = [row for row in rows if row.kind != "reported"]
    found: dict[str, list[str]] = {}
    for name in ("method", "student", "family", "size", "teacher", "fold", "source"):
        ordered = sorted(shown, key=lambda row: row.parameters) if name == "size" else shown
        values = list(dict.fromkeys(row.data[name] for row in ordered if row.data[name]))
        if len(values) > 1:
            found[name] = values
    return found
