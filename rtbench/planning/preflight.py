"""Check before a run starts that its models are available, and report each problem once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from rtbench.errors import BadInputError
from rtbench.planning.estimate import StepEstimate, estimate
from rtbench.plugin.models import Student
from rtbench.schema.steps import CompleteSpec, CurateSpec, LikelihoodSpec, Step, TrainSpec
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
    """Return what is missing for the models of the remaining steps: each problem once, with every place that has it.

    Args:
        services: of the workspace.
        plan: the run's plan.
        estimates: the plan's estimates, if already computed. A step whose answers are all in the ledger needs no model.
        steps: the steps to check; None: all remaining steps.
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
    places: dict[tuple[str, str | None], dict[str | None, None]] = {}
    for step, problem in lacking:
        if estimates is not None and step.key in estimates and estimates[step.key].work:
            places.setdefault((problem.what, problem.next_step), {})[problem.where] = None
    return [
        BadInputError(what, where=", ".join(where for where in wheres if where) or None, next_step=next_step)
        for (what, next_step), wheres in places.items()
    ]


def refuse_unready(services: Services, plan: Plan, *, steps: Iterable[Step] | None = None) -> None:
    """Raise one BadInputError with all problems that :func:`unready` finds, if any."""
    if lacking := unready(services, plan, steps=steps):
        raise BadInputError("\n".join(map(str, lacking)))


def _checks(services: Services, step: Step) -> Iterator[Callable[[], None]]:
    """Yield the readiness checks of a step's models."""
    spec = step.spec
    if isinstance(spec, CurateSpec):
        yield from (judge.check_ready for judge in judges_of(services, spec))
    elif isinstance(spec, CompleteSpec | TrainSpec | LikelihoodSpec):
        model = services.source(spec.model)
        yield model.check_ready
        if isinstance(model, Student) and not (isinstance(spec, CompleteSpec) and spec.trained):
            yield model.check_base
    if isinstance(spec, TrainSpec) and spec.guide is not None:
        guide = services.source(spec.guide)
        yield guide.check_ready
        if isinstance(guide, Student) and not step.inputs_as("guide"):
            yield guide.check_base
