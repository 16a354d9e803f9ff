"""A pilot sends a few requests to each teacher and judge, so that a plan's cost is estimated from counted tokens.

They are requests of the run itself and are stored in the ledger, so nothing is paid twice.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtbench.planning.preflight import refuse_unready
from rtbench.schema.completions import Completion, Request
from rtbench.schema.steps import CompleteSpec, CurateSpec, Step, asks_model, curates
from rtbench.schema.training import Candidate
from rtbench.steps.complete import address_of, answer_requests, open_model, partition_at, requests_of
from rtbench.steps.curate import context_of, curators_of, pooled
from rtbench.steps.generation import answered
from rtbench.steps.selection import samples_of

if TYPE_CHECKING:
    from rtbench.plugin.plans import Plan
    from rtbench.plugin.services import Services


@dataclass(frozen=True)
class Piloted:
    """Requests of a pilot to one teacher or judge for one data set."""

    title: str
    asked: int
    held: int
    """Requests that were already in the ledger."""


def run_pilot(services: Services, plan: Plan, n: int) -> list[Piloted]:
    """Send ``n`` requests to every teacher for each data set and stage that remains in a plan, then run the judges.

    The requests are one draw each for ``n`` questions, spread evenly over the fold.

    Raises:
        BadInputError: a key is missing. No request was sent.
        NotYetError: a batch is still being processed. Its results are stored at the next call.
        RtbenchError: the teacher's model failed. Earlier completions are kept.
    """
    steps = _largest_steps(plan)
    refuse_unready(services, plan, steps=[*steps, *_judge_steps(plan)])
    out: list[Piloted] = []
    for step in steps:
        requests, rationales = _pilot_requests(services, step, plan, n)
        counts: list[int] = []
        answered(
            functools.partial(open_model, services, step),
            partition_at(services.ledger, address_of(step)),
            requests,
            reasoning=rationales,
            progress=counts.append,
        )
        out.append(Piloted(step.title, len(requests) - counts[0], counts[0]))
    return [*out, *_run_judges(services, plan, n)]


def _run_judges(services: Services, plan: Plan, n: int) -> list[Piloted]:
    """Run each judge on rationales that exist, once per data set."""
    out: list[Piloted] = []
    seen: set[tuple[str, str]] = set()
    for step in _judge_steps(plan):
        spec = step.spec
        candidates = _rationales(services, step, plan, n)
        samples = samples_of(services, spec)
        for curator in curators_of(services, spec):
            teacher = curator.asks(services)
            if teacher is None or not candidates or (place := (teacher.name, spec.task.dataset)) in seen:
                continue
            seen.add(place)
            member = teacher.members()[0]
            partition = services.ledger.partition(member.fingerprint, spec.task.dataset, curator.asks_as)
            before = len(partition.keys())
            curator.keep(candidates, context_of(services, spec, samples))
            asked = len(partition.keys()) - before
            out.append(Piloted(f"judge {spec.task.dataset}/{teacher.name}", asked, len(candidates) - asked))
    return out


def _judge_steps(plan: Plan) -> list[Step[CurateSpec]]:
    """Return the remaining steps whose curators use a model."""
    return [step for step in plan.todo if curates(step) and step.spec.judges]


def _rationales(services: Services, step: Step[CurateSpec], plan: Plan, n: int) -> list[Candidate]:
    """Return at most ``n`` of a curate step's rationales that a pilot has requested."""
    spec = step.spec
    found: list[tuple[list[Completion], str]] = []
    for i in step.inputs_as("completions"):
        asked = plan.steps[i.key]
        fingerprint = address_of(asked).fingerprint
        if asked.inputs_as("answered") or asked.inputs_as(
            "rewritten"
        ):  # a step that depends on other answers is not in the pilot
            found.append(([], fingerprint))
            continue
        keys = {request.key for request in _pilot_requests(services, asked, plan, n)[0]}
        found.append((list(partition_at(services.ledger, address_of(asked)).load(keys).values()), fingerprint))
    samples = samples_of(services, spec)
    return pooled(services, spec, samples, found)[:n]


def _largest_steps(plan: Plan) -> list[Step[CompleteSpec]]:
    """Return the step with the most requests for each teacher, data set and stage. First stages come first."""
    found: dict[tuple[object, ...], Step[CompleteSpec]] = {}
    for step in plan.todo:
        if not asks_model(step):
            continue
        spec = step.spec
        reasoning = step.inputs_as("reasoning")
        first: CompleteSpec = plan.steps[reasoning[0].key].spec if reasoning else spec
        if first.unless_right is not None or first.rewritten is not None:  # it depends on texts that do not exist yet
            continue
        if spec.model.role == "teacher" and spec.recorded is None:
            kind = (address_of(step), spec.sampling, spec.questions.fold)
            other = found.get(kind)
            if other is None or _amount(other) < _amount(step):
                found[kind] = step
    return list(found.values())


def _amount(step: Step[CompleteSpec]) -> tuple[int, float]:
    spec = step.spec
    return spec.n, spec.questions.fraction


def _pilot_requests(
    services: Services, step: Step[CompleteSpec], plan: Plan, n: int
) -> tuple[list[Request], Mapping[tuple[int, int], Completion] | None]:
    """Return the first draw for ``n`` questions, spread evenly over the fold, and the rationales of an answer stage.

    An answer stage covers only the questions whose rationales exist.
    """
    inputs = step.inputs_as("reasoning")
    if not inputs:
        first = [request for request in requests_of(services, step) if request.completion_index == 0]
        return ([first[i * len(first) // n] for i in range(n)] if len(first) > n else first), None
    before = plan.steps[inputs[0].key]
    keys = {request.key for request in _pilot_requests(services, before, plan, n)[0]}
    rationales = list(partition_at(services.ledger, address_of(before)).load(keys).values())
    return answer_requests(step, rationales), {(c.sample_index, c.completion_index): c for c in rationales}
