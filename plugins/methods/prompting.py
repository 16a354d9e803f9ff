"""Methods without training: zero-shot, zero-shot-cot, few-shot, few-shot-cot, and the teacher's own row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench_plugins.methods.formats import FEW_SHOT, FEW_SHOT_COT, ZERO_SHOT, ZERO_SHOT_COT

from rtbench.api import Method, PromptFormat, hookimpl

if TYPE_CHECKING:
    from rtbench.api import Cell, Register, Step, StepBuilder


class Prompting(Method):
    """Prompting of the untrained student with one format.

    Args:
        prompt_format: the format; it also names the method.
        rank: position of its rows in a leaderboard, low numbers first.
    """

    def __init__(self, prompt_format: PromptFormat, rank: int) -> None:
        self.rank = rank
        self.name = prompt_format.name
        self.format = prompt_format

    def steps(self, cell: Cell, build: StepBuilder) -> Step:
        student = cell.models.student
        two_stages = student is not None and self.format.template(student.family).answer_input is not None
        # An answer stage produces only the answer, so there is no prefix.
        prefix = None if two_stages else self.format.answer_prefix
        return build.score(cell, prefix, [build.ask_student(cell, self.format)])


class TeacherRow(Method):
    """The teacher's own accuracy on the fold that students are tested on, for comparison."""

    name = "teacher"
    uses_teacher = True
    uses_student = False
    rank = 1

    def steps(self, cell: Cell, build: StepBuilder) -> Step:
        step, prefix = build.ask_teacher(cell, fold=cell.fold)[0]
        return build.score(cell, prefix, [step])


def zero_shot() -> Method:
    """Create the method ``zero-shot``."""
    return Prompting(ZERO_SHOT, 10)


def zero_shot_cot() -> Method:
    """Create the method ``zero-shot-cot``."""
    return Prompting(ZERO_SHOT_COT, 11)


def few_shot() -> Method:
    """Create the method ``few-shot``."""
    return Prompting(FEW_SHOT, 12)


def few_shot_cot() -> Method:
    """Create the method ``few-shot-cot``."""
    return Prompting(FEW_SHOT_COT, 13)


@hookimpl
def rtbench_register_methods(register: Register) -> None:
    here = "rtbench_plugins.methods.prompting"
    register("zero-shot", f"{here}:zero_shot", summary="untrained student, question only")
    register("zero-shot-cot", f"{here}:zero_shot_cot", summary="untrained student, 'Let's think step by step.'")
    register("few-shot", f"{here}:few_shot", summary="untrained student, worked answers in the prompt")
    register("few-shot-cot", f"{here}:few_shot_cot", summary="untrained student, worked rationales in the prompt")
    register(
        "teacher", f"{here}:TeacherRow", summary="the teacher on the test fold", options={"measures_teachers": True}
    )
