"""Carry out a run: plan it, cure damage, keep its account, run its steps, and save its record."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rtbench.errors import BadInputError, DamagedError
from rtbench.planning.damage import move_all_damage_away, move_damage_away
from rtbench.planning.preflight import refuse_unready
from rtbench.planning.records import overlaps, random_accuracies, run_record
from rtbench.running.account import keep_account
from rtbench.running.choice import MatrixSource, default_name, planned
from rtbench.storage.active import active_run
from rtbench.storage.budget import parse_budget
from rtbench.storage.given_files import remember
from rtbench.storage.runs import Runs
from rtbench.version import __version__

if TYPE_CHECKING:
    from rtbench.plugin.execution import Executor
    from rtbench.plugin.plans import Plan
    from rtbench.running.listener import RunListener
    from rtbench.schema.runs import RunRecord
    from rtbench.schema.steps import Outcome
    from rtbench.session import Session

_MOST_REPAIRS = 4
"""How often damage is looked for before a run: what is moved away shows what it had hidden."""


@dataclass(frozen=True)
class Order:
    """What is to be run."""

    matrix: MatrixSource = None
    options: Mapping[str, Any] = field(default_factory=dict)
    """Values of :class:`rtbench.matrix.overrides.Overrides` by name."""
    name: str | None = None
    """Name of the run; None: that of the matrix, with a digest of the options."""
    budget: str | None = None
    """Amount and currency, such as ``25usd``."""
    executor: str = "local"
    executor_options: Mapping[str, object] = field(default_factory=dict)
    report_to: tuple[str, ...] = ()
    """Trackers that training is logged to."""


@dataclass(frozen=True)
class Ran:
    """A run that has ended."""

    record: RunRecord
    plan: Plan
    outcome: Outcome
    session: Session
    """The session that kept its account."""
    unsaved: OSError | None = None
    """Why the record could not be saved, although the results are there."""


def carry_out(session: Session, order: Order, listener_for: Callable[[Plan, Session], RunListener]) -> Ran:
    """Run a matrix. Steps that are already done are not run again.

    Args:
        session: without an account.
        order: what to run.
        listener_for: makes what shows the progress of a plan.

    Raises:
        BadInputError: the matrix or an option is wrong, something that the run needs is missing, or no cell can run.
    """
    if order.budget is not None:
        parse_budget(order.budget)  # report a mistake before planning
    if session.environment.registered and order.executor != "local":
        raise BadInputError(
            "registered objects exist in this process only",
            where=f"executor {order.executor}",
            next_step="Put them into a plugin file, and name it: rtbench.configure(plugins=[…]).",
        )
    engine = session.executor(order.executor, dict(order.executor_options))
    for note in engine.notes():
        session.warn(note)
    session = session.with_settings(machine=engine.machine(), report_to=order.report_to)
    with contextlib.ExitStack() as active:
        if session.workspace.is_dir():  # from here on, nothing is cleaned up beside this run
            active.enter_context(active_run(session.place, order.name or "run", exclusive=order.name is not None))
        plan = _sound_plan(session, order)
        name = order.name or default_name(plan, order.options)
        if all(p.score is None for p in plan.cells):
            reasons = dict.fromkeys(p.reason or "" for p in plan.cells)
            raise BadInputError("no cell can run:\n  " + "\n  ".join(reasons), where=f"matrix {plan.matrix}")
        refuse_unready(session, plan)
        session = keep_account(session, plan, name, order.budget)
        active.enter_context(active_run(session.place, name, exclusive=True))
        return _run(session, plan, name, engine, listener_for)


def _run(
    session: Session, plan: Plan, name: str, engine: Executor, listener_for: Callable[[Plan, Session], RunListener]
) -> Ran:
    """Run a plan, and save its record before and after."""
    runs = Runs(session.place)
    random, files = random_accuracies(session, plan), session.given_files()
    remember(files)
    record_of = functools.partial(
        run_record, name, plan, version=__version__, random=random, files=files, plugins=session.plugin_versions()
    )
    runs.save(record_of(outcome=None))
    with listener_for(plan, session) as listener:
        outcome = engine.run(plan, session, listener)
    if session.budget is not None:
        session.budget.close()
    record = record_of(outcome=outcome, overlap=overlaps(session, plan))
    unsaved: OSError | None = None
    try:
        runs.save(record)
    except OSError as error:  # the results can be shown all the same
        unsaved = error
    return Ran(record, plan, outcome, session, unsaved)


def _sound_plan(session: Session, order: Order) -> Plan:
    """Return the plan of a matrix. What is damaged is moved away first, until nothing more is found."""
    said: set[str] = set()
    for _ in range(_MOST_REPAIRS):
        try:
            plan = planned(session, order.matrix, order.options)
            notes = move_damage_away(plan, session)
        except DamagedError:  # a result that the plan depends on, such as the scores that select an epoch
            notes = move_all_damage_away(session)
            if not notes:
                raise
        else:
            if not notes:
                return plan
        for note in notes:
            if note not in said:
                session.warn(note)
        said.update(notes)
    return planned(session, order.matrix, order.options)
