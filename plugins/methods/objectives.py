"""Methods that learn more than texts: the teacher's probabilities, or which of the student's own texts are right.

``distill-logits`` trains the base. ``distill-on-policy`` and ``grpo`` first fine-tune it as ``fine-tune-cot`` does, which is
the same step, and go on from there: a student that cannot write an answer yet has nothing to learn from its own texts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench_plugins.methods.fine_tuning import examples_of_teacher
from rtbench_plugins.methods.formats import FINE_TUNE_COT

from rtbench.api import Method, Objectives, UnavailableError, hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rtbench.api import AskedStep, Cell, Register, Step, StepBuilder


class DistillLogits(Method):
    """Training on the teacher's rationales and its probabilities of their tokens.

    These are the log-probabilities that were stored with the rationales where the teacher has ``top_logprobs``. Otherwise
    the teacher is loaded beside the student.
    """

    name = "distill-logits"
    rank = 24
    uses_teacher = True
    uses_degree = True
    trains = True

    def steps(self, cell: Cell, build: StepBuilder) -> Step:
        asked, examples = examples_of_teacher(cell, build)
        objective = objectives_of(cell).logits
        if all(source.top_logprobs for source in cell.required_teacher().sources()):
            checkpoint = build.train(cell, FINE_TUNE_COT, examples, objective=objective, stored=asked)
        else:
            checkpoint = build.train(cell, FINE_TUNE_COT, examples, objective=objective, guide=only(asked))
        return build.test(cell, FINE_TUNE_COT, checkpoint)


class DistillOnPolicy(Method):
    """Fine-tuning on the teacher's rationales, then on-policy distillation (GKD)."""

    name = "distill-on-policy"
    rank = 25
    uses_teacher = True
    uses_degree = True
    trains = True

    def steps(self, cell: Cell, build: StepBuilder) -> Step:
        asked, examples = examples_of_teacher(cell, build)
        start = build.train(cell, FINE_TUNE_COT, examples)
        objective = objectives_of(cell).on_policy
        checkpoint = build.train(
            cell, FINE_TUNE_COT, examples, note="on-policy", start=start, objective=objective, guide=only(asked)
        )
        return build.test(cell, FINE_TUNE_COT, checkpoint)


class GroupPolicy(Method):
    """Fine-tuning on the teacher's rationales, then reinforcement of the student's own right answers (GRPO)."""

    name = "grpo"
    rank = 26
    uses_teacher = True
    uses_degree = True
    trains = True

    def steps(self, cell: Cell, build: StepBuilder) -> Step:
        _, examples = examples_of_teacher(cell, build)
        start = build.train(cell, FINE_TUNE_COT, examples)
        objective = objectives_of(cell).grpo
        checkpoint = build.train(cell, FINE_TUNE_COT, examples, note="GRPO", start=start, objective=objective)
        return build.test(cell, FINE_TUNE_COT, checkpoint)


def objectives_of(cell: Cell) -> Objectives:
    """Return the settings of a cell's objectives: the matrix's, or the defaults."""
    return cell.recipe.objectives or Objectives()


def only(asked: Sequence[AskedStep]) -> AskedStep:
    """Return the step that asked the only model behind a teacher.

    Raises:
        UnavailableError: there are several models, which have no common probabilities.
    """
    models = {
        (one.step.spec.model.fingerprint, *[i.key for i in one.step.inputs if i.role in {"checkpoint", "selection"}])
        for one in asked
    }
    if len(models) > 1:
        raise UnavailableError(
            f"its teacher is made of {len(models)} models, and a student learns the probabilities of one",
            next_step="Use one of them as the teacher.",
        )
    return asked[0]


@hookimpl
def rtbench_register_methods(register: Register) -> None:
    here = "rtbench_plugins.methods.objectives"
    register("distill-logits", f"{here}:DistillLogits", summary="student trained on the teacher's token probabilities")
    summary = "fine-tune-cot, then the teacher's token probabilities on the student's own texts (GKD)"
    register("distill-on-policy", f"{here}:DistillOnPolicy", summary=summary)
    summary = "experimental: fine-tune-cot, then reinforcement of the student's own right answers (GRPO)"
    register("grpo", f"{here}:GroupPolicy", summary=summary)
