"""The paper's fine-tuning methods: on answers only, and on the teacher's rationales (Fine-tune-CoT)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench_plugins.methods.formats import FINE_TUNE, FINE_TUNE_COT

from rtbench.api import Method, hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rtbench.api import AskedStep, Cell, Register, Step, StepBuilder


def examples_of_teacher(cell: Cell, build: StepBuilder) -> tuple[Sequence[AskedStep], Step]:
    """Return the steps that ask the teacher, and the one with the examples that are curated from its rationales."""
    asked = build.ask_teacher(cell, fold="train", n=cell.degree or 1)
    return asked, build.curate(cell, asked, prompt_format=FINE_TUNE_COT)


class FineTune(Method):
    """Vanilla fine-tuning on questions and gold answers."""

    name = "fine-tune"
    rank = 20
    trains = True

    def steps(self, cell: Cell, build: StepBuilder) -> Step:
        examples = build.curate(cell)
        return build.test(cell, FINE_TUNE, build.train(cell, FINE_TUNE, examples))


class FineTuneCot(Method):
    """Fine-tuning on a teacher's rationales; with a degree above 1, on several per question (diverse reasoning).

    Rationales with a wrong answer are left out, unless the matrix names other curators.
    """

    name = "fine-tune-cot"
    rank = 21
    uses_teacher = True
    uses_degree = True
    trains = True

    def steps(self, cell: Cell, build: StepBuilder) -> Step:
        _, examples = examples_of_teacher(cell, build)
        return build.test(cell, FINE_TUNE_COT, build.train(cell, FINE_TUNE_COT, examples))


@hookimpl
def rtbench_register_methods(register: Register) -> None:
    here = "rtbench_plugins.methods.fine_tuning"
    register("fine-tune", f"{here}:FineTune", summary="student trained on gold answers")
    register("fine-tune-cot", f"{here}:FineTuneCot", summary="student trained on the teacher's rationales")
