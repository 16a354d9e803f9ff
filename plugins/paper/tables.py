"""The paper's tables and figures, each number with what a run measured or with the reason why nothing was measured."""

from __future__ import annotations

from collections.abc import Sequence

from rtbench_plugins.paper.reference import METHODS, ReferenceRow, load_reference
from rtbench_plugins.reporters.printing import markdown_table

from rtbench.api import CellResult, Leaderboard, LeaderboardRow, Record, Reporter, in_percent, markdown_text

MATRICES = {
    "fig:diverse_reasoning": "paper-diverse",
    "fig:dataset_size": "paper-datasize",
    "fig:teacher_performance": "paper-teachers",
}
"""The built-in matrix that measures a table's figures; ``paper`` for tables that are not in this mapping."""
STUDIES = {"template splits": "paper-template", "sample filtering": "paper-filtering", "length": "paper-length"}
"""Matrix of each study whose figures are not in the authors' files, so that only our measurements can be shown."""
_TOLERANCE = 2e-3
"""Fractions of the training questions that differ by less are the same: a matrix states them rounded."""


class PaperCell(Record, frozen=True):
    """A figure of the paper, and our measurement of it."""

    reported: float | None
    """Percent; None where the paper has no number."""
    measured: CellResult | None
    """None where the run has no such row."""
    why: str | None
    """Why nothing was measured."""


class PaperTable(Record, frozen=True):
    """A table or figure of the paper."""

    name: str
    matrix: str
    """Matrix whose run measures the figures."""
    tasks: tuple[str, ...]
    rows: tuple[tuple[str, tuple[PaperCell | None, ...]], ...]
    """A label, and a cell per task; None where the paper has no figure."""


def paper_tables(board: Leaderboard) -> list[PaperTable]:
    """Return all tables, in the order of the reference file, then the studies.

    The paper's figures are for the published questions, so they are never compared with rows of twins.
    """
    tables: dict[str, list[ReferenceRow]] = {}
    for row in load_reference():
        if row.method in METHODS:
            tables.setdefault(row.table, []).append(row)
    rows = [row for row in board.rows if row.source == "upstream" and row.fold == "test"]
    measured = [row for row in rows if row.split == "default"]
    printed = [_table(name, reported, measured) for name, reported in tables.items()]
    return [*printed, *(_study(name, matrix, board, rows) for name, matrix in STUDIES.items())]


def _study(name: str, matrix: str, board: Leaderboard, rows: Sequence[LeaderboardRow]) -> PaperTable:
    """Return the table of a study: rows of a run of its matrix or, for the template split, such rows of any run."""
    if matrix != "paper-template":
        rows = [row for row in rows if board.matrix == matrix]
    elif any(row.split == "template" for row in rows):
        tasks = {task for row in rows if row.split == "template" for task in row.results}
        rows = [row for row in rows if tasks & row.results.keys()]
    else:
        rows = []
    tasks_ = tuple(task for task in board.tasks if any(task in row.results for row in rows))
    cells = [
        tuple(PaperCell(reported=None, measured=result, why=result.reason) if result else None for result in results)
        for results in ([row.results.get(task) for task in tasks_] for row in rows)
    ]
    labels = [
        " ".join(
            part for part in (
                row.method, row.student, f"from {row.teacher}" if row.teacher else "",
                "" if row.degree is None else f"D={row.degree}", f"{row.split} split" if matrix == "paper-template" else "",
            ) if part
        )
        for row in rows
    ]  # fmt: skip
    return PaperTable(name=name, matrix=matrix, tasks=tasks_, rows=tuple(zip(labels, cells, strict=True)))


def _table(name: str, reported: Sequence[ReferenceRow], measured: Sequence[LeaderboardRow]) -> PaperTable:
    tasks = tuple(dict.fromkeys(row.task for row in reported))
    whole = {task: max((r.train_size or 0 for r in reported if r.task == task), default=0) for task in tasks}
    by_label: dict[str, dict[str, PaperCell]] = {}
    for row in reported:
        fraction = 1.0 if row.train_size is None else row.train_size / whole[row.task]
        by_label.setdefault(_label(row), {}).setdefault(row.task, _cell(row, fraction, measured))
    rows = tuple((label, tuple(cells.get(task) for task in tasks)) for label, cells in by_label.items())
    return PaperTable(name=name, matrix=MATRICES.get(name, "paper"), tasks=tasks, rows=rows)


def _label(row: ReferenceRow) -> str:
    parts = [METHODS[row.method], (row.model or "").replace("_", "-")]
    if row.method != "zs_cot_teacher" and row.teacher:
        parts.append(f"from {row.teacher}")
    if row.diversity is not None:
        parts.append(f"D={row.diversity}")
    if row.train_size is not None:
        parts.append(f"{row.train_size} questions")
    return " ".join(part for part in parts if part)


def _cell(row: ReferenceRow, fraction: float, measured: Sequence[LeaderboardRow]) -> PaperCell:
    own = row.method == "zs_cot_teacher"
    model = (row.model or "").replace("_", "-")
    degree = row.diversity if row.diversity is not None else 1 if row.method == "ft_cot" else None
    for candidate in measured:
        fits = (
            candidate.method == METHODS[row.method]
            and (candidate.teacher == row.model if own else candidate.student == model)
            and (own or row.teacher is None or candidate.teacher in {None, row.teacher})
            and candidate.degree == degree
            and not (row.method == "ft_cot" and candidate.temperature)  # the paper's single rationale is greedy
            and abs(candidate.fraction - fraction) < _TOLERANCE
            and row.task in candidate.results
        )
        if fits:
            result = candidate.results[row.task]
            return PaperCell(reported=row.accuracy, measured=result, why=result.reason)
    return PaperCell(reported=row.accuracy, measured=None, why="this run has no such row")


def as_markdown(tables: Sequence[PaperTable], board: Leaderboard) -> str:
    """Return Markdown with ``reported / measured [interval] n``, in percent; a dash where there is no number."""
    ours = [row for row in board.rows if row.kind in {"measured", "teacher"}]
    settings = {
        what: ", ".join(sorted({str(value) for row in ours if (value := getattr(row, what))})) or "–"
        for what in ("extractor", "variant", "selection")
    }
    limits = {row.limit for row in ours if row.limit is not None}
    cut = f", the first {min(limits)} questions of each fold" if limits else ""
    how = (
        f"extractor {settings['extractor']}{cut}, wording {settings['variant']}, selection {settings['selection']}, "
        f"rtbench {board.version}"
    )
    legend = f"Percent: reported (by the authors) / measured (by us) [95 % interval] n questions. Measured with {how}."
    lines = [
        f"# The paper's tables and figures, compared with run {markdown_text(board.run)}",
        "",
        markdown_text(legend),
        "",
    ]
    for table in tables:
        filled = sum(
            c is not None and c.measured is not None and c.why is None for _, cells in table.rows for c in cells
        )
        printed = sum(c is not None for _, cells in table.rows for c in cells)
        count = f"{filled} of {printed} figures measured"
        if table.name in STUDIES:
            count = f"{filled} figures measured; the authors' files do not have the paper's figures"
        lines += [f"## {table.name}", "", f"{count}. To measure them: `rtbench run --matrix {table.matrix}`.", ""]
        if not table.rows:
            continue
        lines += markdown_table(("", *table.tasks), [(label, *map(_shown, cells)) for label, cells in table.rows])
        why: dict[str, list[str]] = {}
        for label, cells in table.rows:
            for task, cell in zip(table.tasks, cells, strict=True):
                if cell is not None and cell.why is not None and cell.measured is not None:
                    why.setdefault(cell.why, []).append(f"{label} on {task}")
        lines += [
            "",
            *(
                "- " + markdown_text(f"not measured: {', '.join(names[:3])}{' …' * (len(names) > 3)}: {reason}")
                for reason, names in why.items()
            ),
            "",
        ]
    return "\n".join(lines)


def _shown(cell: PaperCell | None) -> str:
    if cell is None:
        return ""
    reported = "–" if cell.reported is None else f"{cell.reported:.1f}"
    result = cell.measured
    if result is None or result.accuracy is None:
        return f"{reported} / –"
    interval = result.interval
    spread = "" if interval is None else f" [{in_percent(interval.low, 0)}–{in_percent(interval.high, 0)}]"
    return f"{reported} / {in_percent(result.accuracy)}{spread} n={result.n}"


class PaperReporter(Reporter):
    """Reporter that writes Markdown: ``reported / measured [interval] n`` for every figure of the paper."""

    name = "paper"

    def render(self, leaderboard: Leaderboard) -> str:
        return as_markdown(paper_tables(leaderboard), leaderboard)
