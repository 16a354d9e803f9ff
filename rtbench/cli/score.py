"""``rtbench score``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rtbench.cli.common import console, format_option, print_json, with_session_of_one_task

if TYPE_CHECKING:
    from rtbench.session import Session

NO_PREFIX = "none"


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--extractor", default="flexible", show_default=True, metavar="NAME", help="Extractor.")
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
    path: Path,
    task: str | None,
    extractor: str,
    variant: str | None,
    answer_prefix: str,
    scores: bool,
    format_: str,
) -> None:
    """Score recorded completions (JSON Lines or completion_data JSON) offline."""
    from rtbench.recordings import read_recording
    from rtbench.scoring import score_file

    name = task or read_recording(path).task
    found = score_file(
        path,
        session.task(name, where="--task" if task else str(path)),
        extractor,
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
