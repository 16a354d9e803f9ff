"""Match recorded completions to a task's samples by question text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from rtbench.schema.recordings import Matched, RecordedEntry, RecordedPair, Recording, Unmatched
from rtbench.schema.tasks import Sample, TaskData
from rtbench.scoring.text import squeezed

_OPENING = 24
"""Number of first characters by which questions are searched in prompts."""
_SHOWN = 20
"""Number of unmatched records for which the most similar question is searched."""
_WIDTH = 80
"""Maximum characters of a similar question that are shown."""
_LEAST = 0.4
"""Minimum fraction of common words of a question that is shown as similar."""


def match(recording: Recording, data: Mapping[str, TaskData]) -> Matched:
    """Pair entries with samples by question text, ignoring white space.

    Where several samples have the same text, the entry's sample index decides. An entry without a question is paired by
    its sample index only.

    Args:
        recording: the recording with the entries.
        data: the task's data by data set (or variant); a sample comes from the first data set that has it.
    """
    lookups = {name: _Lookup(task_data.samples.values()) for name, task_data in data.items()}
    pairs: list[RecordedPair] = []
    unmatched: list[Unmatched] = list(recording.skipped)
    similar = _Similar(data)
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
            nearest = similar.nearest(entry.question) if entry.question else None
            unmatched.append(
                Unmatched(
                    where=where,
                    reason=reason,
                    question=entry.question,
                    sample_index=entry.sample_index,
                    nearest=nearest,
                )
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


class _Lookup:
    """Samples by the text of their question."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self.by_text: dict[str, list[Sample]] = {}
        for sample in samples:
            question = squeezed(sample.question)
            self.by_text.setdefault(question, []).append(sample)
            stem, listed, _ = question.partition(" Answer choices: ")
            if listed and stem and sample.choices:  # users have the question without its choices, too
                self.by_text.setdefault(stem, []).append(sample)
        self._by_opening: dict[str, list[str]] = {}
        """Texts by their first characters, filled when a prompt is searched."""

    def of_question(self, question: str) -> list[Sample]:
        return self.by_text.get(squeezed(question), [])

    def of_prompt(self, prompt: str) -> list[Sample]:
        """Return the samples of the last question that a prompt contains, the longest where several end there."""
        if samples := self.of_question(prompt):
            return samples
        if not self._by_opening:
            for text in self.by_text:
                self._by_opening.setdefault(text[:_OPENING], []).append(text)
        lengths = sorted({len(opening) for opening in self._by_opening if opening})
        whole = squeezed(prompt)
        best = (0, 0, "")
        for start in _word_starts(whole):
            for length in lengths:
                for text in self._by_opening.get(whole[start : start + length], ()):
                    if whole.startswith(text, start):
                        best = max(best, (start + len(text), len(text), text))
        return self.by_text[best[2]] if best[2] else []


_WORD_START = re.compile(r"(?<![^\W_])[^\s]")


def _word_starts(text: str) -> Iterator[int]:
    """Yield the places at which a question may begin: not within a word."""
    for match in _WORD_START.finditer(text):
        yield match.start()


class _Similar:
    """Finds the most similar question of a task by common words, for messages; only the first records get one."""

    def __init__(self, data: Mapping[str, TaskData]) -> None:
        self._data = data
        self._left = _SHOWN
        self._words: list[tuple[Sample, frozenset[str]]] = []

    def nearest(self, question: str) -> str | None:
        if not self._left:
            return None
        self._left -= 1
        if not self._words:
            samples = {s.question: s for task_data in self._data.values() for s in task_data.samples.values()}
            self._words = [(sample, _words_of(text)) for text, sample in samples.items()]
        words = _words_of(question)
        shared, sample = max(
            ((len(words & other) / (len(words | other) or 1), one) for one, other in self._words),
            key=lambda pair: pair[0],
            default=(0.0, None),
        )
        if sample is None or shared < _LEAST:
            return None
        text = squeezed(sample.question)
        return f"sample {sample.index}: {text if len(text) <= _WIDTH else text[: _WIDTH - 1] + '…'}"


def _words_of(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.casefold()))


def _sample_of(
    entry: RecordedEntry, lookup: _Lookup, data: TaskData, taken: Mapping[int, set[int]]
) -> tuple[Sample | None, str]:
    """Return an entry's sample in one variant, or None and the reason why there is none."""
    if entry.question is None:
        if entry.sample_index is None:
            return None, "the recording has neither a question nor a sample index"
        sample = data.samples.get(entry.sample_index)
        return sample, "" if sample else f"no sample has the index {entry.sample_index}"
    samples = lookup.of_prompt(entry.question) if entry.in_prompt else lookup.of_question(entry.question)
    if not samples:
        return None, "its prompt contains no question of the task" if entry.in_prompt else "no sample has this question"
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
