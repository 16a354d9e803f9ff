"""``rtbench score``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rtbench.cli.common import console, format_option, print_json, print_table, with_session_of_one_task
from rtbench.errors import BadInputError

if TYPE_CHECKING:
    from rtbench.session import Session

NO_PREFIX = "none"


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option(
    "--run", "run_name", metavar="NAME", help="Instead of a file: a run's stored texts, beside its stored verdicts."
)
@click.option("--extractor", metavar="NAME", help="Extractor.  [default: the task's; of a run: the leaderboard's]")
@click.option("--variant", metavar="NAME", help="Match questions in this wording only.  [default: in any]")
@click.option(
    "--answer-prefix",
    default="auto",
    show_default=True,
    metavar="TEXT",
    help="What stands before the answer; auto: as the file says; none: nothing.",
)
@click.option("--scores", is_flag=True, help="With --format json, every completion's verdict too.")
@format_option("text", "json")
@with_session_of_one_task
def score(
    session: Session,
    path: Path | None,
    run_name: str | None,
    task: str | None,
    extractor: str | None,
    variant: str | None,
    answer_prefix: str,
    scores: bool,
    format_: str,
) -> None:
    """Score recorded completions, or those of a run, offline."""
    if (path is None) == (run_name is None):
        raise BadInputError("give a file, or --run", where="score")
    if run_name is not None:
        _run(session, run_name, extractor, format_)
        return
    assert path is not None
    from rtbench.recordings.read import formats_of, read_recording
    from rtbench.recordings.scoring import score_recording

    if task is not None:
        session.task(task, where="--task")
    recording = read_recording(path, formats_of(session), task=task)
    judged = session.task(recording.task, where="--task" if task else str(path))
    found = score_recording(
        recording,
        judged,
        extractor or judged.info.shown_extractor,
        session.files,
        variant=variant,
        answer_prefix=None if answer_prefix == NO_PREFIX else answer_prefix,
    )
    s = found.summary
    if format_ == "json":
        print_json(
            {
                "file": found.file,
                "task": found.task,
                "model": found.model,
                "key": found.key,
                "extractor": s.extractor,
                "version": s.version,
                "n": s.n,
                "correct": s.correct,
                "accuracy": s.accuracy,
                "contains_answer": s.contains_answer,
                "correct_format": s.correct_format,
                "complete": s.complete,
                "questions": found.questions,
                "gold": found.gold,
                "answer_prefix": found.answer_prefix,
                "unmatched": found.unmatched,
                **({"scores": found.scores} if scores else {}),
            }
        )
        return
    out = console()
    gold = "the file's own answers" if found.gold == "file" else f"answers of the task's data ({found.variants})"
    out.print(
        f"{found.task}: {s.correct} of {s.n} right, accuracy {100 * s.accuracy:.2f} %\n"
        f"extractor {s.extractor} v{s.version}, prefix {found.answer_prefix!r}, gold: {gold}\n"
        f"contains the answer {100 * s.contains_answer:.1f} %, format {100 * s.correct_format:.1f} %, "
        f"complete {100 * s.complete:.1f} %; {found.questions} different questions",
        markup=False,
    )
    for one in found.unmatched:
        out.print(f"not scored: {one.where}: {one.reason}", style="yellow", markup=False)


def _run(session: Session, name: str, extractor: str | None, format_: str) -> None:
    """Every scored cell of a run, judged by the extractor as it is now; nothing is written."""
    from rtbench.reporting.rescore import rescore
    from rtbench.schema.leaderboard import in_percent
    from rtbench.storage.runs import Runs

    record = Runs(session.workspace).load(name)
    cells = [cell for cell in record.cells if session.store.scored(cell)]
    found = [rescore(session, cell, extractor) for cell in cells]
    if format_ == "json":
        print_json(found)
        return
    rows = [
        (
            one.cell,
            f"{one.extractor} v{one.version}",
            str(one.n),
            "–" if one.stored is None or not one.n else in_percent(one.stored / one.n),
            in_percent(one.correct / one.n) if one.n else "–",
            "–" if one.changed is None else str(one.changed),
        )
        for one in found
    ]
    print_table(("cell", "extractor", "n", "stored, %", "now, %", "verdicts changed"), rows)
    if any(one.changed for one in found):
        click.echo("The board shows the stored ones; `rtbench run` of the same matrix scores anew, offline.")
