"""``rtbench compare``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from rtbench.cli.common import console, format_option, heading, print_json, print_table, with_session

if TYPE_CHECKING:
    from pathlib import Path

    from rtbench.reporting.compare import Compared, Comparison, Flip
    from rtbench.schema.runs import RunRecord
    from rtbench.session import Session

HEADS = ("cells", "before", "after", "effect", "95 % interval", "better", "worse", "n × seeds", "p (Holm)", "verdict")


_EFFECT = (
    "effect: difference of accuracies in points, paired by question (bootstrap over seeds, then questions or patterns); "
    "better, worse: questions that only RUN_B, or only RUN_A has right; n: questions of all seeds together."
)
_P = (
    "p: McNemar's exact test, Holm-adjusted over this table in brackets; – where it does not apply (several seeds, or "
    "questions that share patterns): there the interval decides."
)


@click.command()
@click.argument("run_a")
@click.argument("run_b")
@click.option("--other-workspace", metavar="DIR", help="Where RUN_B is, if not in --workspace.")
@click.option(
    "--flips", type=click.IntRange(min=0), default=0, metavar="N", help="Show N questions that flipped, of each."
)
@format_option("table", "json")
@with_session
def compare(session: Session, run_a: str, run_b: str, other_workspace: str | None, flips: int, format_: str) -> None:
    """What got better and what worse from RUN_A to RUN_B, on the same questions."""
    from pathlib import Path

    from rtbench.reporting.compare import compare as compared
    from rtbench.storage.runs import Runs
    from rtbench.storage.store import Store

    second = Path(other_workspace) if other_workspace else session.workspace
    before, after = Runs(session.workspace).load(run_a), Runs(second).load(run_b)
    found = compared(before, after, session.store, Store(second / "store"))
    if format_ == "json":
        print_json({"rows": [_as_data(one, flips) for one in found.rows], "left_out": found.left_out})
        return
    click.echo(f"from {before.name} to {after.name}\n")
    print_table(HEADS, [_row(one) for one in found.rows])
    for said in [*_notes(found), *_limits(before, after)]:
        click.echo(said)
    if flips:
        _show_flips(session, second, (before, after), found.rows, flips)


def _row(one: Comparison) -> tuple[str, ...]:
    from rtbench.schema.leaderboard import in_percent

    p = "–" if one.p is None else f"{one.p:.3g} ({one.adjusted:.3g})"
    return (
        one.name,
        in_percent(one.before),
        in_percent(one.after),
        f"{100 * one.effect:+.1f}",
        f"[{100 * one.interval.low:+.1f}, {100 * one.interval.high:+.1f}]",
        str(one.better),
        str(one.worse),
        f"{one.questions}×{one.seeds}" if one.seeds > 1 else str(one.questions),
        p,
        one.verdict,
    )


def _notes(found: Compared) -> list[str]:
    notes = [_EFFECT, _P]
    unpaired = sum(one.unpaired for one in found.rows)
    if unpaired:
        notes.append(f"{unpaired} answers have no partner in the other run and do not count.")
    if found.left_out:
        more = f" and {len(found.left_out) - 3} more" if len(found.left_out) > 3 else ""
        notes.append(
            f"{len(found.left_out)} rows are not compared, as only one run has them, has scored them, or has them of these "
            f"questions: {', '.join(found.left_out[:3])}{more}."
        )
    return notes


def _limits(before: RunRecord, after: RunRecord) -> list[str]:
    """A student of fewer training questions is another student."""
    found = [sorted({cell.limit for cell in run.cells}, key=str) for run in (before, after)]
    if found[0] == found[1]:
        return []
    said = [", ".join("all" if limit is None else f"the first {limit}" for limit in limits) for limits in found]
    trained = ", also in training" if any(cell.recipe for run in (before, after) for cell in run.cells) else ""
    return [f"Questions of each fold that were used{trained}: {said[0]} in {before.name}, {said[1]} in {after.name}."]


def _as_data(one: Comparison, flips: int) -> dict[str, Any]:
    import msgspec

    data: dict[str, Any] = msgspec.to_builtins(one)
    data["verdict"] = one.verdict
    data["flips"] = data["flips"][:flips]
    return data


def _show_flips(
    session: Session, second: Path, runs: tuple[RunRecord, RunRecord], found: Sequence[Comparison], count: int
) -> None:
    import msgspec

    from rtbench.reporting.answers import Judged, judged
    from rtbench.session import Session as OtherSession

    other = OtherSession(msgspec.structs.replace(session.environment, workspace=str(second)))
    known: dict[tuple[int, str], dict[int, Judged]] = {}

    def text_of(side: int, flip: Flip) -> Judged:
        key = (side, flip.cells[side])
        if key not in known:
            cell = next(cell for cell in runs[side].cells if cell.name == flip.cells[side])
            known[key] = {one.score.sample_index: one for one in judged((session, other)[side], cell)}
        return known[key][flip.sample_index]

    out = console()
    for one in found:
        for flip in one.flips[:count]:
            sides = (text_of(0, flip), text_of(1, flip))
            way = "better" if flip.better else "worse"
            heading(out, f"{flip.cells[0]}, {flip.sample_index}: {way}")
            out.print(f"question: {sides[0].sample.question}\ngold: {sides[0].sample.answer}", markup=False)
            for name, side in zip((runs[0].name, runs[1].name), sides, strict=True):
                style = "green" if side.score.correct else "red"
                out.print(f"{name}: {side.completion.full_text.strip()}", markup=False)
                out.print(f"extracted: {side.score.extracted!r}", style=style, markup=False)
