"""What a plan will ask for, before anything is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rtbench.plan import Plan
from rtbench.prompts import render
from rtbench.questions import questions_of
from rtbench.records import Record
from rtbench.specs import CompleteSpec, Step

if TYPE_CHECKING:
    from rtbench.session import Session

CHARACTERS_PER_TOKEN = 4
"""Rule of thumb for English text, used where no tokenizer is at hand."""


RATIONALE_TOKENS = 128
"""Length of a rationale that is not written yet, for the estimate of the answer stage's prompts."""


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
    sizes: dict[bytes, tuple[int, int]] = {}
    return {step.key: _estimate(session, step, sizes) for step in plan.todo if step.kind == "complete"}


def _estimate(session: Session, step: Step, sizes: dict[bytes, tuple[int, int]]) -> StepEstimate:
    """``sizes``: questions and characters of prompts already rendered, by what they are made of; the epochs, students
    and seeds of a matrix share them."""
    from rtbench.steps.complete import address_of, partition_at, requests_of

    spec = step.spec
    assert isinstance(spec, CompleteSpec)
    partition = partition_at(session.ledger, address_of(step))
    if spec.stage == "input" and (spec.recorded is not None or partition.exists()):
        requests = requests_of(session, step)
        held = partition.keys()
        missing = [] if spec.recorded is not None else [r for r in requests if r.key not in held]
        total, new, prompts = len(requests), len(missing), sum(len(r.prompt) for r in missing)
    else:
        questions, characters = _sizes(session, spec, sizes)
        total = new = questions * spec.n
        prompts = characters * spec.n
        if spec.stage == "answer":  # its prompts hold rationales that are not written yet
            prompts += new * RATIONALE_TOKENS * CHARACTERS_PER_TOKEN
    tokens = prompts // CHARACTERS_PER_TOKEN
    written = new * spec.sampling.max_new_tokens
    return StepEstimate(
        requests=total, new=new, prompt_tokens=tokens, new_tokens=written, money=_money(session, spec, tokens, written)
    )


def _sizes(session: Session, spec: CompleteSpec, sizes: dict[bytes, tuple[int, int]]) -> tuple[int, int]:
    """Questions, and characters of one prompt for each."""
    template = spec.format.template(spec.family).input
    key = msgspec.json.encode((spec.task, spec.questions, template, spec.demonstrations))
    if key not in sizes:
        data = session.task_data(spec.task.name, spec.task.variant)
        samples = questions_of(data, spec.task.split, spec.questions)
        texts = (render(template, question=s.question, demonstrations=spec.demonstrations) for s in samples)
        sizes[key] = (len(samples), sum(map(len, texts)))
    return sizes[key]


def _money(session: Session, spec: CompleteSpec, prompt_tokens: int, new_tokens: int) -> str:
    if spec.model.role != "teacher":
        return ""
    price = session.teacher(spec.model.plugin, spec.model.name, spec.model.options).price
    if price is None:
        return ""
    return f"{(prompt_tokens * price.input + new_tokens * price.output) / 1e6:.2f} {price.currency}"
