r"""Reporter ``tex``: the leaderboard in the layout of the paper's tables (booktabs), to be included with ``\input``."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING

from rtbench_plugins.reporters.footnotes import notes
from rtbench_plugins.reporters.wording import HEADS, SHORT, describe

from rtbench.api import (
    CellResult,
    Interval,
    Leaderboard,
    LeaderboardRow,
    Reporter,
    hookimpl,
    in_percent,
    latex_text,
    shown_in_line,
)

if TYPE_CHECKING:
    from rtbench.api import Register


class LatexReporter(Reporter):
    """Reporter that writes a LaTeX table.

    It has a rule between students, each task's best measured number in bold, 95 % intervals in small type, what the numbers are as
    its caption, further notes below it, and a label by the run's name.
    """

    name = "tex"

    def render(self, leaderboard: Leaderboard) -> str:
        tasks = leaderboard.tasks
        best = {
            task: max(
                (_shown(row.results.get(task)) or 0.0 for row in leaderboard.rows if _counts(row)),
                default=0.0,
            )
            for task in tasks
        }
        heads = [*HEADS, *(SHORT.get(task, task) for task in tasks), "mean"]
        lines = [
            f"% rtbench {leaderboard.version}, run {shown_in_line(leaderboard.run)}; needs \\usepackage{{booktabs}}",
            r"\begin{table*}",
            r"\centering\small",
            rf"\begin{{tabular}}{{{'l' * len(HEADS)}{'r' * (len(tasks) + 1)}}}",
            r"\toprule",
            _line([latex_text(head) for head in heads]),
        ]
        for _, rows in groupby(leaderboard.rows, key=lambda row: row.student):
            lines.append(r"\midrule")
            lines += [self._row(row, leaderboard, best) for row in rows]
        first, *others = notes(leaderboard)
        caption = " ".join(latex_text(note) for note in (leaderboard.description, first) if note)
        below = " ".join(map(latex_text, others))
        small = [rf"\par\smallskip\parbox{{\textwidth}}{{\footnotesize {below}}}"] if below else []
        label = rf"\label{{tab:{re.sub('[^A-Za-z0-9.-]', '-', leaderboard.run)}}}"
        end = [r"\bottomrule", r"\end{tabular}", *small, rf"\caption{{{caption}}}", label, r"\end{table*}"]
        return "\n".join([*lines, *end])

    def _row(self, row: LeaderboardRow, board: Leaderboard, best: dict[str, float]) -> str:
        cells = [latex_text(text) for text in describe(row, board)]
        for task in board.tasks:
            result = row.results.get(task)
            shown = _shown(result)
            text = "" if result is None else "---" if shown is None else f"{shown:.1f}"
            bold = rf"\textbf{{{text}}}" if _counts(row) and shown and shown == best[task] else text
            cells.append(bold + ("" if result is None or shown is None else _interval(result.interval)))
        part = "" if row.measured in {0, len(board.tasks)} else f" ({row.measured}/{len(board.tasks)})"
        mean = "" if row.mean is None else f"{in_percent(row.mean)}{_interval(row.mean_interval)}{part}"
        return _line([*cells, mean])


def _interval(interval: Interval | None) -> str:
    """Return an interval in percent, in small type behind its number; empty where there is none."""
    if interval is None:
        return ""
    return rf"~{{\tiny[{in_percent(interval.low, 0)}, {in_percent(interval.high, 0)}]}}"


def _counts(row: LeaderboardRow) -> bool:
    """Return whether a row may have a task's best number: it is measured, and on the test fold."""
    return row.kind == "measured" and row.fold == "test"


def _shown(result: CellResult | None) -> float | None:
    """Return the accuracy in percent as printed, with one decimal, so that equal printed numbers are all bold."""
    return None if result is None or result.accuracy is None else float(in_percent(result.accuracy))


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


@hookimpl
def rtbench_register_reporters(register: Register) -> None:
    register("tex", "rtbench_plugins.reporters.latex:LatexReporter", summary="LaTeX, in the paper's layout")
