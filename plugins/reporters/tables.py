"""Reporters: a leaderboard as a terminal table, Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from rtbench_plugins.reporters.efficiency import heads_of, values_of
from rtbench_plugins.reporters.footnotes import at_k_lines, cost_lines, missing_lines, notes, yield_lines
from rtbench_plugins.reporters.printing import markdown_table, text_console, text_of
from rtbench_plugins.reporters.wording import HEADS, SHORT, describe

from rtbench.api import (
    UNKNOWN,
    CellResult,
    Cost,
    Leaderboard,
    Reporter,
    as_json,
    csv_field,
    hookimpl,
    json_text,
    markdown_text,
    shown_in_line,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rtbench.api import Register


class TableReporter(Reporter):
    """Reporter that writes a table for the terminal."""

    name = "table"
    shows_per = True

    def render(self, leaderboard: Leaderboard) -> str:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        title = Text(shown_in_line(f"{leaderboard.matrix} ({leaderboard.run})"))
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
        for head in HEADS:
            table.add_column(head, overflow="fold")
        tasks = list(leaderboard.tasks)
        stacked = len(tasks) > 3
        for task in tasks:
            head = shown_in_line(SHORT.get(task, task))
            table.add_column(head.replace("_", "\n", 1) if stacked else head, justify="right", overflow="fold")
        for head in heads_of(leaderboard):
            table.add_column(head, justify="right")
        for row in leaderboard.rows:
            values, described = (
                [shown_in_line(text) for text in texts]
                for texts in (values_of(row, leaderboard), describe(row, leaderboard))
            )
            if stacked:  # 12 tasks fit a terminal only if the interval is below the number
                values = [value.replace(" [", "\n[").replace(" (", "\n(") for value in values]
                described = [value.replace(" (", "\n(") for value in described]
            table.add_row(*described, *values)
        out = text_console()
        out.print(table)
        for line, style in _below(leaderboard):
            out.print(shown_in_line(line), style=style)
        return text_of(out)


def _below(board: Leaderboard) -> Iterator[tuple[str, str]]:
    """Yield the lines below the terminal's table, each with its style."""
    for line in notes(board):
        yield line, "yellow" if line.startswith("Warning") else "dim"
    sections = {"yield": yield_lines(board), "several completions": at_k_lines(board), "cost": cost_lines(board)}
    for head, lines in sections.items():
        yield from ((f"{head}  {line}", "dim") for line in lines)
    yield from ((f"no result  {line}", "yellow") for line in missing_lines(board))


class MarkdownReporter(Reporter):
    """Reporter that writes a Markdown table with its notes."""

    name = "md"
    shows_per = True

    def render(self, leaderboard: Leaderboard) -> str:
        heads = [*HEADS, *leaderboard.tasks, *heads_of(leaderboard)]
        lines = [f"# {markdown_text(leaderboard.matrix)}", ""]
        if leaderboard.description:
            lines += [markdown_text(leaderboard.description), ""]
        rows = [[*describe(row, leaderboard), *values_of(row, leaderboard)] for row in leaderboard.rows]
        lines += markdown_table(heads, rows, range(len(HEADS), len(heads)))
        lines += ["", *(f"- {markdown_text(line)}" for line in notes(leaderboard))]
        sections = {
            "Yield of curation": yield_lines(leaderboard),
            "Several completions": at_k_lines(leaderboard),
            "Cost": cost_lines(leaderboard),
            "Cells without a result": missing_lines(leaderboard),
        }
        for head, more in sections.items():
            if more:
                lines += ["", f"## {head}", "", *(f"- {markdown_text(line)}" for line in more)]
        return "\n".join(lines)


class CsvReporter(Reporter):
    """Reporter that writes CSV, for programs: a line per row and task, and a line per row for the mean."""

    name = "csv"
    shows_per = True

    def render(self, leaderboard: Leaderboard) -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        last = ["cost", "cost_unit", "pareto"]
        writer.writerow(["run", "version", *_ROW_FIELDS, "train_tasks", "task", *_RESULT_COLUMNS, *last])
        for row in leaderboard.rows:
            own = [getattr(row, field) for field in _ROW_FIELDS] + ["+".join(row.train_tasks)]
            facts = [leaderboard.run, leaderboard.version, *own]
            unit = leaderboard.cost_unit if row.cost is not None else None
            for task, result in row.results.items():
                writer.writerow(map(csv_field, [*facts, task, *_values(result), None, None, None]))
            n = sum(result.n for result in row.results.values() if result.accuracy is not None)
            overall = CellResult(
                accuracy=row.mean, interval=row.mean_interval, n=n, effort=row.effort, efficiency=row.efficiency
            )
            writer.writerow(map(csv_field, [*facts, "mean", *_values(overall), row.cost, unit, row.pareto]))
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
    "training_tokens": lambda r: _known(r.effort.tokens) if r.effort else None,
    "training_steps": lambda r: _known(r.effort.steps) if r.effort else None,
    "mentor_tokens": lambda r: _known(r.effort.mentor_tokens) if r.effort else None,
    "teacher_cost": lambda r: _known(r.effort.teacher.amount) if r.effort else None,
    "student_cost": lambda r: _known(r.effort.student.amount) if r.effort else None,
    "cost_currency": lambda r: _currency(r.effort.teacher, r.effort.student) if r.effort else None,
    "gain": lambda r: r.efficiency.gain if r.efficiency else None,
    "gain_over": lambda r: r.efficiency.over if r.efficiency else None,
    "gain_n": lambda r: (r.efficiency.n or None) if r.efficiency else None,
    "per_unit": lambda r: r.efficiency.value if r.efficiency else None,
    "per_unit_low": lambda r: r.efficiency.interval.low if r.efficiency and r.efficiency.interval else None,
    "per_unit_high": lambda r: r.efficiency.interval.high if r.efficiency and r.efficiency.interval else None,
    "rows_cut": lambda r: r.rows_cut,
    "prompts_cut": lambda r: r.prompts_cut,
    "reason": lambda r: r.reason,
}
"""Columns of the CSV: a name, and its value for one cell.

``k`` is the largest k, the number of completions that every question has; JSON has the smaller k too.
"""


def _known(value: float | None) -> object:
    """Return a number, or the mark of one that is not known: an empty field says that there is none."""
    return UNKNOWN if value is None else value


def _currency(*costs: Cost) -> str:
    return "/".join(dict.fromkeys(cost.currency for cost in costs if cost.currency))


def _values(result: CellResult) -> list[object]:
    return [value(result) for value in _RESULT_COLUMNS.values()]


class JsonReporter(Reporter):
    """Reporter that writes the leaderboard record as JSON."""

    name = "json"
    shows_per = True

    def render(self, leaderboard: Leaderboard) -> str:
        return json_text(as_json(leaderboard))


@hookimpl
def rtbench_register_reporters(register: Register) -> None:
    here = "rtbench_plugins.reporters.tables"
    brief = "rtbench_plugins.reporters.brief:BriefReporter"
    register("brief", brief, summary="findings and a table that fits the terminal; the default")
    register("table", f"{here}:TableReporter", summary="table with all columns and notes, as --verbose shows it")
    register("md", f"{here}:MarkdownReporter", summary="Markdown")
    register("csv", f"{here}:CsvReporter", summary="CSV, one line per row and task")
    register("json", f"{here}:JsonReporter", summary="JSON, for programs")
