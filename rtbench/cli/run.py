"""``rtbench run``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rtbench import __version__
from rtbench.cli.common import (
    NAME,
    console,
    matrix_options,
    name_list,
    planned,
    run_name,
    warn,
    with_executor,
    with_session,
)
from rtbench.cli.money import keep_account
from rtbench.cli.progress import RunListener
from rtbench.errors import BadInputError

if TYPE_CHECKING:
    from rich.console import Console

    from rtbench.plugin.plans import Plan
    from rtbench.session import Session


@click.command()
@matrix_options
@NAME
@click.option("--workers", type=int, metavar="N", help="Number of parallel steps.  [default: one per CPU core]")
@with_executor
@click.option("--budget", metavar="AMOUNT", help="Maximum cost of the run, such as 25usd or 20eur.")
@click.option(
    "--report-to",
    callback=name_list,
    metavar="A,B",
    help="Log training to these trackers: wandb, tensorboard, mlflow …",
)
@click.option(
    "--format", "format_", default="table", show_default=True, help="table, md, csv, json, or a format of a plugin."
)
@with_session
def run(
    session: Session,
    format_: str,
    name: str | None,
    workers: int | None,
    executor: str,
    executor_options: dict[str, object],
    budget: str | None,
    report_to: list[str] | None,
    **arguments: Any,
) -> int:
    """Run a matrix and print its leaderboard. Steps that are already done are not run again."""
    from rtbench.cli.added import with_summaries
    from rtbench.planning.preflight import refuse_unready
    from rtbench.planning.records import overlaps, random_accuracies, run_record
    from rtbench.plugin.reporting import FolderReporter
    from rtbench.reporting.build import build_leaderboard
    from rtbench.storage.budget import parse_budget
    from rtbench.storage.runs import Runs

    reporter = session.reporter(format_)
    if isinstance(reporter, FolderReporter):
        raise BadInputError(
            f"{format_} is a folder, not a text",
            where="--format",
            next_step=f"Run without it, then use `rtbench report --format {format_} --out DIR`.",
        )
    if budget is not None:
        parse_budget(budget)  # report a mistake before planning
    engine = session.executor(executor, executor_options | ({} if workers is None else {"workers": workers}))
    for note in engine.notes():
        warn(note)
    session = session.with_settings(machine=engine.machine(), report_to=tuple(report_to or ()))
    plan = planned(session, dict(arguments))
    if all(p.score is None for p in plan.cells):
        reasons = dict.fromkeys(p.reason or "" for p in plan.cells)
        raise BadInputError("no cell can run:\n  " + "\n  ".join(reasons), where=f"matrix {plan.matrix}")
    refuse_unready(session, plan)
    name = name or run_name(plan, arguments)
    session = keep_account(session, plan, name, budget)
    runs = Runs(session.workspace)
    random = random_accuracies(session, plan)
    runs.save(run_record(name, plan, None, version=__version__, random=random))
    with _listener_for(plan, session, console(stderr=True)) as listener:
        outcome = engine.run(plan, session, listener)
    record = run_record(name, plan, outcome, version=__version__, random=random, overlap=overlaps(session, plan))
    runs.save(record)
    board = build_leaderboard(record, session)
    click.echo(with_summaries(reporter.render(board), session, record, format_))
    errors = console(stderr=True)
    if format_ == "table":
        text = f"for details: rtbench show --run {name}; rtbench errors --run {name}; rtbench report {name} --html DIR"
        errors.print(text, style="dim", markup=False, soft_wrap=True)
    for state in outcome.failed:
        errors.print(f"failed: {plan.steps[state.key].title}: {state.error}", style="red", markup=False)
        if state.trace and click.get_current_context().params["traceback"]:
            errors.print(state.trace, style="dim", markup=False, soft_wrap=True)
    if outcome.interrupted:
        errors.print("stopped; finished work is kept. Run the same command again to continue.", style="yellow")
        return 130
    return 1 if outcome.failed else 0


def _listener_for(plan: Plan, session: Session, console: Console) -> RunListener:
    """Return the live display in a terminal, and plain lines elsewhere."""
    if not console.is_terminal:
        return RunListener(plan, session, console)
    from rtbench.cli.live import LiveListener

    return LiveListener(plan, session, console)
