"""``rtbench compare``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from rtbench.cli.common import format_option, with_session
from rtbench.cli.completion import complete_run
from rtbench.cli.output import echo
from rtbench.cli.printing import console, heading, print_json, print_table
from rtbench.errors import listed

if TYPE_CHECKING:
    from rtbench.reporting.compare import Flip, RowComparison, RunComparison
    from rtbench.schema.runs import RunRecord
    from rtbench.session import Session

HEADS = ("cells", "before", "after", "effect", "95 % interval", "better", "worse", "n × seeds", "p (Holm)", "verdict")


_EFFECT = (
    "effect: difference of accuracies in percentage points, paired by question (bootstrap over seeds, then over "
    "questions or patterns). better, worse: number of questions that only RUN_B or only RUN_A answers correctly. "
    "n: number of questions, summed over seeds."
)
_P = (
    "p: McNemar's exact test, Holm-adjusted over this table in brackets. – where it does not apply (several seeds, or "
    "questions that share patterns); the verdict then depends on the interval alone."
)


@click.command()
@click.argument("run_a", shell_complete=complete_run)
@click.argument("run_b", shell_complete=complete_run)
@click.option("--other-workspace", metavar="DIR", help="Workspace of RUN_B.  [default: --workspace]")
@click.option(
    "--flips",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Show N questions per row that only one run answers correctly.",
)
@format_option("table", "json")
@with_session
def compare(session: Session, run_a: str, run_b: str, other_workspace: str | None, flips: int, format_: str) -> None:
    """Compare RUN_A with RUN_B on the questions that both answered."""
    from rtbench.reporting.compare import compare as compared

    other = session.with_workspace(other_workspace).fetch() if other_workspace else session
    before, after = session.open_run(run_a), other.open_run(run_b)
    result = compared(before, after, session.store, other.store)
    if format_ == "json":
        print_json({"rows": [_as_data(one, flips) for one in result.rows], "left_out": result.left_out})
        return
    echo(f"from {before.name} to {after.name}\n")
    print_table(HEADS, [_row(one) for one in result.rows])
    for note in [*_notes(result), *_limits(before, after)]:
        echo(note)
    if flips:
        _show_flips(session, other, (before, after), result.rows, flips)


def _row(one: RowComparison) -> tuple[str, ...]:
    from rtbench.schema.leaderboard import in_percent

    p = "–" if one.p is None else f"{one.p:.3g} ({one.adjusted:.3g})"
    return (
        one.name,
        in_percent(one.before),
        in_percent(one.after),
        in_percent(one.effect, sign=True),
        f"[{in_percent(one.interval.low, sign=True)}, {in_percent(one.interval.high, sign=True)}]",
        str(one.better),
        str(one.worse),
        f"{one.questions}×{one.seeds}" if one.seeds > 1 else str(one.questions),
        p,
        one.verdict,
    )


def _notes(result: RunComparison) -> list[str]:
    """Return the notes below the table."""
    notes = [_EFFECT, _P]
    unpaired = sum(one.unpaired for one in result.rows)
    if unpaired:
        notes.append(f"{unpaired} questions were answered in one run only and are not counted.")
    if result.left_out:
        notes.append(
            f"{len(result.left_out)} rows are not compared, because only one run has them or has scored them, or "
            f"because their questions differ: {listed(result.left_out, 3)}."
        )
    return notes


def _limits(before: RunRecord, after: RunRecord) -> list[str]:
    """Return a note where the runs use different numbers of questions, which affects training as well."""
    by_run = [sorted({cell.limit for cell in run.cells}, key=str) for run in (before, after)]
    if by_run[0] == by_run[1]:
        return []
    texts = [", ".join("all" if limit is None else f"the first {limit}" for limit in limits) for limits in by_run]
    trained = ", also in training" if any(cell.recipe for run in (before, after) for cell in run.cells) else ""
    return [f"Questions used of each fold{trained}: {texts[0]} in {before.name}, {texts[1]} in {after.name}."]


def _as_data(one: RowComparison, flips: int) -> dict[str, Any]:
    """Return a comparison as JSON data, with at most ``flips`` of its flips."""
    import msgspec

    data: dict[str, Any] = msgspec.to_builtins(one)
    data["verdict"] = one.verdict
    data["flips"] = data["flips"][:flips]
    return data


def _show_flips(
    session: Session, other: Session, runs: tuple[RunRecord, RunRecord], rows: Sequence[RowComparison], count: int
) -> None:
    """Print the first ``count`` flips of each row; ``other`` has the workspace of the second run."""
    from rtbench.reporting.answers import ScoredAnswer, answers_of

    known: dict[tuple[int, str], dict[int, ScoredAnswer]] = {}

    def answer_of(side: int, flip: Flip) -> ScoredAnswer:
        key = (side, flip.cells[side])
        if key not in known:
            cell = next(cell for cell in runs[side].cells if cell.name == flip.cells[side])
            known[key] = {one.score.sample_index: one for one in answers_of((session, other)[side], cell)}
        return known[key][flip.sample_index]

    out = console()
    for row in rows:
        for flip in row.flips[:count]:
            sides = (answer_of(0, flip), answer_of(1, flip))
            heading(out, f"{flip.cells[0]}, {flip.sample_index}: {'better' if flip.better else 'worse'}")
            out.print(f"question: {sides[0].sample.question}\ngold: {sides[0].sample.answer}")
            for name, side in zip((runs[0].name, runs[1].name), sides, strict=True):
                style = "green" if side.score.correct else "red"
                out.print(f"{name}: {side.completion.full_text.strip()}")
                out.print(f"extracted: {side.score.extracted!r}", style=style)
