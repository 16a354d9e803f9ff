"""Distilling step-by-step (Hsieh et al. 2023): the student learns to answer and to explain as two tasks.

It is tested only on answering, so that it writes no rationale at test time. The original adds the mean losses of both
tasks at each step (``alpha`` 0.5). Here rows of similar length share a batch, so that most batches are of one task, and
the loss is the mean over a batch's tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench_plugins.methods.formats import DISTILL_STEP_BY_STEP

from rtbench.api import Method, hookimpl

if TYPE_CHECKING:
    from rtbench.api import Cell, Register, Step, StepBuilder


class StepByStep(Method):
    """Training on two tasks, answer and teacher's rationale, distinguished by a prefix of the question."""

    name = "step-by-step"
    uses_teacher = True
    uses_degree = True
    trains = True

    def steps(self, cell: Cell, build: StepBuilder) -> Step:
        asked = build.ask_teacher(cell, fold="train", n=cell.degree or 1)
        checkpoint = build.train(
            cell, DISTILL_STEP_BY_STEP, build.curate(cell, asked, prompt_format=DISTILL_STEP_BY_STEP.along)
        )
        return build.test(cell, DISTILL_STEP_BY_STEP, checkpoint)


@hookimpl
def rtbench_register_methods(register: Register) -> None:
    summary = "student learns answers and rationales as two tasks, is tested on answers only"
    register("step-by-step", "rtbench_plugins.methods.step_by_step:StepByStep", summary=summary)
