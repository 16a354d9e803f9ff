"""Whether the models that a plan asks can be asked from here: told once, before anything begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rtbench.errors import BadInputError
from rtbench.estimate import StepEstimate, estimate
from rtbench.specs import CompleteSpec, CurateSpec, Step, TrainSpec

if TYPE_CHECKING:
    from rtbench.interfaces import Student, Teacher
    from rtbench.plan import Plan
    from rtbench.session import Session


def unready(
    session: Session,
    plan: Plan,
    estimates: dict[str, StepEstimate] | None = None,
    *,
    steps: Iterable[Step] | None = None,
) -> list[BadInputError]:
    """What teachers and students lack that a step to be done would need; each once, with all that lack it.

    Args:
        session: where the run is.
        plan: of the run.
        estimates: of the plan's steps, where they are at hand. A step whose answers are all in the ledger needs nothing.
        steps: only these of the plan's.
    """
    lacking: list[tuple[Step, BadInputError]] = []
    for step in plan.todo if steps is None else steps:
        for model in _models(session, step):
            try:
                model.check_ready()
            except BadInputError as error:
                lacking.append((step, error))
    if lacking and estimates is None:
        estimates = estimate(session, plan)
    told: dict[tuple[str, str | None], dict[str | None, None]] = {}
    for step, one in lacking:
        if estimates is not None and step.key in estimates and estimates[step.key].work:
            told.setdefault((one.what, one.next_step), {})[one.where] = None
    return [
        BadInputError(what, where=", ".join(where for where in whose if where) or None, next_step=next_step)
        for (what, next_step), whose in told.items()
    ]


def refuse_unready(session: Session, plan: Plan, *, steps: Iterable[Step] | None = None) -> None:
    """Raises BadInputError, once for all of them, where steps to be done need what is missing (:func:`unready`)."""
    if lacking := unready(session, plan, steps=steps):
        raise BadInputError("\n".join(map(str, lacking)))


def _models(session: Session, step: Step) -> Iterator[Teacher | Student]:
    spec = step.spec
    if isinstance(spec, CompleteSpec | TrainSpec):
        yield session.source(spec.model)
    elif isinstance(spec, CurateSpec):
        yield from session.judges(spec)
