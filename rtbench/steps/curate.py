"""The ``curate`` step: completions in, training examples and a yield report out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtbench.plugin.curators import CurationContext, Curator
from rtbench.plugin.models import Teacher
from rtbench.schema.base import Fold
from rtbench.schema.completions import Completion
from rtbench.schema.results import CompleteResult
from rtbench.schema.steps import CurateSpec
from rtbench.schema.tasks import Sample
from rtbench.schema.training import Candidate, CurationYield, Example
from rtbench.scoring.rationale import rationale_of
from rtbench.steps.complete import completions_of
from rtbench.steps.context import StepContext
from rtbench.steps.selection import questions_of
from rtbench.storage.files import read_jsonl, write_jsonl

if TYPE_CHECKING:
    from rtbench.plugin.services import Services


TESTED: tuple[Fold, ...] = ("validation", "test", "ood")


@dataclass(frozen=True)
class Stage:
    """What one curator was given, and left."""

    curator: str
    before: Sequence[Candidate]
    after: Sequence[Candidate]


def curate(context: StepContext[CurateSpec]) -> CurationYield:
    """Writes examples.jsonl and reports what was kept."""
    services, step = context.services, context.step
    spec = step.spec
    data = services.task_data(spec.task.name, spec.task.variant)
    samples = questions_of(data, spec.task.split, spec.questions)
    keys = [i.key for i in step.inputs_as("completions")]
    candidates = candidates_of(services, spec, samples, keys) if keys else [gold_candidate(s) for s in samples]
    curation = context_of(services, spec, samples)
    stages = curated(services, spec, candidates, curation)
    examples = [candidate.example for candidate in (stages[-1].after if stages else candidates)]
    report = CurationYield(
        questions=len(samples),
        completions=len(candidates) if keys else 0,
        kept=len(examples),
        covered=len({example.sample_index for example in examples}),
        removed={stage.curator: len(stage.before) - len(stage.after) for stage in stages},
        judged=curation.judged,
        notes=tuple(curation.notes),
    )
    write_jsonl(context.folder / "examples.jsonl", examples)
    return report


def context_of(services: Services, spec: CurateSpec, samples: Sequence[Sample]) -> CurationContext:
    """What the step's curators may look at."""
    data = services.task_data(spec.task.name, spec.task.variant)
    others = {s.index: s for fold in TESTED for s in data.fold(spec.task.split, fold)}
    return CurationContext(
        samples={sample.index: sample for sample in samples},
        test_samples=list(others.values()),
        degree=spec.degree,
        dataset=spec.task.dataset,
        services=services,
    )


def curators_of(services: Services, spec: CurateSpec) -> list[Curator]:
    """Return a step's curators, in order."""
    return [services.curator(name, options) for name, options in spec.stated()]


def judges_of(services: Services, spec: CurateSpec) -> list[Teacher]:
    """Return the models that a step's curators ask."""
    asked = (curator.asks(services) for curator in curators_of(services, spec))
    return [teacher for teacher in asked if teacher is not None]


def curated(
    services: Services, spec: CurateSpec, candidates: Sequence[Candidate], curation: CurationContext
) -> list[Stage]:
    """The step's curators one after the other, each under a name of its own: a second ``length`` is ``length 2``."""
    stages: list[Stage] = []
    seen: Counter[str] = Counter()
    left = candidates
    for (name, _, _), curator in zip(spec.curators, curators_of(services, spec), strict=True):
        seen[name] += 1
        before, left = left, curator.keep(left, curation)
        stages.append(Stage(name if seen[name] == 1 else f"{name} {seen[name]}", before, left))
    return stages


def gold_candidate(sample: Sample) -> Candidate:
    """The example of vanilla fine-tuning, as curators that go by questions look at it."""
    completion = Completion(
        key="", task="", sample_index=sample.index, completion_index=-1, prompt="", text=sample.answer
    )
    return Candidate(example=gold_example(sample), completion=completion, correct=True)


def gold_example(sample: Sample) -> Example:
    """The example of vanilla fine-tuning: question and gold answer."""
    return Example(sample_index=sample.index, completion_index=-1, question=sample.question, answer=sample.answer)


def candidates_of(
    services: Services, spec: CurateSpec, samples: Sequence[Sample], keys: Sequence[str]
) -> list[Candidate]:
    """The first ``degree`` completions of each question, of finished complete steps, judged."""
    found = [
        (completions_of(services, key), services.store.result(CompleteResult, key).address.fingerprint) for key in keys
    ]
    return pooled(services, spec, samples, found)


def pooled(
    services: Services, spec: CurateSpec, samples: Sequence[Sample], found: Sequence[tuple[Sequence[Completion], str]]
) -> list[Candidate]:
    """The first ``degree`` completions of each question, judged. Several members are pooled in turn: the first completion of
    each member, then the second of each, and so on.

    Args:
        services: for the task's extractor.
        spec: of the curate step.
        samples: the questions.
        found: of each member its completions, and its fingerprint.
    """
    by_index = {sample.index: sample for sample in samples}
    extractor = services.task(spec.task.name).extractor(spec.extractor)
    by_question: dict[int, list[tuple[int, int, Candidate]]] = {index: [] for index in by_index}
    for member, (completions, source) in enumerate(found):
        prefix = spec.answer_prefixes[member]
        mine = [completion for completion in completions if completion.sample_index in by_index]
        for completion, score in zip(mine, extractor.score(mine, by_index, prefix), strict=True):
            sample = by_index[completion.sample_index]
            example = Example(
                sample_index=sample.index,
                completion_index=completion.completion_index,
                question=sample.question,
                answer=sample.answer,
                rationale=rationale_of(completion, prefix, spec.learns_from),
                source=source,
            )
            candidate = Candidate(
                example=example, completion=completion, correct=score.correct, extracted=score.extracted
            )
            by_question[sample.index].append((completion.completion_index, member, candidate))
    out: list[Candidate] = []
    for drawn in by_question.values():
        drawn.sort(key=lambda item: item[:2])
        out.extend(candidate for _, _, candidate in drawn[: spec.degree])
    return out


def examples_of(services: Services, key: str) -> list[Example]:
    """The examples of a finished curate step."""
    if not services.store.result(CurationYield, key).kept:
        return []
    return read_jsonl(services.store.path("curate", key) / "examples.jsonl", Example)
