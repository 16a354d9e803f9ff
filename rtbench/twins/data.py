"""A twin's folds as a task's data, and their name in ledgers."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from rtbench.schema.base import Fold, Record
from rtbench.schema.tasks import Sample, Split
from rtbench.storage.keys import content_key
from rtbench.twins.naming import TwinSetting, setting_of
from rtbench.twins.problem import Problem
from rtbench.twins.twin import Twin

_DATASET = re.compile(r"(.+?)@(twin-.+?)(?:-v\d+)?")


def dataset_of(task: str, twin: Twin[Any], variant: str) -> str:
    """Return the name of a twin's samples in ledgers."""
    version = "" if twin.version == 1 else f"-v{twin.version}"
    return f"{task}@{variant}{version}"


def task_and_setting(dataset: str) -> tuple[str, TwinSetting] | None:
    """Return task and setting from a name of :func:`dataset_of`; None where the samples are not a twin's."""
    match = _DATASET.fullmatch(dataset)
    setting = setting_of(match[2]) if match else None
    return (match[1], setting) if match and setting else None


def twin_fingerprint(name: str, twin: Twin[Any], setting: TwinSetting) -> str:
    """Return an identifier of a twin's data without drawing them."""
    turned = twin.turned(setting)
    knobs = [msgspec.to_builtins(turned.knobs), msgspec.to_builtins(turned.harder)]
    return content_key("twin", name, twin.version, dict(twin.sizes), knobs, setting.seed)


class TwinData(Record, frozen=True):
    """A twin's folds as a task's samples. Indices run consecutively through train, validation, test and ood."""

    samples: dict[int, Sample]
    split: Split
    problems: dict[int, Problem]


def twin_data(twin: Twin[Any], setting: TwinSetting) -> TwinData:
    """Draw all folds of a setting. This takes about a tenth of a second."""
    samples: dict[int, Sample] = {}
    problems: dict[int, Problem] = {}
    members: dict[Fold, tuple[int, ...]] = {}
    for fold, drawn in twin.turned(setting).draw_folds(setting.seed).items():
        start = len(samples)
        for index, problem in enumerate(drawn, start):
            problems[index] = problem
            samples[index] = sample_of(index, problem)
        members[fold] = tuple(range(start, len(samples)))
    split = Split(train=members["train"], test=members["test"], validation=members["validation"], ood=members["ood"])
    return TwinData(samples=samples, split=split, problems=problems)


def sample_of(index: int, problem: Problem) -> Sample:
    """Return a problem as a task's sample."""
    return Sample(
        index=index,
        question=problem.question,
        answer=problem.answer,
        choices=problem.choices,
        group=problem.pattern,
    )
