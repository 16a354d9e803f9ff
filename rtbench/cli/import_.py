"""``rtbench import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rtbench.cli.common import console, format_option, print_json, with_session_of_one_task

if TYPE_CHECKING:
    from rtbench.session import Session


@click.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--model", metavar="NAME", help="Model that wrote the completions.  [default: from the file]")
@click.option("--key", metavar="NAME", help="Name of the recording.  [default: from the file]")
@format_option("text", "json")
@with_session_of_one_task
def import_(
    session: Session, paths: tuple[Path, ...], model: str | None, key: str | None, task: str | None, format_: str
) -> None:
    """Import recorded completions into the ledger. They are matched to samples by question text.

    PATHS are JSON Lines files (model__key__task.jsonl[.gz]), or files in a format that a plugin supports (`rtbench
    plugins` lists them). Records that match no sample are listed. Importing twice changes nothing.
    """
    from rtbench.errors import MissingDataError
    from rtbench.recordings.importing import Pending, commit_import, prepare_import
    from rtbench.recordings.read import formats_of, read_recording

    # Read, match and check all files before writing the first one, so that an error leaves nothing half imported.
    formats = formats_of(session)
    recordings = [read_recording(path, formats, model=model, key=key, task=task) for path in paths]
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
    reports = [commit_import(one) for one in prepared]
    if format_ == "json":
        print_json(reports)
        return
    out = console()
    for report in reports:
        new = ", ".join(f"{n} new in {dataset}" for dataset, n in report.imported.items()) or "none new"
        out.print(
            f"{report.model}/{report.key} {report.task}: {report.records} records; {new}; "
            f"{report.present} already imported; {len(report.unmatched)} match no sample",
            markup=False,
        )
        for line in report.unmatched:
            out.print(f"  {line}", style="yellow", markup=False)
