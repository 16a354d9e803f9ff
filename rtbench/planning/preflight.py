"""Whether the models that a plan asks can be asked from here: told once, before anything begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from rtbench.errors import BadInputError
from rtbench.planning.estimate import StepEstimate, estimate
from rtbench.plugin.models import Student
from rtbench.schema.steps import CompleteSpec, CurateSpec, Step, TrainSpec
from rtbench.steps.curate import judges_of

if TYPE_CHECKING:
    from rtbench.plugin.plans import Plan
    from rtbench.plugin.services import Services


def unready(
    services: Services,
    plan: Plan,
    estimates: dict[str, StepEstimate] | None = None,
    *,
    steps: Iterable[Step] | None = None,
) -> list[BadInputError]:
    """What teachers and students lack that a step to be done would need; each once, with all that lack it.

    Args:
        services: where the run is.
        plan: of the run.
        estimates: of the plan's steps, where they are at hand. A step whose answers are all in the ledger needs nothing.
        steps: only these of the plan's.
    """
    lacking: list[tuple[Step, BadInputError]] = []
    for step in plan.todo if steps is None else steps:
        for check in _checks(services, step):
            try:
                check()
            except BadInputError as error:
                lacking.append((step, error))
    if lacking and estimates is None:
        estimates = estimate(services, plan)
    told: dict[tuple[str, str | None], dict[str | None, None]] = {}
    for step, one in lacking:
        if estimates is not None and step.key in estimates and estimates[step.key].work:
            told.setdefault((one.what, one.next_step), {})[one.where] = None
    return [
        BadInputError(what, where=", ".join(where for where in whose if where) or None, next_step=next_step)
        for (what, next_step), whose in told.items()
    ]


def refuse_unready(services: Services, plan: Plan, *, steps: Iterable[Step] | None = None) -> None:
    """Raises BadInputError, once for all of them, where steps to be done need what is missing (:func:`unready`)."""
    if lacking := unready(services, plan, steps=steps):
        raise BadInputError("\n".join(map(str, lacking)))


def _checks(services: Services, step: Step) -> Iterator[Callable[[], None]]:
    """What a step's models have to say before it begins."""
    spec = step.spec
    if isinstance(spec, CurateSpec):
        yield from (judge.check_ready for judge in judges_of(services, spec))
    elif isinstance(spec, CompleteSpec | TrainSpec):
        model = services.source(spec.model)
        yield model.check_ready
        if isinstance(model, Student) and (isinstance(spec, TrainSpec) or not spec.trained):
            yield model.check_base
