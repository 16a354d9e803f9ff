"""``rtbench report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rtbench.cli.common import with_session
from rtbench.errors import BadInputError

if TYPE_CHECKING:
    from rtbench.schema.leaderboard import LeaderboardRow
    from rtbench.session import Session


@click.command()
@click.argument("run", required=False)
@click.option("--reference", is_flag=True, help="Put published rows beside ours.")
@click.option(
    "--format", "format_", default="table", show_default=True, help="table, md, csv, json, tex, or another plugin's."
)
@click.option("--extractor", metavar="NAME", help="Show verdicts of another extractor: nothing is done again.")
@click.option("--latex", is_flag=True, help="The same as --format tex.")
@click.option("--html", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Write a static site.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Write to a file; html, lm-eval and inspect: a folder.",
)
@with_session
def report(
    session: Session,
    run: str | None,
    reference: bool,
    format_: str,
    extractor: str | None,
    latex: bool,
    html: Path | None,
    out: Path | None,
) -> None:
    """Print the leaderboard of a run (the latest by default), from what is stored."""
    from rtbench.cli.added import with_summaries
    from rtbench.plugin.reporting import FolderReporter
    from rtbench.reporting.answers import shown_by
    from rtbench.reporting.build import build_leaderboard
    from rtbench.storage.files import write_atomic
    from rtbench.storage.runs import Runs

    given = {"--html": html is not None, "--latex": latex, "--format": format_ != "table"}
    if sum(given.values()) > 1:
        raise BadInputError(
            f"one at a time: {', '.join(name for name, is_given in given.items() if is_given)}", where="report"
        )
    if html is not None and out is not None:
        raise BadInputError("--html names the folder", where="report --out", next_step="Leave --out out.")
    format_ = "html" if html is not None else "tex" if latex else format_
    reporter = session.reporter(format_)
    record = Runs(session.workspace).load(run)
    kept_by: set[str] = set()
    if extractor is not None:
        kept_by = {cell.extractor for cell in record.cells} - {extractor}
        record = shown_by(session, record, extractor)
    rows: tuple[LeaderboardRow, ...] = ()
    if reference or reporter.takes_reference:
        rows = tuple(session.plugins.reference_rows(record.tasks))
    board = build_leaderboard(record, session, reference=rows, kept_by=kept_by)
    if isinstance(reporter, FolderReporter) and (folder := html or out) is not None:
        reporter.write(board, record, session, folder)
        click.echo(str(folder / "index.html" if html else folder))
        return
    text = with_summaries(reporter.render(board), session, record, format_)
    if out is None:
        click.echo(text)
    elif out.is_dir():
        raise BadInputError("is a folder", where=f"--out {out}", next_step="Name a file.")
    else:
        write_atomic(out, text.encode() + b"\n")
        click.echo(str(out))
