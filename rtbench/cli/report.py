"""``rtbench report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rtbench.cli.common import with_session
from rtbench.errors import BadInputError

if TYPE_CHECKING:
    from rtbench.board import Row
    from rtbench.session import Session


@click.command()
@click.argument("run", required=False)
@click.option("--reference", is_flag=True, help="Put the paper's reported rows beside ours.")
@click.option("--paper", is_flag=True, help="Print the paper's tables and figures, each figure beside ours.")
@click.option(
    "--format", "format_", default="table", show_default=True, help="table, md, csv, json, tex, or a plugin's."
)
@click.option("--extractor", metavar="NAME", help="Show verdicts of another extractor: nothing is done again.")
@click.option("--latex", is_flag=True, help="The same as --format tex: the paper's layout.")
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
    paper: bool,
    format_: str,
    extractor: str | None,
    latex: bool,
    html: Path | None,
    out: Path | None,
) -> None:
    """Print the leaderboard of a run (the latest by default), from what is stored."""
    from rtbench.cli.added import with_summaries
    from rtbench.files import write_atomic
    from rtbench.interfaces import FolderReporter
    from rtbench.judged import shown_by
    from rtbench.report import build_leaderboard
    from rtbench.runs import Runs

    given = {"--html": html is not None, "--latex": latex, "--paper": paper, "--format": format_ != "table"}
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
    rows: tuple[Row, ...] = ()
    if reference or format_ == "html":  # a site shows them when asked to
        from rtbench.reference import reported_rows

        rows = reported_rows(record.tasks)
    board = build_leaderboard(record, session.store, session.ledger, reference=rows, kept_by=kept_by)
    if isinstance(reporter, FolderReporter) and (folder := html or out) is not None:
        reporter.write(board, record, session, folder)
        click.echo(str(folder / "index.html" if html else folder))
        return
    if paper:
        from rtbench.paper_tables import as_markdown, paper_tables

        text = as_markdown(paper_tables(board), board)
    else:
        text = with_summaries(reporter.render(board), session, record, format_)
    if out is None:
        click.echo(text)
    elif out.is_dir():
        raise BadInputError("is a folder", where=f"--out {out}", next_step="Name a file.")
    else:
        write_atomic(out, text.encode() + b"\n")
        click.echo(str(out))
