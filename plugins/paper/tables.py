"""The paper's tables and figures, each figure beside what a run measured, and why there is nothing where there is nothing."""

from __future__ import annotations

from collections.abc import Sequence

from rtbench_plugins.paper.reference import METHODS, ReferenceRow, load_reference

from rtbench.api import CellResult, Leaderboard, LeaderboardRow, Record, Reporter, in_percent

MATRICES = {
    "fig:diverse_reasoning": "paper-diverse",
    "fig:dataset_size": "paper-datasize",
    "fig:teacher_performance": "paper-teachers",
}
"""Matrix that fills a table; ``paper`` for those that are not here."""
STUDIES = {"template splits": "paper-template", "sample filtering": "paper-filtering", "length": "paper-length"}
"""Studies whose figures the authors' files do not hold, so that only what was measured can stand there."""
_PART = 2e-3
"""Parts of the training questions that differ by less are the same: a matrix states them rounded."""


class PaperCell(Record, frozen=True):
    """One figure of the paper."""

    reported: float | None
    """Percent; None where the paper prints none."""
    measured: CellResult | None
    """None: the run has no such row."""
    why: str | None
    """Why nothing was measured."""


class PaperTable(Record, frozen=True):
    """A table or figure of the paper."""

    name: str
    matrix: str
    """Whose run fills it."""
    tasks: tuple[str, ...]
    rows: tuple[tuple[str, tuple[PaperCell | None, ...]], ...]
    """Label, and a cell per task; None where the paper has none."""


def paper_tables(board: Leaderboard) -> list[PaperTable]:
    """All of them, in the order of the reference. What the paper prints is of the published questions, so that rows of twins
    are never set beside it."""
    tables: dict[str, list[ReferenceRow]] = {}
    for row in load_reference():
        if row.method in METHODS:
            tables.setdefault(row.table, []).append(row)
    rows = [row for row in board.rows if row.source == "upstream" and row.fold == "test"]
    measured = [row for row in rows if row.split == "default"]
    printed = [_table(name, reported, measured) for name, reported in tables.items()]
    return [*printed, *(_study(name, matrix, board, rows) for name, matrix in STUDIES.items())]


def _study(name: str, matrix: str, board: Leaderboard, rows: Sequence[LeaderboardRow]) -> PaperTable:
    """Of a run of the study's matrix, or of the rows of a template split in any."""
    if matrix != "paper-template":
        rows = [row for row in rows if board.matrix == matrix]
    elif any(row.split == "template" for row in rows):
        tasks = {task for row in rows if row.split == "template" for task in row.results}
        rows = [row for row in rows if tasks & row.results.keys()]
    else:
        rows = []
    tasks_ = tuple(task for task in board.tasks if any(task in row.results for row in rows))
    cells = [
        tuple(PaperCell(reported=None, measured=found, why=found.reason) if found else None for found in results)
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
    found: dict[str, dict[str, PaperCell]] = {}
    for row in reported:
        part = None if row.train_size is None else row.train_size / whole[row.task]
        found.setdefault(_label(row), {}).setdefault(row.task, _cell(row, part, measured))
    rows = tuple((label, tuple(cells.get(task) for task in tasks)) for label, cells in found.items())
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


def _cell(row: ReferenceRow, part: float | None, measured: Sequence[LeaderboardRow]) -> PaperCell:
    own = row.method == "zs_cot_teacher"
    model = (row.model or "").replace("_", "-")
    degree = row.diversity if row.diversity is not None else 1 if row.method == "ft_cot" else None
    for one in measured:
        fits = (
            one.method == METHODS[row.method]
            and (one.teacher == row.model if own else one.student == model)
            and (own or row.teacher is None or one.teacher in {None, row.teacher})
            and one.degree == degree
            and not (row.method == "ft_cot" and one.temperature)  # the paper's single rationale is greedy
            and abs(one.fraction - (1.0 if part is None else part)) < _PART
            and row.task in one.results
        )
        if fits:
            result = one.results[row.task]
            return PaperCell(reported=row.accuracy, measured=result, why=result.reason)
    return PaperCell(reported=row.accuracy, measured=None, why="no such row in this run")


def as_markdown(tables: Sequence[PaperTable], board: Leaderboard) -> str:
    """``reported / measured [interval] n`` in percent; a dash where there is nothing."""
    ours = [row for row in board.rows if row.kind in {"measured", "teacher"}]
    told = {
        what: ", ".join(sorted({str(value) for row in ours if (value := getattr(row, what))})) or "–"
        for what in ("extractor", "variant", "selection")
    }
    limits = {row.limit for row in ours if row.limit is not None}
    only = f", the first {min(limits)} questions of each fold" if limits else ""
    how = f"extractor {told['extractor']}{only}, wording {told['variant']}, selection {told['selection']}, rtbench {board.version}"
    said = f"Percent: reported (by the authors) / measured (by us) [95 % interval] n questions. Measured: {how}."
    lines = [f"# The paper's tables and figures, beside run {board.run}", "", said, ""]
    for table in tables:
        filled = sum(
            c is not None and c.measured is not None and c.why is None for _, cells in table.rows for c in cells
        )
        printed = sum(c is not None for _, cells in table.rows for c in cells)
        said = f"{filled} of {printed} figures measured" if table.name not in STUDIES else f"{filled} figures measured"
        held = "; the paper's are not in its files" if table.name in STUDIES else ""
        lines += [f"## {table.name}", "", f"{said}{held}; `rtbench run --matrix {table.matrix}` asks for them.", ""]
        if not table.rows:
            continue
        lines += ["| | " + " | ".join(table.tasks) + " |", "|---" * (len(table.tasks) + 1) + "|"]
        why: dict[str, list[str]] = {}
        for label, cells in table.rows:
            lines.append(f"| {label} | " + " | ".join(_shown(cell) for cell in cells) + " |")
            for task, cell in zip(table.tasks, cells, strict=True):
                if cell is not None and cell.why is not None and cell.measured is not None:
                    why.setdefault(cell.why, []).append(f"{label} on {task}")
        lines += [
            "",
            *(
                f"- not measured: {', '.join(names[:3])}{' …' * (len(names) > 3)}: {reason}"
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
    spread = "" if interval is None else f" [{100 * interval.low:.0f}–{100 * interval.high:.0f}]"
    return f"{reported} / {in_percent(result.accuracy)}{spread} n={result.n}"


class PaperReporter(Reporter):
    """Markdown: ``reported / measured [interval] n`` for every figure of the paper."""

    name = "paper"

    def render(self, leaderboard: Leaderboard) -> str:
        return as_markdown(paper_tables(leaderboard), leaderboard)
