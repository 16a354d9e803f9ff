"""Choose the cells of a run: a matrix, and options that restrict or change it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rtbench.matrix.overrides import Overrides
from rtbench.matrix.read import matrix_of, read_matrix
from rtbench.matrix.resolve import matrix_path, resolve
from rtbench.planning.plan import make_plan
from rtbench.storage.keys import content_key

if TYPE_CHECKING:
    from rtbench.plugin.plans import Plan
    from rtbench.session import Session

MatrixSource = str | Mapping[str, Any] | None
"""Registered name of a matrix, path of its YAML file, or its content; None: the default matrix."""


def planned(session: Session, source: MatrixSource, options: Mapping[str, Any]) -> Plan:
    """Read and plan a matrix.

    Args:
        session: its plugins are asked for names, and may change the plan.
        source: the matrix.
        options: values of :class:`rtbench.matrix.overrides.Overrides` by name; None where an option is not used.

    Raises:
        BadInputError, UnknownNameError: the matrix or an option is wrong.
    """
    if isinstance(source, Mapping):
        matrix = matrix_of(source, where="matrix")
    else:
        matrix = read_matrix(matrix_path(session, source))
    plan = make_plan(resolve(matrix, session, Overrides.of(options)), session)
    session.plugins.modify_plan(plan)
    tasks = {planned.cell.task.name for planned in plan.cells}
    for task in session.own_tasks:
        if task not in tasks:
            session.warn(f"task {task} is not used: add it with --tasks {task}")
    return plan


def default_name(plan: Plan, options: Mapping[str, Any]) -> str:
    """Return the default name of a run.

    A restricted matrix gets a different name, so that a trial run does not replace the full run.
    """
    used = {key: value for key, value in options.items() if value is not None}
    return f"{plan.matrix}-{content_key(used)[:6]}" if used else plan.matrix
