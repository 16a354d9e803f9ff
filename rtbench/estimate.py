"""What a plan will ask for, before anything is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench.plan import CompleteSpec, Plan, Step
from rtbench.prompts import render
from rtbench.questions import questions_of
from rtbench.records import Record

if TYPE_CHECKING:
    from rtbench.session import Session

CHARACTERS_PER_TOKEN = 4
"""Rule of thumb for English text, used where no tokenizer is at hand."""


class StepEstimate(Record, frozen=True):
    """Requests and tokens of a complete step."""

    requests: int
    new: int
    """Requests that the ledger cannot answer."""
    prompt_tokens: int
    """Of the new requests; from characters, so approximate."""
    new_tokens: int
    """At most: the cap on new tokens times the new requests."""
    money: str
    """At most; empty where the model has no price."""


def estimate(session: Session, plan: Plan) -> dict[str, StepEstimate]:
    """Estimates the plan's complete steps that are to be done."""
    return {step.key: _estimate(session, step) for step in plan.todo if step.kind == "complete"}


def _estimate(session: Session, step: Step) -> StepEstimate:
    from rtbench.steps.complete import address_of, partition_at, requests_of

    spec = step.spec
    assert isinstance(spec, CompleteSpec)
    prompts = 0
    if spec.stage == "input":
        requests = requests_of(session, step)
        held = partition_at(session.ledger, address_of(step)).keys()
        new = 0
        if spec.recorded is None:
            missing = [r for r in requests if r.key not in held]
            new = len(missing)
            prompts = sum(len(r.prompt) for r in missing)
        total = len(requests)
    else:
        # An answer stage's prompts hold rationales that are not written yet: all of it counts as new.
        data = session.task_data(spec.task.name, spec.task.variant)
        samples = questions_of(data, spec.task.split, spec.questions)
        total = new = len(samples) * spec.n
        template = spec.format.template(spec.family)
        for sample in samples:
            first = render(template.input, question=sample.question, demonstrations=spec.demonstrations)
            prompts += spec.n * (len(first) + 128 * CHARACTERS_PER_TOKEN)
    tokens = prompts // CHARACTERS_PER_TOKEN
    written = new * spec.sampling.max_new_tokens
    return StepEstimate(
        requests=total, new=new, prompt_tokens=tokens, new_tokens=written, money=_money(session, spec, tokens, written)
    )


def _money(session: Session, spec: CompleteSpec, prompt_tokens: int, new_tokens: int) -> str:
    if spec.model.role != "teacher":
        return ""
    price = session.teacher(spec.model.plugin, spec.model.name, spec.model.options).price
    if price is None:
        return ""
    return f"{(prompt_tokens * price.input + new_tokens * price.output) / 1e6:.2f} {price.currency}"
