"""The ``complete`` step: a text model answers prompts, and each answer is written to the ledger at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rtbench.errors import DamagedError, StepFailedError
from rtbench.plugin.models import Teacher
from rtbench.schema.base import REFUSALS, RefusalKind
from rtbench.schema.completions import Completion, IndexEntry, LedgerAddress, Request
from rtbench.schema.results import CompleteResult, ScoreResult
from rtbench.schema.steps import CompleteSpec, Step, UnlessRight, asks_model
from rtbench.schema.tasks import Sample
from rtbench.scoring.rationale import rationale_of
from rtbench.steps.context import StepContext
from rtbench.steps.generation import SecondStage, answered
from rtbench.steps.prompts import render
from rtbench.steps.selection import corpus_of, samples_of
from rtbench.storage.ledger import Ledger, Partition, make_request
from rtbench.storage.writing import write_lines

if TYPE_CHECKING:
    from rtbench.plugin.models import TextModel
    from rtbench.plugin.services import Services
    from rtbench.storage.store import Store


def address_of(step: Step[CompleteSpec]) -> LedgerAddress:
    """Return the ledger partition of a complete step: model, data set, and name of prompt format and stage."""
    spec = step.spec
    fingerprint = spec.model.fingerprint
    if spec.trained:
        fingerprint = f"trained-{step.inputs_as('checkpoint')[0].key}"
        if spec.epoch is not None:
            fingerprint += f"-epoch-{spec.epoch}"
        for chosen in step.inputs_as("selection"):
            fingerprint += f"-by-{chosen.key}"
    prompt = spec.format.name if spec.stage == "input" else f"{spec.format.name}.answer"
    return LedgerAddress(fingerprint=fingerprint, dataset=spec.task.dataset, prompt=prompt)


def partition_at(ledger: Ledger, address: LedgerAddress) -> Partition:
    """Return the partition of the ledger at an address."""
    return ledger.partition(address.fingerprint, address.dataset, address.prompt)


def requests_of(services: Services, step: Step[CompleteSpec]) -> list[Request]:
    """Return all requests of a step, in sample order.

    The prompts of an answer stage contain the rationales of its reasoning step, which must be finished.
    """
    spec = step.spec
    if spec.stage == "rewrite":
        return _rewriting_requests(services, step)
    if spec.stage == "answer":
        return answer_requests(step, completions_of(services, step.inputs_as("reasoning")[0].key))
    fingerprint = address_of(step).fingerprint
    template = spec.format.template(spec.family)
    out: list[Request] = []
    samples = samples_of(services, spec)
    if spec.unless_right is not None:
        right = _answered_right(services, step, spec.unless_right, samples)
        samples = [sample for sample in samples if sample.index not in right]
    for sample in samples:
        question = sample.question.strip() + render(spec.hint, answer=sample.answer)
        prompt = (
            ""
            if spec.recorded is not None
            else render(
                template.input, question=question, demonstrations=spec.demonstrations, answer=sample.answer.strip()
            )
        )
        out.extend(
            make_request(fingerprint, spec.task.dataset, sample.index, i, prompt, spec.sampling)
            for i in range(spec.start, spec.start + spec.n)
        )
    return out


def _rewriting_requests(services: Services, step: Step[CompleteSpec]) -> list[Request]:
    """Return the requests whose prompts contain another model's rationales, which must be finished."""
    spec = step.spec
    assert spec.rewritten is not None, "only a step that rewrites has this stage"
    fingerprint, template = address_of(step).fingerprint, spec.format.template(spec.family)
    samples = services.task_data(spec.task.name, spec.task.variant).samples
    out: list[Request] = []
    for first in completions_of(services, step.inputs_as("rewritten")[0].key):
        sample = samples[first.sample_index]
        prompt = render(
            template.input,
            question=sample.question.strip(),
            answer=sample.answer.strip(),
            rationale=rationale_of(first, spec.rewritten.answer_prefix, spec.rewritten.learns_from).strip(),
            demonstrations=spec.demonstrations,
        )
        at = (first.sample_index, first.completion_index)
        out.append(make_request(fingerprint, spec.task.dataset, *at, prompt, spec.sampling))
    return out


def _answered_right(
    services: Services, step: Step[CompleteSpec], unless_right: UnlessRight, samples: Sequence[Sample]
) -> set[int]:
    """Return the indices of the samples that the ``answered`` inputs have answered correctly often enough."""
    by_index = {sample.index: sample for sample in samples}
    extractor = services.task(step.spec.task.name).extractor(unless_right.extractor)
    right: Counter[int] = Counter()
    for source, prefix in zip(step.inputs_as("answered"), unless_right.answer_prefixes, strict=True):
        mine = [c for c in completions_of(services, source.key) if c.sample_index in by_index]
        right.update([score.sample_index for score in extractor.score(mine, by_index, prefix) if score.correct])
    return {index for index, count in right.items() if count >= unless_right.right}


def answer_requests(step: Step[CompleteSpec], rationales: Iterable[Completion]) -> list[Request]:
    """Return the requests of an answer stage whose prompts contain the given rationales, in the same order."""
    spec = step.spec
    fingerprint, dataset = address_of(step).fingerprint, spec.task.dataset
    template = spec.format.template(spec.family).answer_input
    assert template is not None, "only a format with an answer stage has steps of that stage"
    out: list[Request] = []
    for first in rationales:
        prompt = render(template, prompt=first.prompt, reasoning=first.text, trigger=spec.trigger)
        out.append(
            make_request(fingerprint, dataset, first.sample_index, first.completion_index, prompt, spec.sampling)
        )
    return out


def complete(context: StepContext[CompleteSpec]) -> CompleteResult:
    """Request the completions that the ledger lacks, and write index.jsonl with the keys of all the step's completions.

    Raises:
        StepFailedError: the model did not answer all requests.
    """
    services, step = context.services, context.step
    spec = step.spec
    requests = requests_of(services, step)
    address = address_of(step)
    partition = partition_at(services.ledger, address)
    refused: Counter[RefusalKind] = Counter()
    if spec.recorded is not None:
        found = partition.load({request.key for request in requests})
    else:
        model = _Opened(services, step)
        found = answered(
            model.open,
            partition,
            requests,
            reasoning=_reasoning(context),
            second=_second_stage(services, step.then),
            progress=lambda done: context.progress(done, len(requests), "completions"),
        )
        refused.update(model.refused)
        for before in step.inputs_as("reasoning"):
            refused.update(services.store.result(CompleteResult, before.key).refused)
        left = [request for request in requests if request.key not in found]
        if left and (len(left) == len(requests) or not _leaves_out(services, spec)):
            raise StepFailedError(
                f"{len(left)} of {len(requests)} requests were not answered{_kinds(refused)} (first: sample "
                f"{left[0].sample_index})",
                where=step.title,
                next_step="All answers so far are stored. Run again to request the rest.",
            )
    entries = [
        IndexEntry(sample_index=r.sample_index, completion_index=r.completion_index, key=r.key)
        for r in requests
        if r.key in found
    ]
    write_lines(context.folder / "index.jsonl", entries)
    usages = [c.usage for c in (found[entry.key] for entry in entries) if c.usage is not None]
    return CompleteResult(
        address=address,
        requests=len(requests),
        completions=len(entries),
        questions=len({request.sample_index for request in requests}),
        missing_questions=len({r.sample_index for r in requests} - {e.sample_index for e in entries}),
        prompts_cut=sum(found[entry.key].prompt_cut for entry in entries),
        cut=sum(found[entry.key].cut for entry in entries),
        thinking_cut=sum(found[entry.key].thinking_cut for entry in entries),
        refused=dict(sorted(refused.items())),
        notes=tuple(_notes(spec, [found[entry.key] for entry in entries], len(requests) - len(entries), refused)),
        prompt_tokens=sum(u.prompt_tokens for u in usages),
        completion_tokens=sum(u.completion_tokens for u in usages),
    )


class _Opened:
    """Opens a step's model, and keeps what it has left out after the model is closed."""

    def __init__(self, services: Services, step: Step[CompleteSpec]) -> None:
        self._services = services
        self._step = step
        self._model: TextModel | None = None

    def open(self) -> TextModel:
        """Open the model."""
        self._model = open_model(self._services, self._step)
        return self._model

    @property
    def refused(self) -> Mapping[RefusalKind, int]:
        """Return the requests that the model left out, by kind; none where the ledger had all completions."""
        return self._model.refused if self._model is not None else {}


def _kinds(refused: Mapping[RefusalKind, int]) -> str:
    """Return the numbers of refused requests by kind, in brackets; an empty text where none was refused."""
    kinds = ", ".join(f"{count} {REFUSALS[kind]}" for kind, count in sorted(refused.items()))
    return f" ({kinds})" if kinds else ""


def _leaves_out(services: Services, spec: CompleteSpec) -> bool:
    return services.source(spec.model).leaves_out


def _notes(
    spec: CompleteSpec, completions: Sequence[Completion], missing: int, refused: Mapping[RefusalKind, int]
) -> list[str]:
    """Return warnings about a step's completions, such as refused requests, or identical completions of a question."""
    if missing and spec.recorded is None:
        refusals = f"{missing} of {missing + len(completions)} requests{_kinds(refused)}"
        return [f"{spec.model.name} refused {refusals}, which are missing"]
    budget, ended = spec.sampling.max_thinking_tokens, sum(one.thinking_cut for one in completions)
    notes = [f"the thinking of {ended} of {len(completions)} completions was ended after {budget} tokens"] * bool(ended)
    without = sum(one.logprobs is None for one in completions) if spec.sampling.top_logprobs else 0
    notes += [f"{without} of {len(completions)} completions came without log-probabilities"] * bool(without)
    broken = sum("\ufffd" in one.full_text for one in completions)
    notes += [f"{broken} of {len(completions)} completions have U+FFFD in place of broken characters"] * bool(broken)
    if spec.n == 1 or spec.sampling.temperature == 0:
        return notes
    texts: dict[int, list[str]] = {}
    for completion in completions:
        texts.setdefault(completion.sample_index, []).append(completion.full_text)
    identical = sum(len(drawn) > 1 and len(set(drawn)) == 1 for drawn in texts.values())
    if identical <= len(texts) // 2:
        return notes
    finding = f"all {spec.n} completions are identical for {identical} of {len(texts)} questions"
    return [*notes, f"{finding}: {spec.model.name} seems to ignore seed or temperature"]


def _reasoning(context: StepContext[CompleteSpec]) -> Mapping[tuple[int, int], Completion] | None:
    """Return the rationales of an answer stage, by sample and completion index; None in other stages."""
    inputs = context.step.inputs_as("reasoning")
    if not inputs:
        return None
    first = completions_of(context.services, inputs[0].key)
    return {(completion.sample_index, completion.completion_index): completion for completion in first}


def _second_stage(services: Services, step: Step[CompleteSpec] | None) -> SecondStage | None:
    """Return the stage that follows, unless it is finished."""
    if step is None or services.store.has(step.kind, step.key):
        return None
    return SecondStage(partition_at(services.ledger, address_of(step)), lambda first: answer_requests(step, [first])[0])


def open_model(services: Services, step: Step[CompleteSpec]) -> TextModel:
    """Open the model of a complete step: a teacher, a base student, or the checkpoint of a train step."""
    spec = step.spec
    source = services.source(spec.model)
    if isinstance(source, Teacher):
        return source.open(spec.model)
    checkpoint: Path | None = None
    if spec.trained:
        key, epoch = step.inputs_as("checkpoint")[0].key, epoch_of(services.store, step)
        checkpoint = services.store.weights("train", key, weights_name(epoch))
    corpus: list[str] = []
    if source.needs_corpus and checkpoint is None:
        corpus = corpus_of(services.task_data(spec.task.name, spec.task.variant), spec.task.split)
    return source.load(checkpoint, corpus, address_of(step).fingerprint)


SELECTIONS = {"checkpoint": "selection", "start": "start-selection", "guide": "guide-selection"}
"""Role of the ``score`` input that selects the epoch of an input with weights."""


def epoch_of(store: Store, step: Step, role: str = "checkpoint") -> int | None:
    """Return the epoch whose weights a step uses: the stated one, or the one that a selection input selects.

    None where the training selects it, or the selection is not finished.
    """
    for i in step.inputs_as(SELECTIONS[role]):
        return store.result(ScoreResult, i.key).epoch if store.has("score", i.key) else None
    return step.spec.epoch if asks_model(step) else None


def weights_name(epoch: int | None) -> str:
    """Return the name of the folder with the weights after an epoch; None: with the selected weights."""
    return "checkpoint" if epoch is None else f"epoch-{epoch}"


def index_of(store: Store, key: str) -> list[IndexEntry]:
    """Return the keys of all completions of a finished complete step, in the order of its requests."""
    return store.rows("complete", key, "index.jsonl", IndexEntry)


def completions_of(services: Services, key: str) -> list[Completion]:
    """Return the completions of a finished complete step, in the order of its requests.

    Raises:
        DamagedError: some of them are no longer in the ledger.
    """
    address = services.store.result(CompleteResult, key).address
    entries = index_of(services.store, key)
    found = partition_at(services.ledger, address).load({entry.key for entry in entries})
    lost = [entry for entry in entries if entry.key not in found]
    if lost:
        path = partition_at(services.ledger, address).path
        raise DamagedError(
            f"{len(lost)} of {len(entries)} completions are no longer in the ledger",
            where=services.ledger.damage_below(path) or str(path),
            next_step="`rtbench run` requests them again. `rtbench verify` lists all damage.",
        )
    return [found[entry.key] for entry in entries]
