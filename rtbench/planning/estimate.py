"""Estimate the requests, tokens, cost and time of a plan before it runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import msgspec

from rtbench.planning.throughput import seconds_per_unit, trait_of
from rtbench.plugin.models import Student, Teacher
from rtbench.plugin.plans import Plan
from rtbench.schema.base import Record
from rtbench.schema.completions import LedgerAddress, Sampling
from rtbench.schema.money import Price
from rtbench.schema.objectives import Grpo
from rtbench.schema.steps import (
    CompleteSpec,
    CurateSpec,
    Duration,
    LikelihoodSpec,
    Step,
    TaskSpec,
    TrainSpec,
    asks_model,
    curates,
    trains,
)
from rtbench.schema.tasks import Questions
from rtbench.steps.complete import address_of, answer_requests, partition_at, requests_of
from rtbench.steps.curate import curators_of
from rtbench.steps.prompts import render
from rtbench.steps.selection import questions_of

if TYPE_CHECKING:
    from rtbench.plugin.services import Services

CHARACTERS_PER_TOKEN = 4
"""Rule of thumb for English text, used where no tokenizer is available."""


RATIONALE_TOKENS = 128
"""Assumed tokens of a rationale that does not exist yet, in the prompts of an answer stage."""


ANSWER_TOKENS = 8
"""Assumed tokens of an answer without a rationale."""


FEWEST = 5
"""Minimum number of completions for an expected cost."""


class StepEstimate(Record, frozen=True):
    """Estimated work of a complete, train or curate step."""

    work: int
    """New requests (neither in the ledger nor in an earlier step), or the maximum of optimiser steps."""
    requests: int = 0
    """All requests of the step."""
    prompt_tokens: int = 0
    """Prompt tokens of the new requests. Approximate, because they are derived from characters."""
    new_tokens: int = 0
    """Maximum of generated tokens: the limit on new tokens times the new requests."""
    money: float | None = None
    """Maximum cost in ``currency``. None if the model has no price."""
    expected: float | None = None
    """Expected cost, from existing completions such as a pilot's. None with fewer than five of them."""
    low: float | None = None
    high: float | None = None
    """Range of ``expected``: two standard errors of the mean cost of a completion."""
    currency: str = ""
    seconds: float | None = None
    """Expected seconds, from finished steps of the same kind, model and format, else from measured speeds of the device.
    None without them."""
    least_seconds: float | None = None
    """Seconds that it cannot take less than, from a published speed of the device, where no time is expected."""
    timed_by: str = ""
    """Source of the time, where it is no finished step."""


_Draws = tuple[LedgerAddress, Sampling, Sampling, str]
"""Address of completions, their sampling, the sampling of their first stage, and the hint."""


@dataclass
class _SharedCounts:
    """Counts that the steps of a plan share, so that each is computed once."""

    sizes: dict[bytes, tuple[tuple[int, ...], int]] = field(default_factory=dict)
    """Sample indices, and total characters with one prompt for each, by the inputs they are computed from."""
    costs: dict[LedgerAddress, tuple[float, float] | None] = field(default_factory=dict)
    """Mean cost of existing completions, and its standard error."""
    asked: dict[_Draws, dict[int, int]] = field(default_factory=dict)
    """Completions of each sample that earlier steps request. Higher degrees and larger fractions include lower ones."""

    def costs_at(self, services: Services, address: LedgerAddress, price: Price) -> tuple[float, float] | None:
        """Return the mean cost of a partition's completions and its standard error, or None if they are too few."""
        if address not in self.costs:
            usages = [usage for usage in partition_at(services.ledger, address).usages().values() if usage is not None]
            costs = [price.of(u.prompt_tokens, u.completion_tokens, u.cached_tokens) for u in usages]
            enough = len(costs) >= FEWEST
            self.costs[address] = (fmean(costs), stdev(costs) / sqrt(len(costs))) if enough else None
        return self.costs[address]

    def new(self, at: _Draws, samples: Sequence[int], n: int, start: int = 0) -> int:
        """Return how many of ``n`` completions per sample, from the index ``start`` on, no earlier step requests.

        They are marked as requested.
        """
        asked = self.asked.setdefault(at, {})
        found = 0
        for sample in samples:
            found += max(0, start + n - max(start, asked.get(sample, 0)))
            asked[sample] = max(start + n, asked.get(sample, 0))
        return found


def estimate(services: Services, plan: Plan) -> dict[str, StepEstimate]:
    """Return the estimates of a plan's remaining steps that ask, train or judge with a model, by key."""
    counted = _SharedCounts()
    rates = {} if services.machine.imagined else seconds_per_unit(services.store)
    out: dict[str, StepEstimate] = {}
    for step in plan.todo:
        if asks_model(step):
            found = _complete(services, step, plan, counted)
        elif trains(step):
            found = _train(services, step, plan, counted)
        elif isinstance(step.spec, LikelihoodSpec):
            found = _read(services, step, plan, counted)
        elif curates(step) and (judged := _judge_work(services, step, counted)) is not None:
            found = judged
        else:
            continue
        trait = trait_of(step)
        if trait in rates:
            found = msgspec.structs.replace(
                found, seconds=round(found.work * rates[trait], 1), least_seconds=None, timed_by=""
            )
        out[step.key] = found
    return out


def _complete(services: Services, step: Step[CompleteSpec], plan: Plan, counted: _SharedCounts) -> StepEstimate:
    spec = step.spec
    if spec.recorded is not None:
        return StepEstimate(work=0, requests=len(requests_of(services, step)))
    total, new, prompts = _count(services, step, plan, counted)
    source = services.source(spec.model)
    each = prompts // CHARACTERS_PER_TOKEN
    tokens = math.ceil(each * _prompts_share(source, spec, new, total))
    if (budget := spec.sampling.max_thinking_tokens) is not None:  # prompt and thinking are read again for the answer
        tokens += each + new * budget
    written = new * spec.sampling.max_new_tokens
    found = StepEstimate(work=new, requests=total, prompt_tokens=tokens, new_tokens=written)
    if isinstance(source, Student):
        likely = new * min(
            spec.sampling.max_new_tokens, RATIONALE_TOKENS if spec.format.answer_prefix else ANSWER_TOKENS
        )
        found = _timed(found, source.generation_time(tokens, likely))
    else:
        found = _timed(found, source.answering_time(new))
    price = source.price
    if price is None:
        return found
    found = msgspec.structs.replace(found, money=price.of(tokens, written), currency=price.currency)
    seen = counted.costs_at(services, address_of(step), price)
    if seen is None:
        return found
    mean, error = seen
    expected, spread = mean * new, 2 * error * new
    return msgspec.structs.replace(found, expected=expected, low=max(0.0, expected - spread), high=expected + spread)


def _read(services: Services, step: Step[LikelihoodSpec], plan: Plan, counted: _SharedCounts) -> StepEstimate:
    """Return the work of reading all completions of a step's inputs."""
    spec = step.spec
    rows = tokens = 0
    for i in step.inputs_as("completions"):
        asked: CompleteSpec = plan.steps[i.key].spec
        template = spec.format.template(spec.family).input
        samples, characters = _sizes(services, asked.task, asked.questions, template, "", counted)
        rows += len(samples) * asked.n
        tokens += (characters // CHARACTERS_PER_TOKEN + len(samples) * RATIONALE_TOKENS) * asked.n
    student = services.student(spec.model.plugin, spec.model.name, spec.model.options)
    return _timed(StepEstimate(work=rows, prompt_tokens=tokens), student.generation_time(tokens, 0))


def _count(services: Services, step: Step[CompleteSpec], plan: Plan, counted: _SharedCounts) -> tuple[int, int, int]:
    """Return the requests of a complete step, how many of them are new, and the characters of the new prompts."""
    spec = step.spec
    address = address_of(step)
    first: Step[CompleteSpec] = plan.steps[step.inputs_as("reasoning")[0].key] if spec.stage == "answer" else step
    at = (address, spec.sampling, first.spec.sampling, first.spec.hint)
    template = first.spec.format.template(first.spec.family).input
    sizes = _sizes(services, first.spec.task, first.spec.questions, template, first.spec.demonstrations, counted)
    samples, characters = sizes
    total = len(samples) * spec.n
    mean = characters / max(1, len(samples))
    rewrites = bool(step.inputs_as("rewritten"))
    unwritten = RATIONALE_TOKENS * CHARACTERS_PER_TOKEN if first is not step or rewrites else 0
    partition = partition_at(services.ledger, address)
    if not partition.exists() or not _questions_known(services, first):  # no such request yet, or unknown questions
        new = counted.new(at, samples, spec.n, first.spec.start)
        return total, new, round((mean + unwritten) * new)
    asked = counted.asked.get(at, {})
    rest = [r for r in requests_of(services, first) if r.completion_index >= asked.get(r.sample_index, 0)]
    if first is not step:  # its prompts contain rationales, some of which may not exist yet
        written = partition_at(services.ledger, address_of(first)).load({r.key for r in rest})
        unknown = len(rest) - len(written)
        rest = answer_requests(step, written.values())
    else:
        unknown = 0
    held = partition.keys()
    missing = [r for r in rest if r.key not in held]
    counted.new(at, samples, spec.n, first.spec.start)
    return total, len(missing) + unknown, sum(len(r.prompt) for r in missing) + round((mean + unwritten) * unknown)


def _questions_known(services: Services, step: Step) -> bool:
    """Return whether the step's questions are known.

    If they depend on answers that do not exist yet, the maximum is all questions.
    """
    return all(services.store.has(i.kind, i.key) for i in (*step.inputs_as("answered"), *step.inputs_as("rewritten")))


def _prompts_share(source: Teacher | Student, spec: CompleteSpec, new: int, total: int) -> float:
    """Return the highest share of prompts that are paid for, where one call asks for several completions of a question."""
    if not isinstance(source, Teacher) or spec.stage == "answer" or source.per_call == 1 or not total:
        return 1.0
    missing, rest = divmod(new, total // spec.n)
    if rest or not missing:  # some questions have more new completions than others
        return 1.0
    return math.ceil(missing / source.per_call) / missing


def _judge_work(services: Services, step: Step[CurateSpec], counted: _SharedCounts) -> StepEstimate | None:
    """Return the maximum work of curators that use a model: one request per completion. None without such curators."""
    spec = step.spec
    asking = [(curator, teacher) for curator in curators_of(services, spec) if (teacher := curator.asks(services))]
    if not asking:
        return None
    samples, characters = _sizes(services, spec.task, spec.questions, "{question}", "", counted)
    each = len(samples) * max(1, spec.degree) * len(spec.answer_prefixes)
    rough = characters * max(1, spec.degree) // CHARACTERS_PER_TOKEN + 2 * each * RATIONALE_TOKENS
    written = [each * curator.asks_tokens for curator, _ in asking]
    prices = [(teacher.price, tokens) for (_, teacher), tokens in zip(asking, written, strict=True) if teacher.price]
    found = StepEstimate(
        work=each * len(asking),
        requests=each * len(asking),
        prompt_tokens=rough * len(asking),
        new_tokens=sum(written),
        money=sum(price.of(rough, tokens) for price, tokens in prices) if prices else None,
        currency=prices[0][0].currency if prices else "",
    )
    places = [
        (LedgerAddress(teacher.members()[0].fingerprint, spec.task.dataset, curator.asks_as), teacher.price)
        for curator, teacher in asking
    ]
    seen = [counted.costs_at(services, address, price) for address, price in places if price is not None]
    costs = [cost for cost in seen if cost is not None]
    if not costs or len(costs) < len(prices):
        return found
    expected, spread = sum(mean for mean, _ in costs) * each, 2 * sum(error for _, error in costs) * each
    return msgspec.structs.replace(found, expected=expected, low=max(0.0, expected - spread), high=expected + spread)


def _train(services: Services, step: Step[TrainSpec], plan: Plan, counted: _SharedCounts) -> StepEstimate:
    """Return the work of a train step.

    The optimiser steps are the recipe's, or the maximum, which assumes that curation keeps every example.
    """
    spec = step.spec
    student = services.student(spec.model.plugin, spec.model.name, spec.model.options)
    questions = rows = tokens = 0
    for curate in _curations(step, plan):
        samples, characters = _sizes(services, curate.task, curate.questions, "{question}", "", counted)
        each = max(1, curate.degree)
        questions, rows = questions + len(samples), rows + each * len(samples)
        read = characters // CHARACTERS_PER_TOKEN
        tokens += each * (read + len(samples) * (RATIONALE_TOKENS if curate.degree else 0))
    money = student.training_cost(tokens)
    currency = student.price.currency if student.price and money is not None else ""
    rewarded = isinstance(spec.objective, Grpo)  # each question once, with a group of completions
    batches = -(-(questions if rewarded else rows) // spec.recipe.batch_size)
    batches *= spec.objective.updates if isinstance(spec.objective, Grpo) else 1
    steps = batches * spec.recipe.epochs if spec.recipe.steps is None else spec.recipe.steps
    each_row = tokens / max(1, rows)
    found = StepEstimate(work=steps, money=money, currency=currency)
    if spec.objective is not None:  # only measured: the student also writes, or a teacher computes beside it
        return found
    return _timed(found, student.training_time(round(each_row * spec.recipe.batch_size * steps)))


def _curations(step: Step[TrainSpec], plan: Plan) -> list[CurateSpec]:
    """Return what a training's examples are made by: one step for each task that it is on."""
    examples = plan.steps[step.inputs_as("examples")[0].key]
    parts = [plan.steps[i.key].spec for i in examples.inputs_as("examples")]  # of several tasks
    return parts or [examples.spec]


def _timed(found: StepEstimate, time: Duration | None) -> StepEstimate:
    if time is None:
        return found
    seconds = round(time.seconds, 1)
    if time.least:
        return msgspec.structs.replace(found, least_seconds=seconds, timed_by=time.source)
    return msgspec.structs.replace(found, seconds=seconds, timed_by=time.source)


def _sizes(
    services: Services, task: TaskSpec, questions: Questions, template: str, demonstrations: str, counted: _SharedCounts
) -> tuple[tuple[int, ...], int]:
    """Return the sample indices, and the total characters with one prompt for each."""
    key = msgspec.json.encode((task, questions, template, demonstrations))
    if key not in counted.sizes:
        data = services.task_data(task.name, task.variant)
        samples = questions_of(data, task.split, questions)
        texts = (
            render(template, question=s.question, demonstrations=demonstrations, answer=s.answer, rationale="")
            for s in samples
        )
        counted.sizes[key] = (tuple(s.index for s in samples), sum(map(len, texts)))
    return counted.sizes[key]
