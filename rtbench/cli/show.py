"""``rtbench show``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rtbench.cli.common import format_option, with_session
from rtbench.cli.completion import complete_cell, run_option
from rtbench.cli.printing import console, heading, print_json

if TYPE_CHECKING:
    from rtbench.schema.runs import RunRecord
    from rtbench.session import Session


@click.command()
@click.argument("cell", required=False, shell_complete=complete_cell)
@run_option
@click.option("--extractor", metavar="NAME", help="Use the scores of another extractor.")
@click.option("--wrong", is_flag=True, help="Only wrong answers.")
@click.option("--right", is_flag=True, help="Only correct answers.")
@click.option("--limit", type=click.IntRange(min=1), default=10, show_default=True, help="Maximum number of samples.")
@click.option("--prompts", is_flag=True, help="Show the prompts.")
@format_option("text", "json")
@with_session
def show(
    session: Session,
    cell: str | None,
    run_name: str | None,
    extractor: str | None,
    wrong: bool,
    right: bool,
    limit: int,
    prompts: bool,
    format_: str,
) -> None:
    """Show questions and completions of a cell. Shows extracted and gold answers too. Without CELL, list the cells."""
    from rtbench.errors import BadInputError
    from rtbench.reporting.answers import sample_records
    from rtbench.reporting.cells import find_cell

    if wrong and right:
        raise BadInputError("--wrong and --right exclude each other", where="show", next_step="Use one of them.")
    record = session.open_run(run_name)
    if cell is None:
        _list(record, format_)
        return
    rows = sample_records(session, find_cell(session, record, cell), extractor)
    rows = [row for row in rows if not (wrong and row["correct"]) and not (right and not row["correct"])][:limit]
    if format_ == "json":
        print_json(rows)
        return
    out = console()
    for row in rows:
        heading(out, f"{row['task']} {row['sample_index']}")
        for field in ("prompt", "question", "reasoning", "completion"):
            if row[field] and (field != "prompt" or prompts):
                out.print(f"{field}: ", style="bold", end="")
                out.print(row[field])
        style = "green" if row["correct"] else "red"
        correct = "correct" if row["correct"] else "wrong"
        out.print(f"extracted: {row['extracted']!r}   gold: {row['gold']!r}   {correct}", style=style)
    out.print(f"{len(rows)} samples shown", style="dim")


def _list(record: RunRecord, format_: str) -> None:
    """Print the names of a run's cells, with the reasons of those that have none."""
    if format_ == "json":
        print_json(record.cells)
        return
    out = console()
    for cell in record.cells:
        out.print(cell.name + (f"   ({cell.reason})" if cell.reason else ""))
