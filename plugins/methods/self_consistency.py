"""Self-consistency (Wang et al., 2023): the majority answer of several sampled rationales.

It is also the worked example of a method in docs/methods.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench_plugins.methods.formats import FINE_TUNE_COT

from rtbench.api import Method, hookimpl

if TYPE_CHECKING:
    from rtbench.api import Cell, Register, Step, StepBuilder

SAMPLES = 8
TEMPERATURE = 0.7


class SelfConsistency(Method):
    """Fine-tune-cot with several sampled answers per question, of which the most frequent counts.

    They are drawn as the matrix's ``sampling`` states, if it states several.
    """

    name = "self-consistency"
    uses_teacher = True
    uses_degree = True
    trains = True

    def steps(self, cell: Cell, build: StepBuilder) -> Step:
        asked = build.ask_teacher(cell, fold="train", n=cell.degree or 1)
        checkpoint = build.train(cell, FINE_TUNE_COT, build.curate(cell, asked, prompt_format=FINE_TUNE_COT))
        n, temperature = (None, None) if cell.sampling.n > 1 else (SAMPLES, TEMPERATURE)  # None: as the matrix states
        drawn = build.ask_student(cell, FINE_TUNE_COT, checkpoint=checkpoint, n=n, temperature=temperature)
        return build.score(cell, FINE_TUNE_COT.answer_prefix, [drawn], aggregate="majority")


@hookimpl
def rtbench_register_methods(register: Register) -> None:
    register(
        "self-consistency",
        "rtbench_plugins.methods.self_consistency:SelfConsistency",
        summary=f"fine-tune-cot, majority of {SAMPLES} sampled answers",
    )
