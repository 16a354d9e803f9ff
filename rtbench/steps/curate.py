"""The ``curate`` step: completions in, training examples and a yield report out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from rtbench.files import atomic_write, read_jsonl
from rtbench.interfaces import Candidate, CurationContext, Curator, RationaleSource
from rtbench.prompts import split_rationale
from rtbench.questions import questions_of
from rtbench.records import Completion, CurationYield, Example, Sample
from rtbench.specs import CurateSpec
from rtbench.steps.complete import completions_of

if TYPE_CHECKING:
    from rtbench.session import Session
    from rtbench.steps import StepContext


def curate(context: StepContext) -> dict[str, Any]:
    """Writes examples.jsonl and reports what was kept."""
    session, step = context.session, context.step
    spec = step.spec
    assert isinstance(spec, CurateSpec)
    data = session.task_data(spec.task.name, spec.task.variant)
    samples = questions_of(data, spec.task.split, spec.questions)
    keys = [i.key for i in step.inputs_as("completions")]
    if not keys:
        examples = [gold_example(sample) for sample in samples]
        report = CurationYield(
            questions=len(samples), completions=0, kept=len(examples), covered=len(examples), removed={}
        )
    else:
        candidates = candidates_of(session, spec, samples, keys)
        curation = CurationContext(
            samples={sample.index: sample for sample in samples},
            test_samples=data.fold(spec.task.split, "test"),
            degree=spec.degree,
            dataset=spec.task.dataset,
            services=session,
        )
        kept: Sequence[Candidate] = candidates
        removed: dict[str, int] = {}
        for name, curator in named_curators(session, spec):
            before = len(kept)
            kept = curator.keep(kept, curation)
            removed[name] = before - len(kept)
        examples = [candidate.example for candidate in kept]
        report = CurationYield(
            questions=len(samples),
            completions=len(candidates),
            kept=len(examples),
            covered=len({example.sample_index for example in examples}),
            removed=removed,
            judged=curation.judged,
        )
    with atomic_write(context.folder / "examples.jsonl") as handle:
        handle.write(msgspec.json.Encoder().encode_lines(examples))
    return msgspec.to_builtins(report)  # type: ignore[no-any-return]


def named_curators(session: Session, spec: CurateSpec) -> list[tuple[str, Curator]]:
    """The spec's curators in order, under names of their own: a second ``length`` is ``length 2``."""
    out: list[tuple[str, Curator]] = []
    seen: Counter[str] = Counter()
    for name, _, options in spec.curators:
        seen[name] += 1
        own = name if seen[name] == 1 else f"{name} {seen[name]}"
        out.append((own, session.curator(name, dict(options))))
    return out


def gold_example(sample: Sample) -> Example:
    """The example of vanilla fine-tuning: question and gold answer."""
    return Example(sample_index=sample.index, completion_index=-1, question=sample.question, answer=sample.answer)


def rationale_of(completion: Completion, prefix: str | None, source: RationaleSource | None) -> str:
    """What students may learn from a completion; the rationale of one written in two stages is its first stage."""
    text = split_rationale(completion.text, prefix)
    if source == "text":
        return text
    if source == "both":
        return "\n".join(part.strip() for part in (completion.reasoning or "", text) if part.strip())
    if source == "thoughts":
        return completion.reasoning or ""
    return text if completion.reasoning is None else completion.reasoning


def candidates_of(
    session: Session, spec: CurateSpec, samples: Sequence[Sample], keys: Sequence[str]
) -> list[Candidate]:
    """The first ``degree`` completions of each question, judged. Several members are pooled in turn: the first
    completion of each member, then the second of each, and so on."""
    by_index = {sample.index: sample for sample in samples}
    extractor = session.task(spec.task.name).extractor(spec.extractor)
    pooled: dict[int, list[tuple[int, int, Candidate]]] = {index: [] for index in by_index}
    for member, key in enumerate(keys):
        completions = completions_of(session, key)
        source = session.store.meta("complete", key).result["address"]["fingerprint"]
        prefix = spec.answer_prefixes[member]
        mine = [completion for completion in completions if completion.sample_index in by_index]
        for completion, score in zip(mine, extractor.score(mine, by_index, prefix), strict=True):
            sample = by_index[completion.sample_index]
            rationale = rationale_of(completion, prefix, spec.learns_from)
            example = Example(
                sample_index=sample.index,
                completion_index=completion.completion_index,
                question=sample.question,
                answer=sample.answer,
                rationale=rationale.strip(),
                source=source,
            )
            candidate = Candidate(example=example, completion=completion, correct=score.correct)
            pooled[sample.index].append((completion.completion_index, member, candidate))
    out: list[Candidate] = []
    for found in pooled.values():
        found.sort(key=lambda item: item[:2])
        out.extend(candidate for _, _, candidate in found[: spec.degree])
    return out


def examples_of(session: Session, key: str) -> list[Example]:
    """The examples of a finished curate step."""
    if not session.store.meta("curate", key).result["kept"]:
        return []
    return read_jsonl(session.store.path("curate", key) / "examples.jsonl", Example)
