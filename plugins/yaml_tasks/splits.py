"""Splits and groups, computed from the samples; no list of indices is stored.

They equal the lists that the original project published (``data/split/*.json`` of itsnamgyu/reasoning-teacher).

Source: ``src/data/generate_split.py`` and ``notebooks/old/Data Preparation.ipynb`` of that repository.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rtbench_plugins.yaml_tasks.spec import GroupSpec, SplitSpec

from rtbench.api import BadInputError, Fold, Split
from rtbench.scoring.patterns import UserPattern

VERSION = 1
"""Raise it when the resulting splits change; it enters the tasks' fingerprints."""


def group_keys(questions: Sequence[str], spec: GroupSpec, where: str) -> list[str]:
    """Return one group name per question. Groups are numbered in order of first appearance.

    Raises:
        BadInputError: the mask finds no end; the error names ``where``, the task's file and key.
    """
    mask = UserPattern(spec.mask, where=where) if spec.mask else None
    numbers: dict[str, str] = {}
    names: list[str] = []
    for question in questions:
        text = question.split(spec.until)[0] if spec.until else question
        if mask is not None:
            text = mask.sub("*", text)
        names.append(numbers.setdefault(text, str(len(numbers))))
    return names


def make_split(
    spec: SplitSpec,
    indices: Sequence[int],
    folds: Mapping[int, Fold],
    groups: Mapping[int, str],
    where: str,
) -> Split:
    """Compute a split.

    Args:
        spec: how to split.
        indices: all sample indices of the task in order, including those whose text is missing.
        folds: fold of each sample according to the source; needed for ``file`` and ``field``.
        groups: group of each sample; needed for ``group``.
        where: the task's file, for messages.

    Raises:
        BadInputError: the test fold is empty, or a sample has no fold or group.
    """
    if spec.by in {"file", "field"}:
        without_fold = [i for i in indices if i not in folds]
        if without_fold:
            raise BadInputError(
                f"{len(without_fold)} samples (first: {without_fold[0]}) belong to no fold",
                where=where,
                next_step="Give each file a `fold`, or each record the fold field with `train` or `test`.",
            )
        train = [i for i in indices if folds[i] == "train"]
        test = [i for i in indices if folds[i] == "test"]
    elif spec.by == "group":
        train, test = _by_group(spec, indices, groups, where)
    else:
        order = _permuted(len(indices), spec.seed)
        cut = round(len(indices) * spec.train_fraction)
        train = sorted(indices[i] for i in order[:cut])
        test = sorted(indices[i] for i in order[cut:])
    if spec.subsample_train is not None:
        order = _permuted(len(train), spec.seed)
        train = sorted(train[i] for i in order[: spec.subsample_train])
    if not test:
        raise BadInputError("the test fold is empty", where=where, next_step="Give more records or another split.")
    return Split(train=tuple(train), test=tuple(test))


def _by_group(
    spec: SplitSpec, indices: Sequence[int], groups: Mapping[int, str], where: str
) -> tuple[list[int], list[int]]:
    members: dict[str, list[int]] = {}
    for i in indices:
        if i not in groups:
            raise BadInputError(f"sample {i} has no group", where=where, next_step="State `groups`.")
        members.setdefault(groups[i], []).append(i)
    names = list(members)
    order = _permuted(len(names), spec.seed)
    cut = round(len(names) * spec.train_fraction)
    train = sorted(i for g in order[:cut] for i in members[names[g]])
    test = sorted(i for g in order[cut:] for i in members[names[g]])
    return train, test


def _permuted(n: int, seed: int) -> list[int]:
    """Return a random permutation of 0 to n - 1.

    NumPy's compatibility policy freezes RandomState, so that the permutation is the same in every version.
    """
    import numpy as np

    return [int(i) for i in np.random.RandomState(seed).permutation(n)]
