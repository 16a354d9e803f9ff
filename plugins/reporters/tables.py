"""Reporters: a leaderboard as a terminal table, Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from rtbench_plugins.reporters.footnotes import at_k_lines, cost_lines, missing_lines, notes, yield_lines
from rtbench_plugins.reporters.printing import escaped, markdown_table, text_console, text_of
from rtbench_plugins.reporters.wording import HEADS, SHORT, describe, mean, percent

from rtbench.api import CellResult, Leaderboard, Reporter, as_json, hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from rtbench.api import Register


class TableReporter(Reporter):
    """Reporter that writes a table for the terminal."""

    name = "table"

    def render(self, leaderboard: Leaderboard) -> str:
        from rich import box
        from rich.markup import escape
        from rich.table import Table

        table = Table(
            title=escape(f"{leaderboard.matrix} ({leaderboard.run})"), title_justify="left", box=box.SIMPLE_HEAD
        )
        for head in HEADS:
            table.add_column(head, overflow="fold")
        tasks = list(leaderboard.tasks)
        stacked = len(tasks) > 3
        for task in tasks:
            head = escape(SHORT.get(task, task))
            table.add_column(head.replace("_", "\n", 1) if stacked else head, justify="right", overflow="fold")
        table.add_column("mean", justify="right")
        for row in leaderboard.rows:
            values = [percent(row.results.get(task)) for task in tasks]
            described, average = describe(row, leaderboard), mean(row, tasks)
            if stacked:  # 12 tasks fit a terminal only if the interval is below the number
                values = [value.replace(" [", "\n[") for value in values]
                described = [value.replace(" (", "\n(") for value in described]
                average = average.replace(" [", "\n[").replace(" (", "\n(")
            table.add_row(*map(escape, (*described, *values, average)))
        out = text_console()
        out.print(table)
        for line in notes(leaderboard):
            out.print(line, style="yellow" if line.startswith("Warning") else "dim", markup=False)
        for line in yield_lines(leaderboard):
            out.print(f"yield  {line}", style="dim", markup=False)
        for line in at_k_lines(leaderboard):
            out.print(f"several completions  {line}", style="dim", markup=False)
        for line in cost_lines(leaderboard):
            out.print(f"cost  {line}", style="dim", markup=False)
        for line in missing_lines(leaderboard):
            out.print(f"no result  {line}", style="yellow", markup=False)
        return text_of(out)


class MarkdownReporter(Reporter):
    """Reporter that writes a Markdown table with its notes."""

    name = "md"

    def render(self, leaderboard: Leaderboard) -> str:
        tasks = list(leaderboard.tasks)
        heads = [*HEADS, *tasks, "mean"]
        lines = [f"# {leaderboard.matrix}", ""]
        if leaderboard.description:
            lines += [leaderboard.description, ""]
        rows = [
            [*describe(row, leaderboard), *(percent(row.results.get(task)) for task in tasks), mean(row, tasks)]
            for row in leaderboard.rows
        ]
        lines += markdown_table(heads, rows, range(len(HEADS), len(heads)))
        lines += ["", *(f"- {escaped(line)}" for line in notes(leaderboard))]
        sections = {
            "Yield of curation": yield_lines(leaderboard),
            "Several completions": at_k_lines(leaderboard),
            "Cost": cost_lines(leaderboard),
            "Cells without a result": missing_lines(leaderboard),
        }
        for head, more in sections.items():
            if more:
                lines += ["", f"## {head}", "", *(f"- {escaped(line)}" for line in more)]
        return "\n".join(lines)


class CsvReporter(Reporter):
    """Reporter that writes CSV, for programs: a line per row and task, and a line per row for the mean."""

    name = "csv"

    def render(self, leaderboard: Leaderboard) -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["run", "version", *_ROW_FIELDS, "train_tasks", "task", *_RESULT_COLUMNS])
        for row in leaderboard.rows:
            own = [getattr(row, field) for field in _ROW_FIELDS] + ["+".join(row.train_tasks)]
            facts = [leaderboard.run, leaderboard.version, *own]
            for task, result in row.results.items():
                writer.writerow([*facts, task, *_values(result)])
            n = sum(result.n for result in row.results.values() if result.accuracy is not None)
            overall = CellResult(accuracy=row.mean, interval=row.mean_interval, n=n)
            writer.writerow([*facts, "mean", *_values(overall)])
        return out.getvalue().rstrip("\n")


_ROW_FIELDS = [
    "kind", "method", "student", "random_weights", "teacher", "completions", "degree", "temperature", "tries", "fraction", "sampling", "selection",
    "extractor", "source", "variant", "split", "fold", "limit",
]  # fmt: skip
_RESULT_COLUMNS: dict[str, Callable[[CellResult], object]] = {
    "accuracy": lambda r: r.accuracy,
    "low": lambda r: r.interval.low if r.interval else None,
    "high": lambda r: r.interval.high if r.interval else None,
    "interval": lambda r: r.interval.method if r.interval else None,
    "n": lambda r: r.n or None,
    "patterns": lambda r: r.patterns,
    "missing": lambda r: r.missing,
    "requests": lambda r: r.answers.sent if r.answers else None,
    "cut": lambda r: r.answers.cut if r.answers else None,
    "wrong_cut": lambda r: r.wrong_cut if r.answers else None,
    "refused": lambda r: r.answers.lost if r.answers else None,
    "seeds": lambda r: r.seeds or None,
    "seed_values": lambda r: " ".join(map(str, r.seed_values)),
    "extractor_version": lambda r: r.extractor_version,
    "training_rows": lambda r: r.training_rows,
    "contains_answer": lambda r: r.metrics.contains_answer if r.metrics else None,
    "correct_format": lambda r: r.metrics.correct_format if r.metrics else None,
    "complete": lambda r: r.metrics.complete if r.metrics else None,
    "rationale_words": lambda r: r.metrics.rationale_words if r.metrics else None,
    "k": lambda r: r.metrics.at_k[-1].k if r.metrics and r.metrics.at_k else None,
    "pass_at_k": lambda r: r.metrics.at_k[-1].pass_at_k if r.metrics and r.metrics.at_k else None,
    "maj_at_k": lambda r: r.metrics.at_k[-1].maj_at_k if r.metrics and r.metrics.at_k else None,
    "parameters": lambda r: r.parameters,
    "kept": lambda r: r.curation.kept if r.curation else None,
    "covered": lambda r: r.curation.covered if r.curation else None,
    "money": lambda r: r.spending.money if r.spending else None,
    "currency": lambda r: r.spending.currency if r.spending else None,
    "rows_cut": lambda r: r.rows_cut,
    "prompts_cut": lambda r: r.prompts_cut,
    "reason": lambda r: r.reason,
}
"""Columns of the CSV: a name, and its value for one cell.

``k`` is the largest k, the number of completions that every question has; JSON has the smaller k too.
"""


def _values(result: CellResult) -> list[object]:
    return [value(result) for value in _RESULT_COLUMNS.values()]


class JsonReporter(Reporter):
    """Reporter that writes the leaderboard record as JSON."""

    name = "json"

    def render(self, leaderboard: Leaderboard) -> str:
        return as_json(leaderboard)


@hookimpl
def rtbench_register_reporters(register: Register) -> None:
    here = "rtbench_plugins.reporters.tables"
    register("table", f"{here}:TableReporter", summary="table for the terminal")
    register("md", f"{here}:MarkdownReporter", summary="Markdown")
    register("csv", f"{here}:CsvReporter", summary="CSV, one line per row and task")
    register("json", f"{here}:JsonReporter", summary="JSON, for programs")
