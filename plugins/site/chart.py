"""A chart of the site: its data, what one sees, and how it is drawn."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rtbench_plugins.reporters.wording import SHORT
from rtbench_plugins.site.labels import Labels
from rtbench_plugins.site.palette import DASHES, SHAPES

from rtbench.api import CellResult, Leaderboard, LeaderboardRow

Datum = dict[str, Any]
MEAN = "mean of all tasks"
"""Name of the mean where charts show tasks."""
BREAK = "\u241e"
"""Where a label of a chart continues in another line."""


@dataclass(frozen=True)
class Size:
    """How a chart is laid out: on a phone, or on a larger screen and as a picture."""

    width: int
    """Width of the drawing, in units of the drawing."""
    columns: int
    """Small charts next to each other."""
    font: int

    @property
    def narrow(self) -> bool:
        """Return whether it is for a phone, where names are above what they name."""
        return self.width < 500


NARROW = Size(width=340, columns=2, font=11)
MEDIUM = Size(width=720, columns=2, font=12)
WIDE = Size(width=1100, columns=3, font=13)


@dataclass(frozen=True)
class Series:
    """An entry of a legend: points that belong together."""

    name: str
    colour: str
    shape: str = "circle"
    dash: tuple[int, ...] = (1, 0)


@dataclass(frozen=True)
class Chart:
    """A chart of the site."""

    name: str
    title: str
    said: str
    """What one sees, in sentences: the caption, and the text for readers who cannot see the chart."""
    spec: Callable[[Size], Datum]
    """Returns the Vega-Lite specification, without a legend."""
    heads: tuple[str, ...]
    """Column heads of the table."""
    rows: tuple[tuple[str, ...], ...]
    legend: tuple[Series, ...] = ()


def record(row: LeaderboardRow, task: str, result: CellResult, name: str, **more: Any) -> Datum:
    """Return the data of a point: a row's accuracy on a task, in percent."""
    assert result.accuracy is not None
    interval = result.interval
    low, high = (interval.low, interval.high) if interval else (result.accuracy, result.accuracy)
    short = SHORT.get(task, task)
    values = {"accuracy": round(100 * result.accuracy, 2), "low": round(100 * low, 2), "high": round(100 * high, 2)}
    span = f" [{values['low']:.0f}–{values['high']:.0f}]" if interval else ""
    said = f"{name}, {short}: {values['accuracy']:.1f} %{span}"
    return {"task": short, "row": name, "method": row.method, "said": said, **values, **more}


def series_of(rows: Sequence[LeaderboardRow], labels: Labels, colours: dict[str, str]) -> dict[str, Series]:
    """Return an entry of the legend for each name of rows. Several rows of one method differ in shape and dashes."""
    out: dict[str, Series] = {}
    used: dict[str, int] = {}
    for row in rows:
        name = labels.name(row)
        if name not in out:
            place = used.get(row.method, 0)
            used[row.method] = place + 1
            dash = tuple(DASHES[place % len(DASHES)])
            out[name] = Series(name, colours[row.method], SHAPES[place % len(SHAPES)], dash)
    return out


def table_of(records: Sequence[Datum], fields: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return the rows of a table: some fields of each point, its accuracy and its interval."""
    return tuple(
        (
            *(_text(point[field]) for field in fields),
            f"{point['accuracy']:.1f}",
            f"{point['low']:.1f}–{point['high']:.1f}",
        )
        for point in records
    )


def wrapped(text: str, most: int) -> str:
    """Return a label in lines of at most some characters, with :data:`BREAK` between them."""
    return BREAK.join(textwrap.wrap(text.replace(BREAK, " "), most)) or text


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def tasks_in_order(board: Leaderboard) -> list[str]:
    """Return the names of tasks in charts, after the mean."""
    return [MEAN, *(SHORT.get(task, task) for task in board.tasks)]
