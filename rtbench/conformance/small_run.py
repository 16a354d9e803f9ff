"""Runs of small matrices in this process, for the checks of methods, teachers, students, reporters and claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rtbench.conformance import stand_ins
from rtbench.conformance.check import NotCheckedError
from rtbench.matrix.read import matrix_of
from rtbench.matrix.resolve import resolve
from rtbench.planning.plan import make_plan
from rtbench.planning.preflight import unready
from rtbench.planning.records import random_accuracies, run_record
from rtbench.schema.steps import Outcome, StepState
from rtbench.steps.run import run_step

if TYPE_CHECKING:
    from rtbench.plugin.plans import Plan
    from rtbench.schema.runs import RunRecord
    from rtbench.session import Session

QUESTIONS = 8
"""Questions of each fold that checks use."""


@dataclass(frozen=True)
class SmallRun:
    """A finished run."""

    plan: Plan
    record: RunRecord


def small_matrix(**changes: Any) -> dict[str, Any]:
    """Return a matrix of the stand-ins, with changes."""
    matrix: dict[str, Any] = {
        "name": "conformance",
        "tasks": [stand_ins.TASK],
        "methods": ["fine-tune", "fine-tune-cot"],
        "teachers": [stand_ins.TEACHER],
        "students": [stand_ins.STUDENT],
        "degrees": [1],
        "limit": QUESTIONS,
        "recipe": {"epochs": 1, "selection": "last", "max_new_tokens": 32},
        "teacher_rows": False,
    }
    return matrix | changes


def small_plan(session: Session, matrix: Mapping[str, Any]) -> Plan:
    """Return the plan of a matrix."""
    return make_plan(resolve(matrix_of(matrix, where="the check's matrix"), session), session)


def carried_out(session: Session, plan: Plan) -> SmallRun:
    """Run a plan's steps one after the other.

    Raises:
        NotCheckedError: a cell cannot run, or a model is not available.
    """
    if reasons := dict.fromkeys(cell.reason or "" for cell in plan.cells if cell.score is None):
        raise NotCheckedError("; ".join(reasons))
    if lacking := unready(session, plan):
        raise NotCheckedError(str(lacking[0]))
    states = {key: StepState(key=key, state="cached") for key in plan.steps}
    for step in plan.todo:
        run_step(session, step)
        states[step.key] = StepState(key=step.key, state="done")
    return SmallRun(
        plan, run_record("conformance", plan, Outcome(states), version="", random=random_accuracies(session, plan))
    )
