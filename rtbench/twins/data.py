"""A twin's folds as a task's data, and the name that ledgers keep them under."""

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
    """Name of a twin's samples in ledgers."""
    version = "" if twin.version == 1 else f"-v{twin.version}"
    return f"{task}@{variant}{version}"


def task_and_setting(dataset: str) -> tuple[str, TwinSetting] | None:
    """What :func:`dataset_of` was made of; None where the samples are no twin's."""
    found = _DATASET.fullmatch(dataset)
    setting = setting_of(found[2]) if found else None
    return (found[1], setting) if found and setting else None


def twin_fingerprint(name: str, twin: Twin[Any], setting: TwinSetting) -> str:
    """Identifies a twin's data without drawing them."""
    turned = twin.turned(setting)
    knobs = [msgspec.to_builtins(turned.knobs), msgspec.to_builtins(turned.harder)]
    return content_key("twin", name, twin.version, dict(twin.sizes), knobs, setting.seed)


class TwinData(Record, frozen=True):
    """A twin's folds as a task's samples. Indices run through train, validation, test and ood."""

    samples: dict[int, Sample]
    split: Split
    problems: dict[int, Problem]


def twin_data(twin: Twin[Any], setting: TwinSetting) -> TwinData:
    """Draws all folds of a setting. Takes a tenth of a second or so."""
    samples: dict[int, Sample] = {}
    problems: dict[int, Problem] = {}
    members: dict[Fold, tuple[int, ...]] = {}
    for fold, drawn in twin.turned(setting).draw_folds(setting.seed).items():
        start = len(samples)
        for index, problem in enumerate(drawn, start):
            problems[index] = problem
            samples[index] = Sample(
                index=index,
                question=problem.question,
                answer=problem.answer,
                choices=problem.choices,
                group=problem.pattern,
            )
        members[fold] = tuple(range(start, len(samples)))
    split = Split(train=members["train"], test=members["test"], validation=members["validation"], ood=members["ood"])
    return TwinData(samples=samples, split=split, problems=problems)
