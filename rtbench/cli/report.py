"""``rtbench report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rtbench.cli.common import with_session
from rtbench.errors import BadInputError

if TYPE_CHECKING:
    from rtbench.schema.effort import CostUnit
    from rtbench.schema.leaderboard import LeaderboardRow
    from rtbench.session import Session


@click.command()
@click.argument("run", required=False)
@click.option("--reference", is_flag=True, help="Include published rows.")
@click.option(
    "--format",
    "format_",
    default="table",
    show_default=True,
    help="table, md, csv, json, tex, or a format of a plugin.",
)
@click.option("--extractor", metavar="NAME", help="Show the scores of another extractor. No step runs again.")
@click.option(
    "--per",
    type=click.Choice(["tokens", "money"]),
    help="Show gains over the untrained student per 1,000 supervised training tokens or per unit of money, and the "
    "Pareto front (table, md, csv, json).",
)
@click.option("--latex", is_flag=True, help="Short for --format tex.")
@click.option("--html", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Write a static site.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Write to a file, or to a folder (html, lm-eval, inspect).",
)
@with_session
def report(
    session: Session,
    run: str | None,
    reference: bool,
    format_: str,
    extractor: str | None,
    per: CostUnit | None,
    latex: bool,
    html: Path | None,
    out: Path | None,
) -> None:
    """Print the leaderboard of a run from stored results. Without RUN, use the latest run."""
    from rtbench.cli.added import with_summaries
    from rtbench.plugin.reporting import FolderReporter
    from rtbench.reporting.answers import shown_by
    from rtbench.reporting.build import build_leaderboard
    from rtbench.storage.files import write_atomic
    from rtbench.storage.runs import Runs

    formats = {"--html": html is not None, "--latex": latex, "--format": format_ != "table"}
    used = [name for name, is_used in formats.items() if is_used]
    if len(used) > 1:
        raise BadInputError(
            f"{' and '.join(used)} cannot be used together", where="report", next_step="Use one of them."
        )
    if html is not None and out is not None:
        raise BadInputError("--out cannot be used with --html", where="report", next_step="Remove --out.")
    format_ = "html" if html is not None else "tex" if latex else format_
    reporter = session.reporter(format_)
    if per is not None and not reporter.shows_per:
        raise BadInputError(
            f"{format_} shows accuracies only", where="--per", next_step="Use --format table, md, csv or json."
        )
    record = Runs(session.workspace).load(run)
    kept_by: set[str] = set()
    if extractor is not None:
        kept_by = {cell.extractor for cell in record.cells} - {extractor}
        record = shown_by(session, record, extractor)
    rows: tuple[LeaderboardRow, ...] = ()
    if reference or reporter.takes_reference:
        rows = tuple(session.plugins.reference_rows(record.tasks))
    board = build_leaderboard(record, session, reference=rows, kept_by=kept_by, per=per)
    if isinstance(reporter, FolderReporter) and (folder := html or out) is not None:
        reporter.write(board, record, session, folder)
        click.echo(str(folder / "index.html" if html else folder))
        return
    text = with_summaries(reporter.render(board), session, record, format_)
    if out is None:
        click.echo(text)
    elif out.is_dir():
        raise BadInputError("is a folder", where=f"--out {out}", next_step="Give the path of a file.")
    else:
        write_atomic(out, text.encode() + b"\n")
        click.echo(str(out))
