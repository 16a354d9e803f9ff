"""Properties that every twin has."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from rtbench.scoring.answer_rule import AnswerRule
from rtbench.twins import FOLDS, Narrator, Problem, Twin, TwinSetting, twin_data


def pens(seed: int, **options: Any) -> list[Narrator]:
    """A fine and a coarse one."""
    return [Narrator(random.Random(seed), random.Random(-seed), fine=fine, **options) for fine in (True, False)]


def check_folds(twin: Twin[Any], seed: int) -> None:
    """Of the sizes announced; no pattern in two folds, no question twice."""
    data = twin_data(twin, TwinSetting(seed=seed))
    folds = {fold: [data.problems[index] for index in data.split.fold(fold)] for fold in FOLDS}
    assert {fold: len(problems) for fold, problems in folds.items()} == dict(twin.sizes)
    homes: dict[str, set[str]] = {}
    for fold, problems in folds.items():
        for problem in problems:
            homes.setdefault(problem.pattern, set()).add(fold)
    assert all(len(home) == 1 for home in homes.values())
    assert len({sample.question for sample in data.samples.values()}) == len(data.samples)


def check_explanations(twin: Twin[Any], problems: Sequence[Problem]) -> None:
    """Without mistakes they reach the gold, in whole sentences."""
    for at, problem in enumerate(problems):
        for narrator in pens(at, verbosity=at % 3):
            assert twin.explain(problem, narrator) == problem.answer
            assert narrator.text.endswith(".")
            assert "  " not in narrator.text
            assert "{" not in narrator.text
            assert " ." not in narrator.text


def check_extraction(twin: Twin[Any], problems: Sequence[Problem], rule: AnswerRule) -> None:
    """Behind either usual answer prefix: no sentence of an explanation is taken for the answer's."""
    for at, problem in enumerate(problems):
        for narrator, prefix in zip(pens(at), ("-->", "Therefore, the answer is"), strict=True):
            answer = twin.explain(problem, narrator)
            extracted = rule.find(f"{narrator.text} {prefix} {answer}", prefix, problem.choices).extracted
            assert extracted is not None, narrator.text
            assert rule.equal(extracted, problem.answer), narrator.text
