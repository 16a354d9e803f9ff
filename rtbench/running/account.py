"""Account and budget of what costs money."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rtbench.errors import BadInputError, UnknownNameError
from rtbench.schema.money import BudgetCap
from rtbench.schema.steps import CurateSpec
from rtbench.steps.curate import judges_of
from rtbench.storage.budget import CURRENCIES, Budget, money, parse_budget
from rtbench.storage.paths import inside

if TYPE_CHECKING:
    from rtbench.plugin.models import Teacher
    from rtbench.plugin.plans import Plan
    from rtbench.schema.money import Price
    from rtbench.session import Session

_MOST_NANO = 10**18
"""Largest budget, in billionths."""


def keep_account(session: Session, plan: Plan, name: str, budget: str | None) -> Session:
    """Return a session that books the costs of a run and keeps its budget.

    Costs of earlier runs of the same name count. Without a budget, an account is kept where all prices are in one
    currency.

    Args:
        session: session without an account.
        plan: the run's plan.
        name: name of the run.
        budget: amount and currency, such as ``25usd``; None: no limit.

    Raises:
        BadInputError: the budget is not an amount, or a price is missing or in another currency.
        UnknownNameError: the budget's currency is unknown.
    """
    if budget is None:
        currencies = {price.currency.upper() for _, price in _prices(session, plan)}
        return session if len(currencies) != 1 else open_account(session, name, None, currencies.pop())
    nano, currency = parse_budget(budget)
    if nano > _MOST_NANO:
        raise BadInputError("the amount is above 10^9", where=f"--budget {budget[:40]}", next_step="Give a lower one.")
    _check_prices(session, plan, currency)
    if not any(_prices(session, plan)):
        if currency not in CURRENCIES:
            raise UnknownNameError.of("currency", currency, CURRENCIES, where=f"--budget {budget}", most=8)
        session.warn("--budget has no effect: no teacher, student or judge of this run costs money")
    account = open_account(session, name, nano, currency)
    if account.budget is not None and (spent := account.budget.account().spent):
        session.warn(f"this run has spent {money(spent, currency)} of {money(nano, currency)} so far")
    return account


def open_account(session: Session, name: str, nano: int | None, currency: str) -> Session:
    """Return a session that books costs on the account of a run.

    Args:
        session: session without an account.
        name: name of the run.
        nano: budget in billionths of the currency; None: no limit.
        currency: currency of all prices.
    """
    account = inside(session.workspace / "runs", f"{name}.spend")
    cap = BudgetCap(path=str(account), nano=nano, currency=currency)
    Budget(cap, session.place).begin()
    return session.with_settings(budget=cap)


def check_price(teacher: Teacher, currency: str) -> None:
    """Check that a teacher's price allows for a budget.

    Raises:
        BadInputError: a paid teacher has no price, or its price is in another currency.
    """
    where = f"teacher {teacher.name!r}"
    if teacher.price is None and teacher.paid:
        raise BadInputError(
            "its price is unknown, so the budget cannot be enforced",
            where=where,
            next_step="State it in the matrix, per million tokens: `price: {input: 2.5, output: 10}`.",
        )
    if teacher.price is not None:
        _check_currency(teacher.price, currency, where)


def _check_prices(session: Session, plan: Plan, currency: str) -> None:
    """Check that all prices are known and in one currency."""
    for teacher in _teachers(session, plan):
        check_price(teacher, currency)
    for planned in plan.cells:
        student = planned.cell.models.student
        if student is not None and planned.score is not None and (missing := student.unpriced()) is not None:
            raise BadInputError(
                "its cost is unknown, so the budget cannot be enforced",
                where=f"student {student.name!r}",
                next_step=missing,
            )
    for where, price in _prices(session, plan):
        _check_currency(price, currency, where)


def _check_currency(price: Price, currency: str, where: str) -> None:
    if price.currency.upper() != currency:
        raise BadInputError(
            f"its price is in {price.currency}, the budget in {currency}",
            where=where,
            next_step="Use one currency.",
        )


def _prices(session: Session, plan: Plan) -> Iterator[tuple[str, Price]]:
    """Yield the teachers and students of a plan that have a price, each as text and price."""
    for teacher in _teachers(session, plan):
        if teacher.price is not None:
            yield f"teacher {teacher.name!r}", teacher.price
    for planned in plan.cells:
        student = planned.cell.models.student
        if student is not None and planned.score is not None and student.price is not None:
            yield f"student {student.name!r}", student.price


def _teachers(session: Session, plan: Plan) -> Iterator[Teacher]:
    """Yield the teachers of cells that can run, and the judges of curators."""
    for planned in plan.cells:
        teacher = planned.cell.models.teacher
        if planned.score is not None and teacher is not None:
            yield from teacher.sources()
    for step in plan.steps.values():
        if isinstance(step.spec, CurateSpec):
            yield from judges_of(session, step.spec)
