"""Reporters: a leaderboard as a terminal table, Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from rtbench_plugins.printing import escaped, text_console, text_of

from rtbench.hookspecs import hookimpl
from rtbench.interfaces import Reporter
from rtbench.overlap import RUN
from rtbench.records import Spending
from rtbench.report import CellResult, Leaderboard, Row

if TYPE_CHECKING:
    from rtbench.registry import Register

SHORT = {
    "tracking_shuffled_objects": "shuffled_objects",
    "last_letter_concatenation": "last_letter",
    "date_understanding": "date",
}
"""Column heads where the full name is too wide for a terminal."""


def describe(row: Row, board: Leaderboard | None = None) -> list[str]:
    """Method, student, teacher, degree and selection of a row; beside a twin's rows a reported one says that it is of
    other questions."""
    method = row.method
    if row.kind == "reported":
        method += " (reported, upstream)" if board and "twin" in _sources(board) else " (reported)"
    if row.fold != "test":
        method += f" on {row.fold}"
    if row.split and row.split != "default" and row.kind != "random":
        method += f" on the {row.split} split"
    if row.fraction != 1.0:
        method += f" {100 * row.fraction:g}% of questions"
    teacher = row.teacher or "–"
    if row.completions == "recorded":
        teacher += " (recorded)"
    if row.temperature is not None:
        teacher += f" T={row.temperature:g}"
    return [
        method,
        row.student or "–",
        teacher,
        "–" if row.degree is None else str(row.degree),
        row.selection or "–",
    ]


HEADS = ["method", "student", "teacher", "D", "selection"]


def percent(result: CellResult | None) -> str:
    """Accuracy in percent with the half-width of its interval; a dash where there is none."""
    if result is None:
        return ""
    if result.accuracy is None:
        return "—"
    if result.interval is None:
        return f"{100 * result.accuracy:.1f}"
    return f"{100 * result.accuracy:.1f} [{100 * result.interval.low:.0f}–{100 * result.interval.high:.0f}]"


def mean(row: Row, tasks: Sequence[str]) -> str:
    """The mean over tasks with its interval; over how many, where it is not all of them."""
    part = "" if row.measured in {0, len(tasks)} else f" ({row.measured}/{len(tasks)})"
    return percent(CellResult(accuracy=row.mean, interval=row.mean_interval)) + part


def _sources(board: Leaderboard) -> list[str]:
    """Of the rows that were measured."""
    return sorted({row.source for row in board.rows if row.kind not in {"random", "reported"}})


def notes(board: Leaderboard) -> list[str]:
    """What must stand beside the numbers."""
    extractors = sorted({row.extractor for row in board.rows if row.extractor and row.kind != "reported"})
    splits = sorted({row.split for row in board.rows if row.split})
    sources = _sources(board)
    wordings = sorted({v for row in board.rows if row.source == "upstream" for v in row.variant.split("/") if v})
    data = ", ".join(sources) + (f" (wording: {', '.join(wordings)})" if wordings else "")
    seeds = sorted({r.seeds for row in board.rows for r in row.results.values() if r.seeds})
    lines = [
        (
            "Accuracy in percent with a 95 % interval (Wilson for one seed, bootstrap over questions for several, "
            "Jeffreys for the mean; over patterns where questions share them); "
            f"extractor: {', '.join(extractors) or 'none'}; source: {data}; split: {', '.join(splits)}; "
            f"seeds per cell: {', '.join(map(str, seeds)) or 'none'}; rtbench {board.version}."
        )
    ]
    lines += _about_twins(board)
    lines += _recipes(board)
    for task in board.tasks:
        found = [row.results[task] for row in board.rows if task in row.results]
        cut, prompts = max((r.rows_cut for r in found), default=0), max((r.prompts_cut for r in found), default=0)
        if cut or prompts:
            lines.append(f"{task}: up to {cut} training rows and {prompts} test prompts of a cell were cut to fit.")
    limits = sorted({row.limit for row in board.rows if row.limit is not None})
    if limits:
        lines.append(f"Only the first {limits[0]} questions of each fold were used.")
    if any(row.selection == "best-test" for row in board.rows):
        lines.append("best-test: the epoch is chosen by test accuracy (the paper's protocol); it flatters.")
    if any(row.completions == "recorded" for row in board.rows):
        lines.append("(recorded): the teacher's completions are recordings made elsewhere.")
    if any(row.kind == "reported" for row in board.rows):
        said = "figures printed in the paper, measured by its authors"
        lines.append(
            f"(reported, upstream): {said} on the published questions: no yardstick for rows of the twins' questions."
            if "twin" in sources
            else f"(reported): {said}."
        )
    lines += _sizes(board) + _overlap(board)
    lines += [
        f"{row.method} {row.teacher or ''} on {task}: {result.missing} questions of the fold have no recording."
        for row in board.rows
        for task, result in row.results.items()
        if result.missing
    ]
    return lines


def _about_twins(board: Leaderboard) -> list[str]:
    """What another kind of question means for the numbers."""
    lines: list[str] = []
    if any(row.source == "twin" for row in board.rows):
        lines.append(
            "Source twin: questions drawn by the tasks' procedural twins, not the published ones. Each seed has its own "
            "questions, folds and teacher's draws: n adds up over seeds, and the interval is a bootstrap over seeds and "
            "their questions."
        )
    turned = sorted({row.variant.removeprefix("twin ") for row in board.rows if row.variant.startswith("twin (")})
    lines += [f"Knobs that were turned: {knobs.strip('()')}." for knobs in turned]
    folds = {row.fold for row in board.rows}
    if "ood" in folds:
        harder = "questions of the knobs for ood" if turned else "questions harder than any that was trained on"
        lines.append(f"ood: {harder}.")
    if "validation" in folds:
        lines.append("validation: the fold to choose settings on; no result.")
    return lines


def _sizes(board: Leaderboard) -> list[str]:
    """Questions by task; where seeds have questions of their own, how many each has; and patterns, where fewer."""
    lines: list[str] = []
    for fold in dict.fromkeys(row.fold for row in board.rows if row.kind not in {"random", "reported"}):
        sizes: list[str] = []
        for task in board.tasks:
            rows = [row for row in board.rows if row.fold == fold and task in row.results and row.results[task].n]
            if rows:
                largest = max(rows, key=lambda row: row.results[task].n)
                n, seeds = largest.results[task].n, largest.results[task].seeds
                more = [f"{seeds} seeds × {n // seeds}"] if largest.source == "twin" and seeds > 1 else []
                if (patterns := largest.results[task].patterns) is not None:
                    more.append(f"of {patterns} patterns")
                sizes.append(f"{task} {n}" + (f" ({', '.join(more)})" if more else ""))
        if sizes:
            lines.append(("n: " if fold == "test" else f"n on {fold}: ") + ", ".join(sizes))
    return lines


def _overlap(board: Leaderboard) -> list[str]:
    """Of tasks whose test questions stand in their training questions."""
    told = [
        f"{task} {one.exact} exact, {one.up_to_numbers} up to numbers, {one.run} by {RUN} words in a row (of {one.test})"
        for task, one in board.overlap.items()
        if max(one.exact, one.up_to_numbers, one.run)
    ]
    return [f"Test questions that stand among the training questions: {'; '.join(told)}."] if told else []


def _recipes(board: Leaderboard) -> list[str]:
    """The recipes that students were trained with, and where."""
    found: dict[str, dict[str, None]] = {}
    for row in board.rows:
        for task, result in row.results.items():
            if result.recipe is not None:
                r = result.recipe
                length = f"epochs {r.epochs}" if r.steps is None else f"steps {r.steps}"
                said = f"{length}, batch {r.batch_size}, {r.optimizer}, learning rate {r.learning_rate:g} {r.schedule}"
                place = f"{row.method} {task}" if row.degree in {None, 1} else f"{row.method} D={row.degree} {task}"
                found.setdefault(said, {})[place] = None
    usual = max(found, key=lambda said: len(found[said]), default=None)
    lines = [f"Training: {usual}."] if usual else []
    lines += [f"Training, {said}: {', '.join(places)}." for said, places in found.items() if said != usual]
    return lines


def curated(board: Leaderboard) -> list[str]:
    """Yield of curation, one line per teacher, degree and task."""
    lines: dict[str, None] = {}
    for row in board.rows:
        if not row.teacher:
            continue
        part = "" if row.fraction == 1.0 else f" {100 * row.fraction:g}% of questions"
        for task, result in row.results.items():
            found = result.curation
            if found is not None and found.completions:
                lines[
                    f"{row.teacher} D={row.degree}{part} {task}: kept {found.kept} of {found.completions} completions, "
                    f"{found.covered} of {found.questions} questions covered"
                ] = None
    return list(lines)


def spent(board: Leaderboard) -> list[str]:
    """Money: by teacher and student, and for the rationales of each teacher, degree and task."""
    lines: dict[str, None] = {}
    for teacher, found in board.spending.items():
        dated = f", price of {found.as_of}" if found.as_of else ""
        lines[
            f"{teacher}: {_money(found)} for {found.completions:,} completions of finished steps ({found.prompt_tokens:,} prompt and "
            f"{found.completion_tokens:,} written tokens{dated})"
        ] = None
    for student, found in board.spending_on_students.items():
        lines[f"{student}: {_money(found)} for {found.trainings} trainings and {found.completions:,} completions"] = (
            None
        )
    for row in board.rows:
        for task, result in row.results.items():
            for judge, found in (result.curation.judged if result.curation else {}).items():
                lines[f"judge {judge}: {_money(found)} for {found.completions:,} rationales of {task}"] = None
            if result.spending is None or result.curation is None:
                continue
            kept = result.curation.kept
            each = (
                f"{result.spending.money / kept:.3g} {result.spending.currency} per kept rationale"
                if kept
                else "none kept"
            )
            name = f"{row.teacher} D={row.degree} {task}" + (f" {row.fraction:.0%}" if row.fraction != 1 else "")
            lines[f"{name}: {_money(result.spending)}, {each}"] = None
    return list(lines)


def _money(found: Spending) -> str:
    more = f" and what {found.uncounted} uncounted completions cost" if found.uncounted else ""
    return f"{found.money:.4g} {found.currency}{more}"


def gaps(board: Leaderboard) -> list[str]:
    """Why cells have no number."""
    out: dict[str, list[str]] = {}
    for row in board.rows:
        for task, result in row.results.items():
            if result.reason:
                name = " ".join(part for part in describe(row)[:4] if part != "–")
                out.setdefault(result.reason, []).append(f"{task} {name}")
    return [
        f"{', '.join(cells[:3])}{f' and {len(cells) - 3} more' if len(cells) > 3 else ''}: {reason}"
        for reason, cells in out.items()
    ]


class TableReporter(Reporter):
    """A table for the terminal."""

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
            if stacked:  # twelve tasks fit a terminal only with the interval below the number
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
        for line in spent(leaderboard):
            out.print(f"money  {line}", style="dim", markup=False)
        for line in gaps(leaderboard):
            out.print(f"no number  {line}", style="yellow", markup=False)
        return text_of(out)


class MarkdownReporter(Reporter):
    """A Markdown table with its notes."""

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
            "Money": spent(leaderboard),
            "Cells without a number": gaps(leaderboard),
        }
        for head, more in sections.items():
            if more:
                lines += ["", f"## {head}", "", *(f"- {escaped(line)}" for line in more)]
        return "\n".join(lines)


class CsvReporter(Reporter):
    """One line per row and task, and one per row for the mean; for programs that read tables."""

    name = "csv"

    def render(self, leaderboard: Leaderboard) -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([*_ROW_FIELDS, "task", *_RESULT_FIELDS])
        for row in leaderboard.rows:
            facts = [getattr(row, field) for field in _ROW_FIELDS]
            for task, result in row.results.items():
                writer.writerow([*facts, task, *_csv_result(result)])
            overall = CellResult(accuracy=row.mean, interval=row.mean_interval)
            writer.writerow([*facts, "mean", *_csv_result(overall)])
        return out.getvalue().rstrip("\n")


_ROW_FIELDS = [
    "kind", "method", "student", "teacher", "completions", "degree", "temperature", "fraction", "selection",
    "extractor", "source", "variant", "split", "fold", "limit",
]  # fmt: skip
_RESULT_FIELDS = [
    "accuracy", "low", "high", "n", "patterns", "missing", "seeds", "parameters", "kept", "covered", "money", "currency", "rows_cut",
    "prompts_cut", "reason",
]  # fmt: skip


def _csv_result(r: CellResult) -> list[object]:
    return [
        r.accuracy,
        r.interval.low if r.interval else None,
        r.interval.high if r.interval else None,
        r.n or None,
        r.patterns,
        r.missing,
        r.seeds or None,
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
    """The leaderboard record itself."""

    name = "json"

    def render(self, leaderboard: Leaderboard) -> str:
        return msgspec.json.format(msgspec.json.encode(leaderboard)).decode()


@hookimpl
def rtbench_register_reporters(register: Register) -> None:
    here = "rtbench_plugins.reporters"
    register("table", f"{here}:TableReporter", summary="for the terminal")
    register("md", f"{here}:MarkdownReporter", summary="Markdown")
    register("csv", f"{here}:CsvReporter", summary="one line per row and task")
    register("json", f"{here}:JsonReporter", summary="for programs")
