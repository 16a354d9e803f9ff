"""How much of a test fold stands in the training fold: data hygiene, said beside the numbers that rest on it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rtbench.schema.tasks import Overlap, TaskData
from rtbench.scoring.text import folded

RUN = 13
"""Words in a row that count as shared text (Brown et al. 2020, appendix C)."""
_WORD = re.compile(r"\w+")
_DIGITS = re.compile(r"\d+(?:[.,]\d+)*")


def overlap_of(data: TaskData, split: str) -> Overlap | None:
    """Of a split's folds ``train`` and ``test``; None where one of them is not at hand."""
    train, test = ([sample.question for sample in data.fold(split, fold)] for fold in ("train", "test"))
    if not train or not test:
        return None
    shapes = {_DIGITS.sub("#", folded(text)) for text in train}
    asked = [words_of(text) for text in test]
    sizes = {min(RUN, len(words)) for words in asked} - {0}
    runs: set[tuple[str, ...]] = set()
    for text in train:
        words = words_of(text)
        for size in sizes:
            runs |= runs_of(words, size)
    return Overlap(
        split=split,
        train=len(train),
        test=len(test),
        exact=doubled(data, split),
        up_to_numbers=_count(_DIGITS.sub("#", folded(text)) in shapes for text in test),
        run=_count(not runs.isdisjoint(runs_of(words, min(RUN, len(words)))) for words in asked if words),
    )


def doubled(data: TaskData, split: str) -> int:
    """Test questions that stand among the training questions, but for case and white space: :attr:`Overlap.exact` alone,
    which takes no time."""
    seen = {folded(sample.question) for sample in data.fold(split, "train")}
    return _count(folded(sample.question) in seen for sample in data.fold(split, "test"))


def words_of(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def runs_of(words: Sequence[str], size: int) -> set[tuple[str, ...]]:
    """All runs of so many words."""
    return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}


def _count(found: Iterable[bool]) -> int:
    return sum(found)
