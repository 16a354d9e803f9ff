"""Why a wrong answer is wrong, found by rule, after the paper's sample study (Ho et al. 2023, section 5 and appendix).

A rule sees form and arithmetic, not sense: that a calculation holds does not make it the right one, and what no rule names is
``other``. The first category that applies counts, in the order of :data:`CATEGORIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from rtbench.plugin.tasks import ReadsConclusions, Task
from rtbench.reporting.answers import Judged
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
    "repetition": "the text ends by saying one thing over and over",
    "truncation": "the text was cut at the most new tokens",
    "no answer": "the extractor found none",
    "wrong format": "what should stand before the answer is missing",
    "no reasoning": "hardly a word stands before the answer: a guess, or all that the method asks for",
    "wrong final answer": "the rationale ends with the right answer, and another one is given",
    "arithmetic slip": "an equation does not hold",
    "wrong set-up": "there are equations, and all hold",
    "other": "no rule says more",
}
"""In the order in which they are looked for."""

_FEW = 4
"""Words of a rationale, below which it is none."""
_LONGEST_PERIOD = 40
"""Words of what is said over and over."""
_LEAST_REPEATED = 9
"""Words that the repetitions must have together."""


def category_of(one: Judged, concludes: Callable[[str, Sample], bool] | None) -> Category | None:
    """The category of a wrong answer; None of a right one.

    Args:
        one: the answer.
        concludes: tells whether a text ends with the gold answer; None: nobody can tell.
    """
    score, completion, rationale = one.score, one.completion, one.rationale
    if score.correct:
        return None

    def equations(*, hold: bool) -> bool:
        from rtbench.scoring.equations import equations_in  # its patterns take a while to compile

        found = list(equations_in(rationale))
        return bool(found) and all(equation.holds for equation in found) == hold

    applies: dict[Category, Callable[[], bool]] = {
        "repetition": lambda: repeats(rationale) or repeats(completion.text),
        "truncation": lambda: "length" in {completion.finish_reason, completion.reasoning_finish},
        "no answer": lambda: not score.extracted,
        "wrong format": lambda: not score.correct_format,
        "no reasoning": lambda: len(rationale.split()) < _FEW,
        "wrong final answer": lambda: concludes is not None and concludes(rationale, one.sample),
        "arithmetic slip": lambda: equations(hold=False),
        "wrong set-up": lambda: equations(hold=True),
        "other": lambda: True,
    }
    return next(category for category in CATEGORIES if applies[category]())


def categories_of(task: Task, found: Sequence[Judged]) -> list[Category | None]:
    """Return the category of each answer, None for right ones. The extractor that the task shows reads conclusions."""
    extractor = task.extractor(task.info.shown_extractor) if task.info.extractors else None
    concludes = extractor.concludes if isinstance(extractor, ReadsConclusions) else None
    return [category_of(one, concludes) for one in found]


def repeats(text: str) -> bool:
    """A text ends by saying the same words at least three times over (the last time perhaps not to the end)."""
    words = text.split()
    for period in range(1, min(_LONGEST_PERIOD, len(words) // 3) + 1):
        same = 0
        while same < len(words) - period and words[-1 - same] == words[-1 - same - period]:
            same += 1
        if same >= 2 * period and same + period >= _LEAST_REPEATED:
            return True
    return False
