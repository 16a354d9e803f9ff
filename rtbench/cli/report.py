"""``rtbench report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rtbench.cli.common import with_session
from rtbench.cli.completion import complete_run
from rtbench.cli.output import echo
from rtbench.errors import BadInputError
from rtbench.texts import without_halves, without_styles

if TYPE_CHECKING:
    from rtbench.schema.effort import CostUnit
    from rtbench.session import Session


@click.command()
@click.argument("run", required=False, shell_complete=complete_run)
@click.option("--reference", is_flag=True, help="Include published rows.")
@click.option(
    "--format",
    "format_",
    metavar="NAME",
    help="brief, table, md, csv, json, tex, or a format of a plugin.  [default: brief; with --per or --out: table]",
)
@click.option(
    "--verbose", is_flag=True, help="Show all columns, notes, yields and details of the claims (--format table)."
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
    format_: str | None,
    verbose: bool,
    extractor: str | None,
    per: CostUnit | None,
    latex: bool,
    html: Path | None,
    out: Path | None,
) -> None:
    """Print the leaderboard of a run from stored results. Without RUN, use the latest run."""
    from rtbench.cli.added import board_format, print_board, with_summaries
    from rtbench.plugin.reporting import FolderReporter
    from rtbench.running.board import board_of
    from rtbench.storage.runs import Runs
    from rtbench.storage.writing import naming, write_atomic

    formats = {"--html": html is not None, "--latex": latex, "--format": format_ is not None}
    used = [name for name, is_used in formats.items() if is_used]
    if len(used) > 1:
        raise BadInputError(
            f"{' and '.join(used)} cannot be used together", where="report", next_step="Use one of them."
        )
    if html is not None and out is not None:
        raise BadInputError("--out cannot be used with --html", where="report", next_step="Remove --out.")
    stated = "html" if html is not None else "tex" if latex else format_
    whole = verbose or (stated is None and (per is not None or out is not None))
    format_ = board_format(stated, verbose=whole)
    # Before the reporter is made, because the run may load the plugin of the format.
    opened = session.open_run(run) if Runs(session.place).names() else None
    reporter = session.reporter(format_)
    if per is not None and not reporter.shows_per:
        raise BadInputError(
            f"{format_} shows accuracies only", where="--per", next_step="Use --format table, md, csv or json."
        )
    record = opened or session.open_run(run)
    record, board = board_of(
        session, record, extractor=extractor, reference=reference or reporter.takes_reference, per=per
    )
    if isinstance(reporter, FolderReporter) and (folder := html or out) is not None:
        with naming(folder):
            reporter.write(board, record, session, folder)
        echo(str(folder / "index.html" if html else folder))
        return
    text = with_summaries(reporter.render(board), session, record, format_)
    if out is None:
        print_board(text, format_)
    elif out.is_dir():
        raise BadInputError("is a folder", where=f"--out {out}", next_step="Give the path of a file.")
    else:
        with naming(out):
            write_atomic(out, without_halves(without_styles(text)).encode() + b"\n")
        echo(str(out))
