"""STaR (Zelikman et al. 2022): training on rationales, and on explanations of answers that no rationale reached.

The student is trained on the teacher's, then writes its own, and is trained on those, again from its base. In the paper
a few-shot prompted model writes the first rationales; our students are too small for that and begin with a teacher's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench_plugins.methods.formats import FINE_TUNE_COT

from rtbench.api import AskedStep, Method, hookimpl

if TYPE_CHECKING:
    from rtbench.api import Cell, Register, Step, StepBuilder

ROUNDS = 2
"""Number of trainings: first on the teacher's rationales, then on the student's own."""
NO_HINTS = ("unhinted",)
"""Curators that run last: the student has no hint in the test, and must not learn to mention one."""
HINT = " (Hint: the answer is {answer}.)"


class Star(Method):
    """One round on the teacher's rationales, then one on the student's own."""

    name = "star"
    uses_teacher = True
    uses_degree = True
    trains = True

    def steps(self, cell: Cell, build: StepBuilder) -> Step:
        n = cell.degree or 1
        asked = build.ask_teacher(cell, fold="train", n=n)
        hinted = build.ask_teacher(cell, fold="train", n=n, hint=HINT, unless_right=asked)
        examples = build.curate(cell, [*asked, *hinted], degree=2 * n, also=NO_HINTS, prompt_format=FINE_TUNE_COT)
        checkpoint = build.train(cell, FINE_TUNE_COT, examples)
        prefix = FINE_TUNE_COT.answer_prefix
        for turn in range(2, ROUNDS + 1):
            own = build.ask_student(cell, FINE_TUNE_COT, checkpoint=checkpoint, fold="train")
            helped = build.ask_student(
                cell,
                FINE_TUNE_COT,
                checkpoint=checkpoint,
                fold="train",
                hint=HINT,
                unless_right=[AskedStep(own, prefix)],
            )
            examples = build.curate(
                cell,
                [AskedStep(own, prefix), AskedStep(helped, prefix)],
                degree=2,
                own=True,
                also=NO_HINTS,
                prompt_format=FINE_TUNE_COT,
            )
            checkpoint = build.train(cell, FINE_TUNE_COT, examples, note=f"round {turn}")
        return build.test(cell, FINE_TUNE_COT, checkpoint)


@hookimpl
def rtbench_register_methods(register: Register) -> None:
    summary = "teacher's rationales, and explanations of what it missed; then the student's own"
    register("star", "rtbench_plugins.methods.star:Star", summary=summary)
