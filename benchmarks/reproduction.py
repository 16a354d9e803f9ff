"""Write the tables and the chart of docs/reproduction.md and the files of results/real from a run of the matrix ``real``.

    python benchmarks/reproduction.py --workspace DIR --data-dir DIR

The run may be unfinished: cells without a score are left open. The page's text is written by hand; what stands between
``<!-- NAME -->`` and ``<!-- end -->`` is replaced.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reproduction_chart import Point, chart
from rtbench_plugins.claims.rendering import Shown, markdown
from rtbench_plugins.paper.reference import load_reference

from rtbench.api import (
    Environment,
    Runs,
    answers_of,
    build_leaderboard,
    claim_set,
    evaluate_claims,
    open_services,
    write_atomic,
)

if TYPE_CHECKING:
    from rtbench.api import CellResult, ClaimResult, Leaderboard, LeaderboardRow, RunRecord, Services

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reproduction.md"
RESULTS = ROOT / "results" / "real"
STUDENT = "smollm2-135m-instruct"
PAPER = {"gpt2": "GPT-2 small, 124M", "t5_small": "T5-small, 60M", "flan_t5_small": "Flan-T5-small, 60M"}
TEACHERS = ("text-davinci-002", "gpt-3.5-turbo-0613", "gpt-4-0613")
POOLS = {
    "eight-teachers": "one sample of each of eight teachers",
    "seven-teachers": "one sample of each of seven teachers",
    "gpt-3.5-turbo-sampled": "samples of gpt-3.5-turbo",
    "gold-gpt-3.5-turbo-instruct": "samples of gpt-3.5-turbo-instruct that saw the answer",
}
VERDICTS = ("supported", "inconclusive", "contradicted", "not tested")


def main() -> None:
    """Write all files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--run", default="real")
    given = parser.parse_args()
    services = open_services(Environment(workspace=str(given.workspace), data_dir=str(given.data_dir), offline=True))
    run = Runs(given.workspace).load(given.run)
    board = build_leaderboard(run, services)
    paper = claim_set(services, "paper")
    claims = evaluate_claims(paper, run, services.store, "test", services.ledger)
    for name in ("md", "csv"):
        text = services.reporter(name).render(board)
        write_atomic(RESULTS / f"leaderboard.{name}", (text.rstrip("\n") + "\n").encode())
    write_atomic(RESULTS / "claims.md", (markdown(Shown(paper, claims, run.name, "test")).rstrip("\n") + "\n").encode())
    tables: dict[str, Callable[[], str]] = {
        "claims": lambda: claims_table(claims),
        "answers": lambda: beside(board, "fine-tune", "ft"),
        "one rationale": lambda: beside(board, "fine-tune-cot", "ft_cot"),
        "untrained": lambda: untrained(board),
        "degrees": lambda: degrees(board),
        "teachers": lambda: teachers(board),
        "fractions": lambda: fractions(board),
        "granularity": lambda: granularity(board),
        "rationales": lambda: rationales(services, run),
    }
    write_atomic(RESULTS / "accuracy.svg", drawn(board).encode())
    text = PAGE.read_text(encoding="utf-8")
    for name, table in tables.items():
        text, found = re.subn(
            rf"(<!-- {name} -->\n).*?(<!-- end -->)", lambda m, t=table: f"{m[1]}{t()}\n{m[2]}", text, flags=re.DOTALL
        )
        if found != 1:
            raise SystemExit(f"{PAGE}: {found} places for the table {name!r}")
    write_atomic(PAGE, text.encode())


# ------------------------------------------------------------------------------------------------------------- cells


def row_of(
    board: Leaderboard,
    method: str,
    teacher: str | None = None,
    degree: int | None = None,
    fraction: float = 1.0,
    split: str = "default",
) -> LeaderboardRow | None:
    """Return the student's row with these values."""
    wanted = (method, teacher, degree, fraction, split, STUDENT)
    return next(
        (r for r in board.rows if (r.method, r.teacher, r.degree, r.fraction, r.split, r.student) == wanted), None
    )


def shown(result: CellResult | None) -> str:
    """Return an accuracy in percent with its interval, and with its seeds if there are several."""
    if result is None or result.accuracy is None:
        return "–"
    interval = result.interval
    limits = f" [{100 * interval.low:.0f}–{100 * interval.high:.0f}]" if interval else ""
    seeds = f" ({result.seeds} seeds)" if result.seeds > 1 else ""
    return f"{100 * result.accuracy:.1f}{limits}{seeds}"


def on(row: LeaderboardRow | None, task: str) -> str:
    """Return a row's result on a task."""
    return "–" if row is None else shown(row.results.get(task))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], ours: slice = slice(1, None)) -> str:
    """Return a Markdown table; all columns but the first are numbers.

    Args:
        heads: heads of the columns.
        rows: values of the rows.
        ours: columns of our measurements; rows without any are left out.
    """
    rows = [row for row in rows if any(not cell.split(" → ")[-1].startswith("–") for cell in row[ours])]
    if not rows:
        return "Not measured yet."
    rule = ["---", *("---:" for _ in heads[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in [heads, rule, *rows])


def n_of(board: Leaderboard, task: str) -> str:
    """Return the number of test questions of a task."""
    rows = (row for row in board.rows if row.fold == "test" and row.split == "default" and task in row.results)
    return next((str(row.results[task].n) for row in rows if row.results[task].n), "–")


# ------------------------------------------------------------------------------------------------------------ tables


def claims_table(claims: Sequence[ClaimResult]) -> str:
    """Return the number of tasks by claim and verdict, and the effects."""
    rows = []
    for claim, sentence in {one.claim: one.statement for one in claims}.items():
        mine = [one for one in claims if one.claim == claim]
        counts = [[one for one in mine if one.verdict == verdict] for verdict in VERDICTS]
        tested = [f"{one.task} {_effect(one)}" for one in mine if one.interval is not None]
        rows.append([claim, sentence, *(str(len(found) or "–") for found in counts), "; ".join(tested) or "–"])
    return table(["claim", "sentence", *VERDICTS, "effect in points [interval], n × seeds"], rows)


def _effect(one: ClaimResult) -> str:
    assert one.interval is not None
    assert one.effect is not None
    low, high = 100 * one.interval.low, 100 * one.interval.high
    return f"{100 * one.effect:+.1f} [{low:+.1f}, {high:+.1f}], {one.n // max(1, one.seeds)}×{one.seeds}"


def beside(board: Leaderboard, method: str, papers: str) -> str:
    """Return our student beside the paper's small ones."""
    reported = {(r.model, r.task): r.accuracy for r in load_reference() if r.method == papers and r.train_size is None}
    ours = row_of(board, method, *(("text-davinci-002", 1) if papers == "ft_cot" else ()))
    rows = [
        [task, n_of(board, task), on(ours, task), *(_plain(reported.get((model, task))) for model in PAPER)]
        for task in board.tasks
    ]
    return table(["task", "questions", "SmolLM2-135M", *PAPER.values()], rows, slice(2, 3))


def _plain(percent: float | None) -> str:
    return "–" if percent is None else f"{percent:.1f}"


def untrained(board: Leaderboard) -> str:
    """Return the student before training."""
    methods = ("zero-shot", "zero-shot-cot", "few-shot-cot")
    rows = [[task, *(on(row_of(board, method), task) for method in methods)] for task in board.tasks]
    return table(["task", *methods], rows)


def drawn(board: Leaderboard) -> str:
    """Return the chart of the student before and after training."""
    most = {
        task: max((r for r in _pools(board) if task in r.results), key=_degree, default=None) for task in board.tasks
    }
    rows = []
    for task in board.tasks:
        chosen = [
            row_of(board, "zero-shot-cot"),
            row_of(board, "fine-tune"),
            row_of(board, "fine-tune-cot", "text-davinci-002", 1),
            most[task],
        ]
        points = [_point(row.results.get(task)) if row else None for row in chosen]
        if any(points[1:]):
            rows.append((task.replace("_", " "), points))
    series = ("before training", "answers", "one rationale a question", "six to eight rationales a question")
    return chart("Accuracy of SmolLM2-135M on test questions, in percent, with 95 % intervals", series, rows)


def _pools(board: Leaderboard) -> list[LeaderboardRow]:
    """Return the rows of students of several rationales of teachers that did not see the answer."""
    return [r for r in board.rows if r.teacher in POOLS and (r.degree or 0) > 5 and r.split == "default"]


def _degree(row: LeaderboardRow) -> int:
    return row.degree or 0


def _point(result: CellResult | None) -> Point | None:
    if result is None or result.accuracy is None or result.interval is None:
        return None
    return Point(result.accuracy, result.interval.low, result.interval.high)


def degrees(board: Leaderboard) -> str:
    """Return the student by number of rationales per question."""
    several = (1, 2, 4, 6, 7, 8)
    rows = []
    for teacher, what in POOLS.items():
        found = {d: row for d in several if (row := row_of(board, "fine-tune-cot", teacher, d)) is not None}
        for task in board.tasks:
            cells = [on(found.get(d), task) for d in several]
            if any(cell != "–" for cell in cells):
                rows.append([f"{task}, {what}", *cells])
    return table(["task and rationales", *(f"D={d}" for d in several)], rows)


def teachers(board: Leaderboard) -> str:
    """Return the accuracy of teachers on the training questions, and of their students."""
    rows = []
    for task in board.tasks:
        own = {
            row.teacher: row.results[task]
            for row in board.rows
            if row.kind == "teacher" and row.fold == "train" and task in row.results
        }
        cells = [on(row_of(board, "fine-tune-cot", teacher, 1), task) for teacher in TEACHERS]
        if sum(cell != "–" for cell in cells) > 1:
            accuracies = (own.get(teacher) for teacher in TEACHERS)
            rows.append(
                [
                    task,
                    *(
                        f"{_plain(100 * a.accuracy if a and a.accuracy is not None else None)} → {cell}"
                        for a, cell in zip(accuracies, cells, strict=True)
                    ),
                ]
            )
    return table(["task", *TEACHERS], rows)


def fractions(board: Leaderboard) -> str:
    """Return the student by fraction of the training questions."""
    shares = (0.25, 0.5, 1.0)
    found = [row_of(board, "fine-tune-cot", "text-davinci-002", 1, share) for share in shares]
    rows = [[task, *(on(row, task) for row in found)] for task in board.tasks if on(found[0], task) != "–"]
    return table(["task", *(f"{100 * share:.0f} % of the questions" for share in shares)], rows)


def granularity(board: Leaderboard) -> str:
    """Return the student by granularity of the rationales."""
    levels = [row_of(board, "fine-tune-cot", f"gold-gpt-4o-l{level}", 1) for level in range(1, 7)]
    rows = [[t, *(on(row, t) for row in levels)] for t in board.tasks if any(on(row, t) != "–" for row in levels)]
    return table(["task", *(f"level {level}" for level in range(1, 7))], rows)


# -------------------------------------------------------------------------------------------------------------- texts


def rationales(services: Services, run: RunRecord, task: str = "multiarith") -> str:
    """Return texts of the student before and after training: the first three right ones and the first two wrong ones."""
    cells = {
        (cell.method, cell.teacher, cell.degree): cell
        for cell in run.cells
        if cell.task == task and cell.seed == 0 and cell.split == "default" and cell.fraction == 1.0
    }
    after = cells["fine-tune-cot", "eight-teachers", 8]
    before = cells["zero-shot-cot", None, None]
    if not services.store.scored(after):
        return "Not measured yet."
    known = answers_of(services, before) if services.store.scored(before) else []
    earlier = {one.sample.index: _short(one.completion.full_text) for one in known}
    found = answers_of(services, after)
    chosen = [one for one in found if one.score.correct][:3] + [one for one in found if not one.score.correct][:2]
    rows = [
        [
            f"{one.sample.index} ({one.sample.answer})",
            earlier.get(one.sample.index, "–"),
            f"{'right' if one.score.correct else 'wrong'}: {_short(one.completion.full_text)}",
        ]
        for one in chosen
    ]
    return "\n".join(f"| {' | '.join(r)} |" for r in [["question (answer)", "before", "after"], ["---"] * 3, *rows])


def _short(text: str, most: int = 280) -> str:
    one_line = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
    return one_line if len(one_line) <= most else f"{one_line[:most]} …"


if __name__ == "__main__":
    main()
