"""Match recorded completions to a task's samples by question text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rtbench.schema.recordings import Matched, RecordedEntry, RecordedPair, Recording, Unmatched
from rtbench.schema.tasks import Sample, TaskData
from rtbench.scoring.text import squeezed


def match(recording: Recording, data: Mapping[str, TaskData]) -> Matched:
    """Pairs entries with samples by question text (white space apart). Where several samples share a text, the entry's
    sample index decides; an entry without a question is paired by its sample index alone.

    Args:
        recording: the entries.
        data: the task's data by data set (or variant); the order says which one a sample is taken from first.
    """
    lookups = {name: _lookup(one.samples.values()) for name, one in data.items()}
    pairs: list[RecordedPair] = []
    unmatched: list[Unmatched] = []
    counts = dict.fromkeys(data, 0)
    taken: dict[int, set[int]] = {}
    for entry in recording.entries:
        found: dict[str, Sample] = {}
        reason = "there are no samples at hand"
        for name, one in data.items():
            sample, reason = _sample_of(entry, lookups[name], one, taken)
            if sample is not None:
                found[name] = sample
        if not found:
            where = f"{recording.path}, {entry.place}"
            unmatched.append(
                Unmatched(where=where, reason=reason, question=entry.question, sample_index=entry.sample_index)
            )
            continue
        for name in found:
            counts[name] += 1
        sample = next(iter(found.values()))
        number = _free(entry.completion_index, taken.setdefault(sample.index, set()))
        pairs.append(RecordedPair(entry=entry, datasets=tuple(found), sample=sample, completion_index=number))
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
    """The entry's sample in one variant, or why there is none."""
    if entry.question is None:
        if entry.sample_index is None:
            return None, "the recording has neither a question nor a sample index"
        sample = data.samples.get(entry.sample_index)
        return sample, "" if sample else f"no sample has the index {entry.sample_index}"
    found = lookup.get(squeezed(entry.question), [])
    if not found:
        return None, "no sample has this question"
    for sample in found:
        if sample.index == entry.sample_index:
            return sample, ""
    # Which of the samples with one text does not matter where they share the gold, but each is to have its own.
    if len({sample.answer for sample in found}) == 1:
        free = (s for s in found if entry.completion_index not in taken.get(s.index, ()))
        return next(free, found[0]), ""
    return None, f"{len(found)} samples have this question with different golds, and the sample index is none of them"


def _free(wanted: int, taken: set[int]) -> int:
    """``wanted``, or the next number that is not taken."""
    while wanted in taken:
        wanted += 1
    taken.add(wanted)
    return wanted
