"""``rtbench score``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rtbench.cli.common import with_session_of_one_task
from rtbench.cli.output import echo
from rtbench.cli.printing import console, print_json, print_table
from rtbench.cli.recording_options import AUTO_PREFIX, Formats, prefix_of, recording_options
from rtbench.errors import BadInputError

if TYPE_CHECKING:
    from rtbench.recordings.scoring import FileScore
    from rtbench.session import Session


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--run", "run_name", metavar="NAME", help="Re-score the stored completions of a run, instead of a file.")
@click.option(
    "--extractor", metavar="NAME", help="Extractor to use.  [default: the task's, or with --run, the leaderboard's]"
)
@click.option("--variant", metavar="NAME", help="Match questions in this wording only.  [default: any wording]")
@recording_options
@click.option("--scores", is_flag=True, help="With --format json, include the score of every completion.")
@with_session_of_one_task
def score(
    session: Session,
    path: Path | None,
    run_name: str | None,
    task: str | None,
    extractor: str | None,
    variant: str | None,
    answer_prefix: str,
    formats: Formats,
    scores: bool,
) -> None:
    """Score recorded completions, or re-score those of a run. Asks no model."""
    if (path is None) == (run_name is None):
        raise BadInputError("give either a file or --run", where="score")
    if run_name is not None:
        named = None if session.own_tasks else task  # a run of one's own task needs its file
        of_files = {"--task": named, "--variant": variant, "--scores": scores or None}
        of_files |= {
            "--answer-prefix": None if answer_prefix == AUTO_PREFIX else answer_prefix,
            "--format": formats.file,
        }
        if ignored := [option for option, value in of_files.items() if value is not None]:
            raise BadInputError(f"{ignored[0]} is only for files", where="score --run", next_step="Remove it.")
        _rescore_run(session, run_name, extractor, formats.output)
        return
    assert path is not None
    from rtbench.recordings.read import formats_of, read_recording
    from rtbench.recordings.scoring import score_recording

    if task is not None:
        session.task(task, where="--task")
    recording = read_recording(
        path, formats_of(session), task=task, format_name=formats.file, answer_prefix=prefix_of(answer_prefix)
    )
    recorded_task = session.task(recording.task, where="--task" if task else str(path))
    result = score_recording(
        recording,
        recorded_task,
        extractor or recorded_task.info.shown_extractor,
        session.files,
        variant=variant,
    )
    if formats.output == "json":
        print_json(_as_data(result) | ({"scores": result.scores} if scores else {}))
    else:
        _print_result(result)


def _as_data(result: FileScore) -> dict[str, Any]:
    """Return the scores of a file as JSON data, without those of single completions."""
    s = result.summary
    return {
        "file": result.file,
        "task": result.task,
        "model": result.model,
        "key": result.key,
        "extractor": s.extractor,
        "version": s.version,
        "n": s.n,
        "correct": s.correct,
        "accuracy": s.accuracy,
        "contains_answer": s.contains_answer,
        "correct_format": s.correct_format,
        "complete": s.complete,
        "questions": result.questions,
        "gold": result.gold,
        "answer_prefix": result.answer_prefix,
        "unmatched": result.unmatched,
        "thinking": result.thinking,
        "run_on": result.run_on,
    }


def _print_result(result: FileScore) -> None:
    """Print the scores of a file, and the records that were not scored."""
    from rtbench.recordings.importing import described
    from rtbench.schema.leaderboard import in_percent

    s = result.summary
    out = console()
    gold = "answers in the file" if result.gold == "file" else f"answers in the task's data ({result.variants})"
    out.print(
        f"{result.task}: {s.correct} of {s.n} correct, accuracy {in_percent(s.accuracy, 2)} %\n"
        f"extractor {s.extractor} v{s.version}, answer prefix {result.answer_prefix!r}, gold answers: {gold}\n"
        f"contains answer {in_percent(s.contains_answer)} %, correct format {in_percent(s.correct_format)} %, "
        f"complete {in_percent(s.complete)} %; {result.questions} different questions",
    )
    if result.thinking or result.run_on:
        parted = [f"thinking in {result.thinking}"] * bool(result.thinking)
        parted += [f"text after the answer in {result.run_on}"] * bool(result.run_on)
        out.print(f"separated from the answer: {', '.join(parted)} of {s.n} completions")
    for one in result.unmatched:
        out.print(f"not scored: {described(one)}", style="yellow")


def _rescore_run(session: Session, name: str, extractor: str | None, format_: str) -> None:
    """Re-score the scored cells of a run with the current version of an extractor, and print the results."""
    from rtbench.reporting.answers import scored_cells
    from rtbench.reporting.rescore import rescore
    from rtbench.schema.leaderboard import in_percent

    record = session.open_run(name)
    results = [rescore(session, cell, extractor) for cell in scored_cells(session, record)]
    if format_ == "json":
        print_json(results)
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
        for one in results
    ]
    print_table(("cell", "extractor", "n", "stored, %", "now, %", "changed"), rows)
    if any(one.changed for one in results):
        echo("The leaderboard shows the stored scores. To update them, run the same `rtbench run` command again.")
