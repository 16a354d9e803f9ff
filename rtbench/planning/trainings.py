"""What a training needs beyond its examples: its recipe, its objective, a teacher beside it, and memory."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from msgspec.structs import replace

from rtbench.errors import PluginError, UnavailableError
from rtbench.plugin.cells import Cell
from rtbench.schema.objectives import Grpo, Logits, Objective, name_of
from rtbench.schema.steps import CompleteSpec, Resources, Step
from rtbench.schema.training import Recipe
from rtbench.steps.twin_questions import asked_setting
from rtbench.twins import twin_fingerprint

if TYPE_CHECKING:
    from rtbench.plugin.models import Student
    from rtbench.plugin.services import Services

_GIB = 2**30


@functools.lru_cache(maxsize=64)
def training_recipe(recipe: Recipe, objective: Objective | None) -> Recipe:
    """Return what a training uses of a cell's recipe.

    That is without the length limit of test completions and without the settings of objectives, but with the learning rate
    and the length that the training's own objective states.
    """
    used = replace(recipe, max_new_tokens=0, objectives=None)
    if objective is None or isinstance(objective, Logits):
        return used
    if objective.learning_rate is not None:
        used = replace(used, learning_rate=objective.learning_rate)
    if objective.epochs is not None:
        used = replace(used, epochs=objective.epochs, steps=None)
    if objective.steps is not None:
        used = replace(used, steps=objective.steps)
    return used


def check_training(
    services: Services,
    student: Student,
    start: Step | None,
    objective: Objective | None,
    guide: Step | None,
    teacher: str,
    *,
    stored: bool = False,
) -> None:
    """Check that a student can be trained in a way.

    Args:
        services: for the guide's source.
        student: the student.
        start: the training whose weights it begins with; None: the base.
        objective: what is minimised; None: the cross entropy.
        guide: the step that asked the teacher whose probabilities are learnt; None: there is none.
        teacher: name of that teacher in the cell. The step may be another cell's, which has a name of its own for it.
        stored: whether log-probabilities that are stored with completions are learnt, instead of a guide's.

    Raises:
        UnavailableError: the student cannot do it, or the teacher gives no probabilities of tokens.
        PluginError: an objective lacks its teacher, or a teacher has no objective that uses it.
    """
    if start is not None and not student.continues:
        raise UnavailableError(f"{student.name} cannot go on from another training's weights")
    if start is not None and start.spec.recipe.selection == "best-test":
        raise UnavailableError(
            "it goes on from another training, whose epoch would be selected by test answers (`selection: best-test`)",
            next_step="Use `selection: val-accuracy`, `val` or `last`.",
        )
    if objective is not None and (reason := student.lacks(name_of(objective))) is not None:
        raise UnavailableError(reason)
    learns = objective is not None and not isinstance(objective, Grpo)
    if stored and not isinstance(objective, Logits):
        raise PluginError("only the objective logits learns stored log-probabilities")
    if learns != (stored or guide is not None):
        raise PluginError(
            f"the objective {name_of(objective)} needs a guide"
            if objective and learns
            else "no objective uses the guide",
            next_step="Pass the step that asked the teacher as `guide`, or `stored`, to `build.train`.",
        )
    if guide is None:
        return
    spec: CompleteSpec = guide.spec
    if spec.recorded is not None or not services.source(spec.model).guides:
        raise UnavailableError(
            f"{teacher} gives no probabilities of tokens",
            next_step="Use a teacher that runs on this machine (`use: hf`), for `distill-logits` one with `top_logprobs`, or "
            "`fine-tune-cot`, which needs texts only.",
        )
    if spec.epoch is not None:
        raise UnavailableError(f"one epoch of {teacher} cannot be a guide", next_step="Use its selected weights.")


def twin_asked(cell: Cell, objective: Objective | None) -> str:
    """Return an identifier of the twin of which a training asks new questions; empty where it asks none.

    Raises:
        UnavailableError: the task has no twin.
    """
    if not isinstance(objective, Grpo) or objective.questions == "train":
        return ""
    twin = cell.models.task.twin()
    if twin is None:
        raise UnavailableError(
            f"{cell.task.name} has no twin, of which `questions: twin` of the objective grpo would ask new questions",
            next_step="Write `questions: train`, or leave the task out.",
        )
    return twin_fingerprint(cell.task.name, twin, asked_setting(cell.task, cell.seed))


def training_needs(needs: Resources, student: Student, objective: Objective | None, guide: Step | None) -> Resources:
    """Return a training's resources, with the memory of the models beside the student.

    Args:
        needs: of the student's training alone.
        student: the student.
        objective: of the training. For GRPO, the weights that it begins with stay in memory.
        guide: the step that asked the teacher; None: there is none.
    """
    memory, least = 0.0, 0.0
    if isinstance(objective, Grpo) and objective.beta > 0:
        memory = (student.checkpoint_bytes() or 0) / _GIB  # not with adapters, so it is not in the lower bound
    if guide is not None:
        beside = guide.resources
        memory += beside.memory_gb
        # The lower bound is of the GPUs' memory where the student uses them.
        least += beside.least_gb if bool(beside.gpus) == bool(needs.gpus) else 0.0
    if not memory:
        return needs
    return replace(
        needs,
        gpus=max(needs.gpus, 0 if guide is None else guide.resources.gpus),
        memory_gb=round(needs.memory_gb + memory * needs.processes, 1),
        least_gb=round(needs.least_gb + least * needs.processes, 1) if needs.least_gb else 0.0,
    )
