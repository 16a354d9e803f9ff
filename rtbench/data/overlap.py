"""Overlap of test and training folds, which is reported next to the accuracies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rtbench.schema.tasks import Overlap, TaskData
from rtbench.scoring.text import folded

SPAN_WORDS = 13
"""Number of consecutive words that count as shared text (Brown et al. 2020, appendix C)."""
_WORD = re.compile(r"\w+")
_DIGITS = re.compile(r"\d+(?:[.,]\d+)*")


def overlap_of(data: TaskData, split: str) -> Overlap | None:
    """Return the overlap of a split's folds ``train`` and ``test``; None where one of them is missing."""
    train, test = ([sample.question for sample in data.fold(split, fold)] for fold in ("train", "test"))
    if not train or not test:
        return None
    without_numbers = {_DIGITS.sub("#", folded(text)) for text in train}
    test_words = [words_of(text) for text in test]
    sizes = {min(SPAN_WORDS, len(words)) for words in test_words} - {0}
    spans: set[tuple[str, ...]] = set()
    for text in train:
        words = words_of(text)
        for size in sizes:
            spans |= spans_of(words, size)
    return Overlap(
        split=split,
        train=len(train),
        test=len(test),
        exact=doubled(data, split),
        up_to_numbers=_count(_DIGITS.sub("#", folded(text)) in without_numbers for text in test),
        shared_span=_count(
            not spans.isdisjoint(spans_of(words, min(SPAN_WORDS, len(words)))) for words in test_words if words
        ),
    )


def doubled(data: TaskData, split: str) -> int:
    """Return the number of test questions that are also training questions, ignoring case and white space.

    This is :attr:`Overlap.exact` alone, which is fast to compute.
    """
    seen = {folded(sample.question) for sample in data.fold(split, "train")}
    return _count(folded(sample.question) in seen for sample in data.fold(split, "test"))


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case, without punctuation."""
    return _WORD.findall(text.casefold())


def spans_of(words: Sequence[str], size: int) -> set[tuple[str, ...]]:
    """Return all sequences of ``size`` consecutive words."""
    return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}


def _count(matches: Iterable[bool]) -> int:
    return sum(matches)
