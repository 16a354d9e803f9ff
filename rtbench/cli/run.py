"""``rtbench run``."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from rtbench.cli.common import with_session
from rtbench.cli.hints import to_paste
from rtbench.cli.matrix_options import NAME, matrix_options, with_executor
from rtbench.cli.parsing import name_list
from rtbench.cli.printing import console
from rtbench.errors import BadInputError

if TYPE_CHECKING:
    from rtbench.plugin.plans import Plan
    from rtbench.running.carry_out import Ran
    from rtbench.running.listener import RunListener
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
    "--format",
    "format_",
    metavar="NAME",
    help="brief, table, md, csv, json, or a format of a plugin.  [default: brief]",
)
@click.option(
    "--verbose", is_flag=True, help="Show all columns, notes, yields and details of the claims (--format table)."
)
@with_session
def run(
    session: Session,
    format_: str | None,
    verbose: bool,
    name: str | None,
    workers: int | None,
    executor: str,
    executor_options: dict[str, object],
    budget: str | None,
    report_to: list[str] | None,
    matrix: str | None,
    **arguments: Any,
) -> int:
    """Run a matrix and print its leaderboard. Steps that are already done are not run again."""
    from rtbench.cli.added import BRIEF, TABLE, board_format, print_board, with_summaries
    from rtbench.plugin.reporting import FolderReporter
    from rtbench.reporting.build import build_leaderboard
    from rtbench.running.carry_out import Order, carry_out

    format_ = board_format(format_, verbose=verbose)
    reporter = session.reporter(format_)
    if isinstance(reporter, FolderReporter):
        raise BadInputError(
            f"{format_} is a folder, not a text",
            where="--format",
            next_step=f"Run without it, then use `rtbench report --format {format_} --out DIR`.",
        )
    order = Order(
        matrix=matrix,
        options=arguments,
        name=name,
        budget=budget,
        executor=executor,
        executor_options=executor_options | ({} if workers is None else {"workers": workers}),
        report_to=tuple(report_to or ()),
    )
    ran = carry_out(session, order, _listener_for)
    board = build_leaderboard(ran.record, ran.session)
    print_board(with_summaries(reporter.render(board), ran.session, ran.record, format_), format_)
    code = _report_failures(ran, hints=format_ in {BRIEF, TABLE})
    if ran.unsaved is not None:
        raise ran.unsaved
    return code


def _report_failures(ran: Ran, *, hints: bool) -> int:
    """Print how to read more of a run, and what failed. Return the exit code."""
    errors, name = console(stderr=True), ran.record.name
    if hints:
        commands: list[tuple[str, ...]] = [
            ("report", name, "--verbose"),
            ("show", "--run", name),
            ("errors", "--run", name),
        ]
        commands += [("report", name, "--html", "site")]
        errors.print(
            f"for details: {'; '.join(to_paste(*command) for command in commands)}", style="dim", soft_wrap=True
        )
    for state in ran.outcome.failed:
        errors.print(f"failed: {ran.plan.steps[state.key].title}: {state.error}", style="red")
        if state.trace and click.get_current_context().params["traceback"]:
            errors.print(state.trace, style="dim", soft_wrap=True)
    if ran.outcome.interrupted:
        errors.print("stopped; finished work is kept. Run the same command again to continue.", style="yellow")
        return 130
    return 1 if ran.outcome.failed else 0


def _listener_for(plan: Plan, session: Session) -> RunListener:
    """Return the live display in a terminal, and plain lines elsewhere."""
    errors = console(stderr=True)
    if not errors.is_terminal:
        from rtbench.running.lines import LineListener

        return LineListener(plan, session, functools.partial(errors.print, soft_wrap=True))
    from rtbench.cli.live import LiveListener

    return LiveListener(plan, session, errors)
