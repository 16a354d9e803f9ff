"""Reporter: the leaderboard at the width of the terminal, with what must be known to read it. The table has the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtbench_plugins.reporters.endings import request_lines
from rtbench_plugins.reporters.footnotes import essentials, missing_lines, seeds_of, spending_lines
from rtbench_plugins.reporters.printing import text_console, text_of
from rtbench_plugins.reporters.wording import HEADS, SHORT, describe, mean, percent

from rtbench.api import Leaderboard, LeaderboardRow, Reporter, in_percent, shown_in_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WIDTH = 100
"""Columns where the output is not a terminal."""
FEWEST = 80
"""Lowest number of columns that is written for."""
MOST_REASONS = 3
"""Highest number of reasons for missing results that are given."""
GAP = 2
"""Spaces between columns."""


class BriefReporter(Reporter):
    """Reporter that writes a board that fits the terminal. Columns that say the same in every row become a sentence."""

    name = "brief"

    def render(self, leaderboard: Leaderboard) -> str:
        out = brief_console()
        labels = _Labels.of(leaderboard)
        title = shown_in_line(f"{leaderboard.matrix} ({leaderboard.run})")
        for table in _tables(leaderboard, labels, title, out.width):
            out.print(table)
        for line in [*_facts(leaderboard, labels), *essentials(leaderboard)]:
            out.print(shown_in_line(line), style="dim")
        for line in spending_lines(leaderboard):
            out.print(shown_in_line(f"cost  {line}"), style="dim")
        for line in request_lines(leaderboard, most=1):
            if line.startswith("Warning"):
                out.print(shown_in_line(line), style="yellow")
        reasons = missing_lines(leaderboard)
        for line in reasons[:MOST_REASONS]:
            out.print(shown_in_line(f"no result  {line}"), style="yellow")
        if len(reasons) > MOST_REASONS:
            out.print(
                f"no result  for {len(reasons) - MOST_REASONS} other reasons: --verbose lists them", style="yellow"
            )
        return text_of(out)


def brief_console() -> Console:
    """Return a console for texts from anywhere that writes to a string, as wide as the terminal, or 100 columns."""
    return text_console(otherwise=WIDTH, least=FEWEST, stated=True)


@dataclass(frozen=True)
class _Labels:
    """The columns that say what a row is."""

    heads: list[str]
    rows: list[list[str]]
    constant: dict[str, str]
    """The value of each column that is left out, because no two rows differ in it."""
    fraction: float | None
    """Fraction of the training questions of all trained rows; None where they differ, and rows state theirs."""

    @classmethod
    def of(cls, board: Leaderboard) -> _Labels:
        """Return the labels of a leaderboard's rows."""
        trained = {row.fraction for row in board.rows if row.selection is not None}
        fraction = next(iter(trained)) if len(trained) == 1 else None
        rows = [describe(row, board) for row in board.rows]
        if fraction is not None and fraction != 1.0:
            said = f" {in_percent(fraction, None)}% of questions"
            rows = [[label[0].replace(said, ""), *label[1:]] for label in rows]
        values = [{row[place] for row in rows} - {"–"} for place in range(len(HEADS))]
        kept = [place for place, found in enumerate(values) if place == 0 or len(found) > 1]
        constant = {HEADS[place]: next(iter(found)) for place, found in enumerate(values) if place and len(found) == 1}
        labels = [[shown_in_line(row[place]) for place in kept] for row in rows]
        return cls([HEADS[place] for place in kept], labels, constant, fraction)

    @property
    def width(self) -> int:
        """Return the columns of the terminal that the labels take."""
        columns = zip(self.heads, *self.rows, strict=True)
        return sum(max(map(len, column)) + GAP for column in columns)


@dataclass(frozen=True)
class _Column:
    """A column of accuracies."""

    head: str
    values: list[str]

    def stacked(self) -> _Column:
        """Return the column with intervals below the numbers."""
        return _Column(
            self.head.replace("_", "\n", 1), [value.replace(" [", "\n[").replace(" (", "\n(") for value in self.values]
        )

    @property
    def width(self) -> int:
        """Return the columns of the terminal that it takes."""
        lines = [line for text in [self.head, *self.values] for line in text.split("\n")]
        return max(map(len, lines)) + GAP


def _tables(board: Leaderboard, labels: _Labels, title: str, width: int) -> list[Table]:
    """Return the board as one table, or where its tasks do not fit, as several that repeat the labels."""
    tasks = [
        _Column(shown_in_line(SHORT.get(task, task)), [_value(row, task) for row in board.rows]) for task in board.tasks
    ]
    overall = [_Column("mean", [mean(row, board.tasks) for row in board.rows])] if len(tasks) > 1 else []
    left = max(width - labels.width, width // 2)  # long labels are folded
    if sum(column.width for column in [*tasks, *overall]) > left:
        tasks, overall = [column.stacked() for column in tasks], [column.stacked() for column in overall]
    parts: list[list[_Column]] = [[*overall]]
    for column in tasks:
        if parts[-1] and sum(one.width for one in [*parts[-1], column]) > left:
            parts.append([])
        parts[-1].append(column)
    if len(parts) == 1:
        parts = [[*tasks, *overall]]
    return [_table(labels, columns, title if not place else "") for place, columns in enumerate(parts)]


def _value(row: LeaderboardRow, task: str) -> str:
    return shown_in_line(percent(row.results.get(task)))


def _table(labels: _Labels, columns: Sequence[_Column], title: str) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(title) if title else None,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, GAP, 0, 0),
        pad_edge=False,
    )
    for head in labels.heads:
        table.add_column(head, overflow="fold")
    for column in columns:
        table.add_column(column.head, justify="right", no_wrap=True)
    for place, label in enumerate(labels.rows):
        table.add_row(*label, *(column.values[place] for column in columns))
    return table


def _facts(board: Leaderboard, labels: _Labels) -> list[str]:
    """Return in a sentence what all rows have in common."""
    tested = [row for row in board.rows if row.kind != "reported" and row.fold == "test"]
    sizes = sorted({r.n for row in tested for r in row.results.values() if r.n})
    extractors = sorted({row.extractor for row in board.rows if row.extractor and row.kind != "reported"})
    kinds = {"twin": "generated by procedural twins", "upstream": "of the tasks' own data"}
    measured = sorted({row.source for row in board.rows if row.kind == "measured"})
    facts = ["accuracy in percent [95 % interval]"]
    if sizes:
        patterns = sorted({r.patterns for row in tested for r in row.results.values() if r.patterns})
        of = f" of {_range(patterns)} patterns" if patterns else ""
        facts.append(f"{_range(sizes)} questions{of} per task, {' and '.join(kinds[source] for source in measured)}")
    facts.append(seeds_of(board))
    facts += [f"extractor: {', '.join(extractors)}"] if extractors else []
    words = {"D": "rationales per question", "selection": "selected epoch"}
    facts += [f"{words.get(head, head)}: {value}" for head, value in labels.constant.items()]
    facts += ["D: rationales per question"] if "D" in labels.heads else []
    if labels.fraction is not None and labels.fraction != 1.0:
        facts.append(f"trained on {in_percent(labels.fraction, None)} % of the training questions")
    text = "; ".join(facts)
    return [f"{text[0].upper()}{text[1:]}."]


def _range(numbers: Sequence[int]) -> str:
    """Return the lowest and the highest of sorted numbers."""
    return str(numbers[0]) if numbers[0] == numbers[-1] else f"{numbers[0]} to {numbers[-1]}"
