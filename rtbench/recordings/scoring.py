"""Score recorded completions offline: without a model, and without data where the recording has its golds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from rtbench.data.files import DataFiles
from rtbench.errors import BadInputError, UnknownNameError
from rtbench.plugin.tasks import Task
from rtbench.recordings.matching import match
from rtbench.schema.base import Record
from rtbench.schema.completions import Completion
from rtbench.schema.recordings import Matched, RecordedEntry, RecordedPair, Recording, Unmatched
from rtbench.schema.scores import Score, ScoreSummary
from rtbench.schema.tasks import Sample
from rtbench.scoring.answer_rule import AnswerRule
from rtbench.scoring.extraction import FilterExtractor, summarise
from rtbench.scoring.golds import meant, wrong_gold
from rtbench.scoring.text import choices_in, squeezed
from rtbench.twins import setting_of

Gold = Literal["file", "data"]


class FileScore(Record, frozen=True):
    """Result of :func:`score_recording`. ``summary.n`` counts completions: one question may have several."""

    file: str
    task: str
    model: str
    key: str
    gold: Gold
    """Source of the golds. ``file``: the records' own ``answer``; ``data``: the matched samples."""
    answer_prefix: str | None
    summary: ScoreSummary
    scores: tuple[Score, ...]
    questions: int
    """Number of different questions."""
    variants: dict[str, int]
    """Number of entries whose question is in a data variant, by variant; empty where no data were needed."""
    unmatched: tuple[Unmatched, ...]
    """Entries that were not scored, with the reasons."""
    thinking: int = 0
    """Number of completions whose thinking was parted from the answer."""
    run_on: int = 0
    """Number of completions after whose answer text was ignored: a further question, or what follows an end mark."""


def score_recording(
    recording: Recording,
    task: Task,
    extractor: str,
    files: DataFiles,
    *,
    variant: str | None = None,
) -> FileScore:
    """Score every completion of a recording.

    Args:
        recording: the recording (:func:`rtbench.recordings.read.read_recording`).
        task: the task whose extractor scores.
        extractor: name of the extractor.
        files: data files of the task; not used where every record has its own ``answer``.
        variant: data variant whose questions are matched; None matches all variants.

    Raises:
        BadInputError: no completion of the recording can be scored.
        UnknownNameError: the task has no such extractor or variant.
        MissingDataError: golds are needed and the task's data are missing.
    """
    scorer = task.extractor(extractor)
    rule = scorer.rule if isinstance(scorer, FilterExtractor) else None
    prefix = recording.answer_prefix
    has_answers = all(entry.answer is not None for entry in recording.entries)
    matched = None if has_answers else _matched(recording, task, files, variant)
    unmatched = matched.unmatched if matched else recording.skipped
    if matched is None:
        pairs = [(entry, _own_sample(entry, task, rule, recording)) for entry in recording.entries]
    else:
        pairs = [(pair.entry, _gold_sample(pair, task, rule, recording)) for pair in matched.pairs]
    if not pairs:
        raise BadInputError(
            f"none of its {len(recording.entries)} completions belongs to a sample of {task.info.name}",
            where=str(recording.path),
            next_step=_why_none(unmatched[0]) if unmatched else None,
        )
    # Completions are numbered consecutively: two records may share an index and differ in text or gold.
    completions = [_completion(i, entry, recording) for i, (entry, _) in enumerate(pairs)]
    samples = {i: msgspec.structs.replace(sample, index=i) for i, (_, sample) in enumerate(pairs)}
    scores = scorer.score(completions, samples, prefix)
    renumbered = _renumbered(scores, pairs)
    return FileScore(
        file=str(recording.path),
        task=task.info.name,
        model=recording.model,
        key=recording.key,
        gold="file" if has_answers else "data",
        answer_prefix=prefix,
        # Before the indices of questions return: each record of a file counts, whatever question it answers.
        summary=summarise(extractor, scorer.version, scores, missing=0),
        scores=renumbered,
        questions=len({score.sample_index for score in renumbered}),
        variants=matched.datasets if matched else {},
        unmatched=unmatched,
        thinking=recording.thinking,
        run_on=_run_on(rule, completions, samples, prefix),
    )


def _why_none(first: Unmatched) -> str:
    nearest = f" Nearest: {first.nearest}." if first.nearest else ""
    return f"Is it for another task? First reason: {first.reason}.{nearest}"


def _run_on(
    rule: AnswerRule | None, completions: Sequence[Completion], samples: Mapping[int, Sample], prefix: str | None
) -> int:
    """Return the number of completions after whose answer the rule ignores text, such as a further question."""
    if rule is None:
        return 0
    return sum(rule.runs_on(one.text, prefix, samples[one.sample_index].choices) for one in completions)


def _matched(recording: Recording, task: Task, files: DataFiles, variant: str | None) -> Matched:
    """Match a recording's questions with the data of one variant, or of all."""
    if variant is not None and variant not in task.info.variants and setting_of(variant) is None:
        raise UnknownNameError.of(f"variant of task {task.info.name}", variant, task.info.variants)
    variants = task.info.variants if variant is None else (variant,)
    return match(recording, {name: task.load(files, name) for name in variants})


def _own_sample(entry: RecordedEntry, task: Task, rule: AnswerRule | None, recording: Recording) -> Sample:
    """Return a sample made from the record only.

    Choices are read from the question, so that the result does not depend on whether the data are available.
    """
    question = entry.question or ""
    index = entry.sample_index if entry.sample_index is not None else -1
    choices = choices_in(question) if task.info.answer_type == "choice" else ()
    sample = Sample(index=index, question=question, answer=entry.answer or "", choices=choices)
    _check_gold(sample, entry, task, rule, recording)
    return sample


def _gold_sample(pair: RecordedPair, task: Task, rule: AnswerRule | None, recording: Recording) -> Sample:
    """Return the matched sample, with the record's own gold where it has one."""
    if pair.entry.answer is None:
        return pair.sample
    sample = msgspec.structs.replace(pair.sample, answer=pair.entry.answer)
    _check_gold(sample, pair.entry, task, rule, recording)
    return sample


def _check_gold(
    sample: Sample, entry: RecordedEntry, task: Task, rule: AnswerRule | None, recording: Recording
) -> None:
    """Raise an error where a record's own gold is not of the task's type.

    Raises:
        BadInputError: it is not; the error names the file and the record.
    """
    if rule is None:  # the extractor compares any strings
        return
    options = rule.options
    what = wrong_gold(sample.answer, options.answer_type, options.letters, sample.choices)
    if what is None:
        return
    hint = meant(sample.answer, options.answer_type, options.letters, sample.choices)
    raise BadInputError(
        f"{what}, as answers of {task.info.name} are",
        where=f"{recording.path}, {entry.place}",
        next_step=f"Write {hint}." if hint else "Fix the gold, or remove `answer` to use the task's own.",
    )


def _completion(i: int, entry: RecordedEntry, recording: Recording) -> Completion:
    return Completion(
        key="",
        task=recording.task,
        sample_index=i,
        completion_index=entry.completion_index,
        prompt=entry.prompt or "",
        text=entry.text,
        reasoning=entry.reasoning,
        thinking=entry.thinking,
        finish_reason=entry.finish_reason,
    )


def _renumbered(scores: Sequence[Score], pairs: Sequence[tuple[RecordedEntry, Sample]]) -> tuple[Score, ...]:
    """Return scores with the samples' own indices; questions without an index are numbered in order of appearance."""
    numbers: dict[str, int] = {}
    out: list[Score] = []
    for score, (_, sample) in zip(scores, pairs, strict=True):
        index = sample.index
        if index < 0:
            index = numbers.setdefault(squeezed(sample.question), len(numbers))
        out.append(msgspec.structs.replace(score, sample_index=index))
    return tuple(out)
