"""``rtbench show``."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from rtbench.cli.common import console, format_option, heading, print_json, with_session

if TYPE_CHECKING:
    from rtbench.plugin.services import Services
    from rtbench.schema.runs import CellRecord, RunRecord
    from rtbench.session import Session


@click.command()
@click.argument("cell", required=False)
@click.option("--run", "run_name", metavar="NAME", help="Run to read.  [default: the latest]")
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
    from rtbench.storage.runs import Runs

    if wrong and right:
        raise BadInputError("--wrong and --right exclude each other", where="show", next_step="Use one of them.")
    record = Runs(session.workspace).load(run_name)
    if cell is None:
        _list(record, format_)
        return
    rows = _samples(session, find_cell(session, record, cell), extractor)
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
                out.print(row[field], markup=False)
        style = "green" if row["correct"] else "red"
        correct = "correct" if row["correct"] else "wrong"
        out.print(f"extracted: {row['extracted']!r}   gold: {row['gold']!r}   {correct}", style=style, markup=False)
    out.print(f"{len(rows)} samples shown", style="dim")


def _list(record: RunRecord, format_: str) -> None:
    """Print the names of a run's cells, with the reasons of those that have none."""
    if format_ == "json":
        print_json(record.cells)
        return
    out = console()
    for cell in record.cells:
        out.print(cell.name + (f"   ({cell.reason})" if cell.reason else ""), markup=False)


def find_cell(session: Services, run: RunRecord, name: str, cells: Sequence[CellRecord] | None = None) -> CellRecord:
    """Return a cell by name, or by a part of its name that no other cell has.

    Args:
        session: for the other runs of the workspace, which are named in the error message if they have the cell.
        run: run to search.
        name: name, or a part of it.
        cells: cells of the run to choose from; None: all cells.

    Raises:
        UnknownNameError: no cell has this name.
        BadInputError: several cells match, or the cell is not in ``cells``.
    """
    from rtbench.errors import BadInputError, UnknownNameError, listed

    among = run.cells if cells is None else cells
    hits = [c for c in among if c.name == name] or [c for c in among if name in c.name]
    if len(hits) == 1:
        return hits[0]
    if hits:
        raise BadInputError(
            f"{len(hits)} cells match: {listed([hit.name for hit in hits], 5)}",
            where=name,
            next_step="Give a longer part of the name.",
        )
    if any(name in cell.name for cell in run.cells):
        raise BadInputError("this command does not apply to the cell", where=f"run {run.name}, cell {name}")
    if (other := _run_with(session, run.name, name)) is not None:
        raise UnknownNameError(
            f"unknown cell {name!r}", where=f"run {run.name}", next_step=f"Run {other} has it: use --run {other}."
        )
    listing = f"rtbench show --run {run.name}"
    raise UnknownNameError.of("cell", name, [c.name for c in among], where=f"run {run.name}", listing=listing, most=4)


def _run_with(session: Services, excluded: str, name: str) -> str | None:
    """Return the latest other run that has a cell of this name. Records that cannot be read are skipped."""
    from rtbench.errors import BadInputError
    from rtbench.storage.runs import Runs

    runs = Runs(session.workspace)
    for other in reversed(runs.names()):
        with contextlib.suppress(BadInputError):
            if other != excluded and any(name == cell.name for cell in runs.load(other).cells):
                return other
    return None


def _samples(session: Session, cell: CellRecord, extractor: str | None) -> list[dict[str, Any]]:
    """Return the samples of a cell as JSON data."""
    from rtbench.reporting.answers import answers_of

    return [
        {
            "task": cell.task,
            "sample_index": one.score.sample_index,
            "completion_index": one.score.completion_index,
            "question": one.sample.question,
            "gold": one.sample.answer,
            "prompt": one.completion.prompt,
            "reasoning": one.completion.reasoning,
            "completion": one.completion.text,
            "rationale": one.rationale,
            "extracted": one.score.extracted,
            "correct": one.score.correct,
            "contains_answer": one.score.contains_answer,
            "correct_format": one.score.correct_format,
            "complete": one.score.complete,
            "extractor": extractor or cell.extractor,
        }
        for one in answers_of(session, cell, extractor)
    ]
