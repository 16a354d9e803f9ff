"""Matching of recorded completions to a task's samples by question text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rtbench.schema.recordings import Matched, RecordedEntry, RecordedPair, Recording, Unmatched
from rtbench.schema.tasks import Sample, TaskData
from rtbench.scoring.text import squeezed


def match(recording: Recording, data: Mapping[str, TaskData]) -> Matched:
    """Pair entries with samples by question text, ignoring white space.

    Where several samples have the same text, the entry's sample index decides. An entry without a question is paired by
    its sample index only.

    Args:
        recording: the recording with the entries.
        data: the task's data by data set (or variant); a sample comes from the first data set that has it.
    """
    lookups = {name: _lookup(task_data.samples.values()) for name, task_data in data.items()}
    pairs: list[RecordedPair] = []
    unmatched: list[Unmatched] = []
    counts = dict.fromkeys(data, 0)
    taken: dict[int, set[int]] = {}
    for entry in recording.entries:
        matches: dict[str, Sample] = {}
        reason = "there are no samples"
        for name, task_data in data.items():
            sample, reason = _sample_of(entry, lookups[name], task_data, taken)
            if sample is not None:
                matches[name] = sample
        if not matches:
            where = f"{recording.path}, {entry.place}"
            unmatched.append(
                Unmatched(where=where, reason=reason, question=entry.question, sample_index=entry.sample_index)
            )
            continue
        for name in matches:
            counts[name] += 1
        sample = next(iter(matches.values()))
        number = _free(entry.completion_index, taken.setdefault(sample.index, set()))
        pairs.append(RecordedPair(entry=entry, datasets=tuple(matches), sample=sample, completion_index=number))
    return Matched(
        pairs=tuple(pairs),
        unmatched=tuple(unmatched),
        datasets={name: count for name, count in counts.items() if count},
    )


def _lookup(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    by_text: dict[str, list[Sample]] = {}
    for sample in samples:
        by_text.setdefault(squeezed(sample.question), []).append(sample)
    return by_text


def _sample_of(
    entry: RecordedEntry, lookup: Mapping[str, list[Sample]], data: TaskData, taken: Mapping[int, set[int]]
) -> tuple[Sample | None, str]:
    """Return an entry's sample in one variant, or None and the reason why there is none."""
    if entry.question is None:
        if entry.sample_index is None:
            return None, "the recording has neither a question nor a sample index"
        sample = data.samples.get(entry.sample_index)
        return sample, "" if sample else f"no sample has the index {entry.sample_index}"
    samples = lookup.get(squeezed(entry.question), [])
    if not samples:
        return None, "no sample has this question"
    for sample in samples:
        if sample.index == entry.sample_index:
            return sample, ""
    # Samples with the same text and gold are interchangeable, but each should get its own completion.
    if len({sample.answer for sample in samples}) == 1:
        free = (s for s in samples if entry.completion_index not in taken.get(s.index, ()))
        return next(free, samples[0]), ""
    return (
        None,
        f"{len(samples)} samples have this question with different gold answers, and none has this sample index",
    )


def _free(wanted: int, taken: set[int]) -> int:
    """Return and take the first free number from ``wanted`` on."""
    while wanted in taken:
        wanted += 1
    taken.add(wanted)
    return wanted
