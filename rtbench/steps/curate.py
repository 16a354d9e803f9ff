"""The ``curate`` step: selects training examples from completions, and reports how many were kept."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from rtbench.plugin.curators import CurationContext, Curator
from rtbench.plugin.models import Teacher
from rtbench.schema.base import Fold
from rtbench.schema.completions import Completion
from rtbench.schema.money import Spending
from rtbench.schema.results import CompleteResult
from rtbench.schema.steps import CurateSpec
from rtbench.schema.tasks import Sample
from rtbench.schema.training import Candidate, CurationYield, Example, Likelihood
from rtbench.steps.complete import completions_of
from rtbench.steps.context import StepContext
from rtbench.steps.likelihood import example_of, likelihoods_of
from rtbench.steps.selection import samples_of
from rtbench.steps.spending import summed
from rtbench.storage.writing import write_lines

if TYPE_CHECKING:
    from rtbench.plugin.services import Services


TESTED: tuple[Fold, ...] = ("validation", "test", "ood")


@dataclass(frozen=True)
class CuratorResult:
    """The candidates before and after one curator."""

    curator: str
    before: Sequence[Candidate]
    after: Sequence[Candidate]


def curate(context: StepContext[CurateSpec]) -> CurationYield:
    """Write examples.jsonl, and return the counts of candidates that were kept and removed."""
    services, step = context.services, context.step
    spec = step.spec
    samples = samples_of(services, spec)
    if parts := [i.key for i in step.inputs_as("examples")]:
        return _joined(services, parts, context.folder)
    keys = [i.key for i in step.inputs_as("completions")]
    candidates = candidates_of(services, spec, samples, keys) if keys else [gold_candidate(s) for s in samples]
    curation = context_of(services, spec, samples)
    read = [likelihoods_of(services, i.key) for i in step.inputs_as("likelihood")]
    stages = curated(services, spec, candidates, curation, read)
    examples = [candidate.example for candidate in (stages[-1].after if stages else candidates)]
    report = CurationYield(
        questions=len(samples),
        completions=len(candidates) if keys else 0,
        kept=len(examples),
        covered=len({example.sample_index for example in examples}),
        removed={stage.curator: len(stage.before) - len(stage.after) for stage in stages},
        judged=curation.judged,
        cut=sum(candidate.completion.cut for candidate in candidates) if keys else 0,
        notes=tuple(curation.notes),
    )
    write_lines(context.folder / "examples.jsonl", examples)
    return report


def _joined(services: Services, keys: Sequence[str], folder: Path) -> CurationYield:
    """Write the examples of several tasks to one file, and return the sums of their counts."""
    yields = [services.store.result(CurationYield, key) for key in keys]
    write_lines(folder / "examples.jsonl", [example for key in keys for example in examples_of(services, key)])
    removed: Counter[str] = Counter()
    judged: dict[str, list[Spending]] = {}
    for one in yields:
        removed.update(one.removed)
        for judge, spent in one.judged.items():
            judged.setdefault(judge, []).append(spent)
    return CurationYield(
        questions=sum(one.questions for one in yields),
        completions=sum(one.completions for one in yields),
        kept=sum(one.kept for one in yields),
        covered=sum(one.covered for one in yields),
        removed=dict(removed),
        judged={judge: summed(spent) for judge, spent in judged.items()},
        cut=summed_cuts(yields),
        notes=tuple(dict.fromkeys(note for one in yields for note in one.notes)),
    )


def summed_cuts(yields: Sequence[CurationYield]) -> int | None:
    """Return how many completions were cut, over several curations; None where one of them does not say."""
    cuts = [one.cut for one in yields]
    return None if None in cuts else sum(cut or 0 for cut in cuts)


def context_of(services: Services, spec: CurateSpec, samples: Sequence[Sample]) -> CurationContext:
    """Return the context of the step's curators."""
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
    """Return the models that a step's curators send requests to."""
    judges = (curator.asks(services) for curator in curators_of(services, spec))
    return [teacher for teacher in judges if teacher is not None]


def curated(
    services: Services,
    spec: CurateSpec,
    candidates: Sequence[Candidate],
    curation: CurationContext,
    likelihoods: Sequence[Mapping[str, Likelihood]] = (),
) -> list[CuratorResult]:
    """Return the stages of the step's curators, in order. Names are distinct: a second ``length`` is ``length 2``.

    Args:
        services: for the curators.
        spec: spec of the step.
        candidates: what the first curator is given.
        curation: what curators may use besides.
        likelihoods: of the completions, one mapping for each curator that uses them.
    """
    read = iter(likelihoods)
    stages: list[CuratorResult] = []
    seen: Counter[str] = Counter()
    left = candidates
    for (name, _, _), curator in zip(spec.curators, curators_of(services, spec), strict=True):
        seen[name] += 1
        given = curation if curator.likelihood_by is None else dataclasses.replace(curation, likelihoods=next(read))
        before, left = left, curator.keep(left, given)
        stages.append(CuratorResult(name if seen[name] == 1 else f"{name} {seen[name]}", before, left))
    return stages


def gold_candidate(sample: Sample) -> Candidate:
    """Return the example made of the gold answer as a candidate, for curators that select questions."""
    completion = Completion(
        key="", task="", sample_index=sample.index, completion_index=-1, prompt="", text=sample.answer
    )
    return Candidate(example=gold_example(sample), completion=completion, correct=True)


def gold_example(sample: Sample) -> Example:
    """Return a training example of the question and its gold answer."""
    return Example(sample_index=sample.index, completion_index=-1, question=sample.question, answer=sample.answer)


def candidates_of(
    services: Services, spec: CurateSpec, samples: Sequence[Sample], keys: Sequence[str]
) -> list[Candidate]:
    """Return the first ``degree`` completions of each question from finished complete steps, with their verdicts."""
    found = [
        (completions_of(services, key), services.store.result(CompleteResult, key).address.fingerprint) for key in keys
    ]
    return pooled(services, spec, samples, found)


def pooled(
    services: Services, spec: CurateSpec, samples: Sequence[Sample], found: Sequence[tuple[Sequence[Completion], str]]
) -> list[Candidate]:
    """Return the first ``degree`` completions of each question, with their verdicts.

    Completions of several members alternate: the first of each member, then the second of each, and so on.

    Args:
        services: for the task's extractor.
        spec: spec of the curate step.
        samples: the questions.
        found: per member, its completions and its model fingerprint.
    """
    by_index = {sample.index: sample for sample in samples}
    extractor = services.task(spec.task.name).extractor(spec.extractor)
    by_question: dict[int, list[tuple[int, int, Candidate]]] = {index: [] for index in by_index}
    for member, (completions, source) in enumerate(found):
        prefix = spec.answer_prefixes[member]
        mine = [completion for completion in completions if completion.sample_index in by_index]
        for completion, score in zip(mine, extractor.score(mine, by_index, prefix), strict=True):
            sample = by_index[completion.sample_index]
            example = replace(example_of(sample, completion, prefix, spec.learns_from), source=source)
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
    """Return the examples of a finished curate step."""
    if not services.store.result(CurationYield, key).kept:
        return []
    return services.store.rows("curate", key, "examples.jsonl", Example)
