"""Reporters: a leaderboard as a terminal table, Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from rtbench_plugins.reporters.footnotes import curated, gaps, notes, several, spent
from rtbench_plugins.reporters.printing import escaped, text_console, text_of
from rtbench_plugins.reporters.wording import HEADS, SHORT, describe, mean, percent

from rtbench.api import CellResult, Leaderboard, Reporter, as_json, hookimpl

if TYPE_CHECKING:
    from rtbench.api import Register


class TableReporter(Reporter):
    """Reporter that writes a table for the terminal."""

    name = "table"

    def render(self, leaderboard: Leaderboard) -> str:
        from rich import box
        from rich.table import Table

        table = Table(title=f"{leaderboard.matrix} ({leaderboard.run})", title_justify="left", box=box.SIMPLE_HEAD)
        for head in HEADS:
            table.add_column(head, overflow="fold")
        tasks = list(leaderboard.tasks)
        stacked = len(tasks) > 3
        for task in tasks:
            head = SHORT.get(task, task)
            table.add_column(head.replace("_", "\n", 1) if stacked else head, justify="right", overflow="fold")
        table.add_column("mean", justify="right")
        for row in leaderboard.rows:
            values = [percent(row.results.get(task)) for task in tasks]
            described, average = describe(row, leaderboard), mean(row, tasks)
            if stacked:  # 12 tasks fit a terminal only if the interval is below the number
                values = [value.replace(" [", "\n[") for value in values]
                described = [value.replace(" (", "\n(") for value in described]
                average = average.replace(" [", "\n[").replace(" (", "\n(")
            table.add_row(*described, *values, average)
        out = text_console()
        out.print(table)
        for line in notes(leaderboard):
            out.print(line, style="dim", markup=False)
        for line in curated(leaderboard):
            out.print(f"yield  {line}", style="dim", markup=False)
        for line in several(leaderboard):
            out.print(f"several completions  {line}", style="dim", markup=False)
        for line in spent(leaderboard):
            out.print(f"money  {line}", style="dim", markup=False)
        for line in gaps(leaderboard):
            out.print(f"no number  {line}", style="yellow", markup=False)
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
        lines += ["| " + " | ".join(heads) + " |", "|" + "---|" * len(HEADS) + "---:|" * (len(tasks) + 1)]
        for row in leaderboard.rows:
            values = [
                *describe(row, leaderboard),
                *(percent(row.results.get(task)) for task in tasks),
                mean(row, tasks),
            ]
            lines.append("| " + " | ".join(escaped(value) for value in values) + " |")
        lines += ["", *(f"- {escaped(line)}" for line in notes(leaderboard))]
        sections = {
            "Yield of curation": curated(leaderboard),
            "Several completions": several(leaderboard),
            "Money": spent(leaderboard),
            "Cells without a number": gaps(leaderboard),
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
        writer.writerow(["run", "version", *_ROW_FIELDS, "task", *_RESULT_FIELDS])
        for row in leaderboard.rows:
            own = [getattr(row, field) for field in _ROW_FIELDS]
            facts = [leaderboard.run, leaderboard.version, *own]
            for task, result in row.results.items():
                writer.writerow([*facts, task, *_csv_result(result)])
            n = sum(result.n for result in row.results.values() if result.accuracy is not None)
            overall = CellResult(accuracy=row.mean, interval=row.mean_interval, n=n)
            writer.writerow([*facts, "mean", *_csv_result(overall)])
        return out.getvalue().rstrip("\n")


_ROW_FIELDS = [
    "kind", "method", "student", "random_weights", "teacher", "completions", "degree", "temperature", "fraction", "selection",
    "extractor", "source", "variant", "split", "fold", "limit",
]  # fmt: skip
_RESULT_FIELDS = [
    "accuracy", "low", "high", "interval", "n", "patterns", "missing", "seeds", "seed_values", "extractor_version",
    "training_rows", "contains_answer", "correct_format", "complete",
    "rationale_words", "k", "pass_at_k", "maj_at_k", "parameters", "kept", "covered", "money", "currency", "rows_cut",
    "prompts_cut", "reason",
]  # fmt: skip


def _csv_result(r: CellResult) -> list[object]:
    """Return the values of :data:`_RESULT_FIELDS`.

    ``k`` is the largest k, the number of completions that every question has; JSON has the smaller k too.
    """
    shares = r.metrics
    most = shares.at_k[-1] if shares and shares.at_k else None
    return [
        r.accuracy,
        r.interval.low if r.interval else None,
        r.interval.high if r.interval else None,
        r.interval.method if r.interval else None,
        r.n or None,
        r.patterns,
        r.missing,
        r.seeds or None,
        " ".join(map(str, r.seed_values)),
        r.extractor_version,
        r.training_rows,
        *(
            (shares.contains_answer, shares.correct_format, shares.complete, shares.rationale_words)
            if shares
            else [None] * 4
        ),
        *((most.k, most.pass_at_k, most.maj_at_k) if most else [None] * 3),
        r.parameters,
        r.curation.kept if r.curation else None,
        r.curation.covered if r.curation else None,
        r.spending.money if r.spending else None,
        r.spending.currency if r.spending else None,
        r.rows_cut,
        r.prompts_cut,
        r.reason,
    ]


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
