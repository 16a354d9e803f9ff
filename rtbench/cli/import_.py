"""``rtbench import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rtbench.cli.common import with_session_of_one_task
from rtbench.cli.printing import console, print_json
from rtbench.cli.recording_options import Formats, prefix_of, recording_options

if TYPE_CHECKING:
    from rtbench.session import Session


@click.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--model", metavar="NAME", help="Model that wrote the completions.  [default: from the file]")
@click.option("--key", metavar="NAME", help="Name of the recording.  [default: from the file]")
@recording_options
@with_session_of_one_task
def import_(
    session: Session,
    paths: tuple[Path, ...],
    model: str | None,
    key: str | None,
    task: str | None,
    answer_prefix: str,
    formats: Formats,
) -> None:
    """Import recorded completions into the ledger. They are matched to samples by question text.

    PATHS are files of completions (model__key__task.jsonl, .json, .csv, .tsv or .parquet, compressed or not), or files
    in a format of a plugin, such as chats, instructions or batches (`rtbench plugins` lists them). Records that match
    no sample are listed with the most similar question. Importing twice changes nothing.
    """
    from rtbench.errors import MissingDataError
    from rtbench.recordings.importing import Pending, commit_import, prepare_import
    from rtbench.recordings.read import formats_of, joined, read_recording
    from rtbench.storage.active import active_run

    # Read, match and check all files before writing the first one, so that an error leaves nothing half imported.
    known = formats_of(session)
    recordings = [
        read_recording(
            path,
            known,
            model=model,
            key=key,
            task=task,
            format_name=formats.file,
            answer_prefix=prefix_of(answer_prefix),
            others=others,
        )
        for path, others in joined(paths, known, formats.file)
    ]
    pending = Pending()
    prepared = []
    for recording in recordings:
        recorded_task = session.task(recording.task, where=str(recording.path))
        try:
            prepared.append(prepare_import(session, recording, recorded_task, pending))
        except MissingDataError as error:
            raise MissingDataError(
                f"{recording.path} cannot be matched: {error.what}", where=error.where, next_step=error.next_step
            ) from None
    with active_run(session.place, "import"):
        reports = [commit_import(one) for one in prepared]
    if formats.output == "json":
        print_json(reports)
        return
    out = console()
    for report in reports:
        new = ", ".join(f"{n} new in {dataset}" for dataset, n in report.imported.items()) or "none new"
        out.print(
            f"{report.model}/{report.key} {report.task}: {report.records} records; {new}; "
            f"{report.present} already imported; {len(report.unmatched)} match no sample",
        )
        prefix = "none" if report.answer_prefix is None else repr(report.answer_prefix)
        thinking = f"; thinking separated from {report.thinking} answers" if report.thinking else ""
        out.print(f"  answer prefix: {prefix}{thinking}")
        for line in report.unmatched:
            out.print(f"  {line}", style="yellow")
