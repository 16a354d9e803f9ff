"""What a plan will ask for, before anything is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rtbench.history import seconds_per_unit, trait_of
from rtbench.plan import Plan
from rtbench.prompts import render
from rtbench.questions import questions_of
from rtbench.records import Questions, Record
from rtbench.specs import CompleteSpec, CurateSpec, Step, TaskSpec, TrainSpec

if TYPE_CHECKING:
    from rtbench.session import Session

CHARACTERS_PER_TOKEN = 4
"""Rule of thumb for English text, used where no tokenizer is at hand."""


RATIONALE_TOKENS = 128
"""Length of a rationale that is not written yet, for the estimate of the answer stage's prompts."""


class StepEstimate(Record, frozen=True):
    """Work of a complete or train step."""

    work: int
    """Requests that the ledger cannot answer, or optimiser steps (at most)."""
    requests: int = 0
    """All of its requests."""
    prompt_tokens: int = 0
    """Of the new requests; from characters, so approximate."""
    new_tokens: int = 0
    """At most: the cap on new tokens times the new requests."""
    money: float | None = None
    """At most, in ``currency``; None where the model has no price."""
    currency: str = ""
    seconds: float | None = None
    """From steps of the kind, model and format that this workspace has done; None where there are none."""


def estimate(session: Session, plan: Plan) -> dict[str, StepEstimate]:
    """Estimates the plan's complete and train steps that are to be done, by key."""
    sizes: dict[bytes, tuple[int, int]] = {}
    rates = seconds_per_unit(session.store)
    out: dict[str, StepEstimate] = {}
    for step in plan.todo:
        if step.kind == "complete":
            found = _complete(session, step, sizes)
        elif step.kind == "train":
            found = _train(session, step, plan, sizes)
        else:
            continue
        trait = trait_of(step)
        if trait in rates:
            found = msgspec.structs.replace(found, seconds=round(found.work * rates[trait], 1))
        out[step.key] = found
    return out


def _complete(session: Session, step: Step, sizes: dict[bytes, tuple[int, int]]) -> StepEstimate:
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
        template = spec.format.template(spec.family).input
        questions, characters = _sizes(session, spec.task, spec.questions, template, spec.demonstrations, sizes)
        total = new = questions * spec.n
        prompts = characters * spec.n
        if spec.stage == "answer":  # its prompts hold rationales, of which some may not be written yet
            left = max(0, new - len(partition.keys()))
            prompts = round(prompts * left / new) + left * RATIONALE_TOKENS * CHARACTERS_PER_TOKEN
            new = left
    tokens = prompts // CHARACTERS_PER_TOKEN
    written = new * spec.sampling.max_new_tokens
    found = StepEstimate(work=new, requests=total, prompt_tokens=tokens, new_tokens=written)
    price = None
    if spec.model.role == "teacher":
        price = session.teacher(spec.model.plugin, spec.model.name, spec.model.options).price
    if price is None:
        return found
    money = (tokens * price.input + written * price.output) / 1e6
    return msgspec.structs.replace(found, money=money, currency=price.currency)


def _train(session: Session, step: Step, plan: Plan, sizes: dict[bytes, tuple[int, int]]) -> StepEstimate:
    """Steps stated in the recipe; else at most, as if curation kept everything."""
    spec = step.spec
    curate = plan.steps[step.inputs_as("examples")[0].key].spec
    assert isinstance(spec, TrainSpec)
    assert isinstance(curate, CurateSpec)
    if spec.recipe.steps is not None:
        return StepEstimate(work=spec.recipe.steps)
    questions, _ = _sizes(session, spec.task, curate.questions, "", "", sizes)
    batches = -(-questions * max(1, curate.degree) // spec.recipe.batch_size)
    return StepEstimate(work=batches * spec.recipe.epochs)


def _sizes(
    session: Session,
    task: TaskSpec,
    questions: Questions,
    template: str,
    demonstrations: str,
    sizes: dict[bytes, tuple[int, int]],
) -> tuple[int, int]:
    """Questions, and characters of one prompt for each."""
    key = msgspec.json.encode((task, questions, template, demonstrations))
    if key not in sizes:
        data = session.task_data(task.name, task.variant)
        samples = questions_of(data, task.split, questions)
        texts = (render(template, question=s.question, demonstrations=demonstrations) for s in samples)
        sizes[key] = (len(samples), sum(map(len, texts)))
    return sizes[key]
