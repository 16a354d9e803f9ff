"""Categorise wrong answers by rule, after the sample study of Ho et al. (2023, section 5 and appendix).

The rules check form and arithmetic, not meaning: a calculation without errors can still be the wrong one. Answers that
no rule applies to are ``other``. The first category in :data:`CATEGORIES` that applies is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from rtbench.plugin.tasks import ReadsConclusions, Task
from rtbench.reporting.answers import ScoredAnswer
from rtbench.schema.tasks import Sample

Category = Literal[
    "repetition",
    "truncation",
    "no answer",
    "wrong format",
    "no reasoning",
    "wrong final answer",
    "arithmetic slip",
    "wrong set-up",
    "other",
]
CATEGORIES: dict[Category, str] = {
    "repetition": "the text ends with the same words repeated",
    "truncation": "the text was cut at the maximum number of new tokens",
    "no answer": "the extractor found no answer",
    "wrong format": "the text that should precede the answer is missing",
    "no reasoning": "there is almost no text before the answer (some methods ask for the answer alone)",
    "wrong final answer": "the rationale ends with the correct answer, but the final answer differs",
    "arithmetic slip": "an equation does not hold",
    "wrong set-up": "there are equations, and all of them hold",
    "other": "no rule applies",
}
"""Descriptions by category, in the order in which they are checked."""

_FEW = 4
"""Minimum number of words of a rationale."""
_LONGEST_PERIOD = 40
"""Maximum number of words in the repeated sequence."""
_LEAST_REPEATED = 9
"""Minimum number of words in all repetitions together."""


def category_of(one: ScoredAnswer, concludes: Callable[[str, Sample], bool] | None) -> Category | None:
    """Return the category of a wrong answer; None for a correct one.

    Args:
        one: the answer.
        concludes: returns whether a text ends with the gold answer; None where the extractor cannot check this.
    """
    score, completion, rationale = one.score, one.completion, one.rationale
    if score.correct:
        return None

    def has_equations(*, hold: bool) -> bool:
        """Return whether there are equations, and all of them hold, or (``hold=False``) one of them does not."""
        from rtbench.scoring.equations import equations_in  # its patterns are slow to compile

        equations = list(equations_in(rationale))
        return bool(equations) and all(equation.holds for equation in equations) == hold

    applies: dict[Category, Callable[[], bool]] = {
        "repetition": lambda: repeats(rationale) or repeats(completion.text),
        "truncation": lambda: completion.cut,
        "no answer": lambda: not score.extracted,
        "wrong format": lambda: not score.correct_format,
        "no reasoning": lambda: len(rationale.split()) < _FEW,
        "wrong final answer": lambda: concludes is not None and concludes(rationale, one.sample),
        "arithmetic slip": lambda: has_equations(hold=False),
        "wrong set-up": lambda: has_equations(hold=True),
        "other": lambda: True,
    }
    return next(category for category in CATEGORIES if applies[category]())


def categories_of(task: Task, answers: Sequence[ScoredAnswer]) -> list[Category | None]:
    """Return the category of each answer; None for correct ones.

    The task's default extractor checks whether a rationale ends with the gold answer.
    """
    extractor = task.extractor(task.info.shown_extractor) if task.info.extractors else None
    concludes = extractor.concludes if isinstance(extractor, ReadsConclusions) else None
    return [category_of(one, concludes) for one in answers]


def repeats(text: str) -> bool:
    """Return whether a text ends with the same words at least three times; the last repetition may be incomplete."""
    words = text.split()
    for period in range(1, min(_LONGEST_PERIOD, len(words) // 3) + 1):
        same = 0
        while same < len(words) - period and words[-1 - same] == words[-1 - same - period]:
            same += 1
        if same >= 2 * period and same + period >= _LEAST_REPEATED:
            return True
    return False
