"""Build the steps that ask a model for completions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from rtbench.planning.step_table import StepTable
from rtbench.plugin.cells import Cell
from rtbench.plugin.methods import AskedStep
from rtbench.schema.base import Family, Fold
from rtbench.schema.completions import ModelSpec, Sampling
from rtbench.schema.prompts import PromptFormat
from rtbench.schema.steps import CompleteSpec, Input, Resources, Rewritten, Step, UnlessRight
from rtbench.schema.tasks import Questions
from rtbench.steps.prompts import demonstrations_text
from rtbench.storage.keys import derived_seed


@dataclass(frozen=True)
class Draw:
    """Which completions are drawn."""

    questions: Questions
    n: int = 1
    """Completions per question."""
    start: int = 0
    """Index of the first one."""
    hint: str = ""
    """Text added after each question."""
    unless_right: tuple[AskedStep, ...] = ()
    """Earlier steps; questions that they answer correctly are left out."""
    right: int = 1
    """Number of right answers with which a question is left out."""


@dataclass(frozen=True)
class Asked:
    """The model that is asked, and how."""

    model: ModelSpec
    family: Family
    format: PromptFormat
    resources: Resources
    checkpoint: Step | None = None
    """``train`` step whose weights are used; None: the model's own."""
    epoch: int | None = None
    """Epoch of the checkpoint; None: the selected one."""
    selection: Step | None = None
    """``score`` step that selects the epoch; None: the training selects it."""
    recorded: str | None = None
    """Identifies recordings that replace the model; None: the model is asked."""
    training: str = ""
    """Name of the checkpoint's training, for titles."""


@dataclass(frozen=True)
class Source:
    """Rationales of another model, which are rewritten."""

    step: Step
    found_by: Rewritten


def questions_for(cell: Cell, fold: Fold) -> Questions:
    """Return the questions of a fold that a cell uses."""
    if fold == "train":
        return Questions(fold=fold, limit=cell.train_limit, fraction=cell.fraction)
    return Questions(fold=fold, limit=cell.test_limit)


class CompleteSteps:
    """Builds ``complete`` steps.

    Args:
        table: receives the steps.
    """

    def __init__(self, table: StepTable) -> None:
        self.table = table

    def stages(self, cell: Cell, asked: Asked, sampling: Sampling, draw: Draw, answer: Sampling) -> Step:
        """Return the last stage of a prompt, which has two where the format has an answer stage.

        Args:
            cell: provides the task.
            asked: the model.
            sampling: how the first stage is drawn.
            draw: what is drawn.
            answer: how the answer stage is drawn.
        """
        first = self.complete(cell, asked, sampling, draw)
        if asked.format.template(asked.family).answer_input is None:
            return first
        return self.complete(cell, asked, answer, Draw(draw.questions, draw.n), reasoning=first)

    def complete(
        self,
        cell: Cell,
        asked: Asked,
        sampling: Sampling,
        draw: Draw,
        *,
        reasoning: Step | None = None,
        source: Source | None = None,
    ) -> Step:
        """Return a ``complete`` step.

        Args:
            cell: provides the task.
            asked: the model.
            sampling: how completions are drawn.
            draw: what is drawn.
            reasoning: the first-stage step, for a second stage.
            source: the rationales to rewrite; None: the model writes its own.
        """
        spec = CompleteSpec(
            task=cell.task,
            questions=draw.questions,
            model=asked.model,
            trained=asked.checkpoint is not None,
            epoch=asked.epoch,
            family=asked.family,
            format=asked.format,
            stage="answer" if reasoning else "rewrite" if source else "input",
            sampling=_with_seed(sampling, draw.hint),
            n=draw.n,
            recorded=asked.recorded,
            demonstrations=self._demonstrations(cell, asked.format),
            trigger=cell.models.task.info.answer_trigger if reasoning else "",
            hint=draw.hint,
            unless_right=_unless_right(cell, draw),
            start=draw.start,
            rewritten=source.found_by if source else None,
        )
        inputs = [Input(role="answered", kind="complete", key=one.step.key) for one in draw.unless_right]
        if reasoning:
            inputs.insert(0, Input(role="reasoning", kind="complete", key=reasoning.key))
        if source:
            inputs.insert(0, Input(role="rewritten", kind="complete", key=source.step.key))
        if asked.selection:
            inputs.insert(0, Input(role="selection", kind="score", key=asked.selection.key))
        if asked.checkpoint:
            inputs.insert(0, Input(role="checkpoint", kind="train", key=asked.checkpoint.key))
        step = self.table.add(spec, inputs, _title(spec, asked), asked.resources)
        if reasoning:
            self.table.follow(reasoning, step)
        return step

    def _demonstrations(self, cell: Cell, prompt_format: PromptFormat) -> str:
        """Return the prompt's few-shot part, which is in the step's key."""
        if prompt_format.demonstrations is None:
            return ""
        # A twin's test fold has no published questions, so none has to be excluded from the demonstrations.
        split = None if cell.source == "twin" else cell.task.split
        task, files = cell.models.task, self.table.services.files
        return self.table.once(
            ("demonstrations", cell.task.name, cell.demonstrations, split, prompt_format),
            lambda: demonstrations_text(prompt_format, task.demonstrations(files, cell.demonstrations, split)),
        )


def _title(spec: CompleteSpec, asked: Asked) -> str:
    what = [f"{spec.questions.fold} {spec.format.name}"]
    what += ["held out"] * (spec.questions.held_out is not None)
    what += {"answer": ["answer"], "rewrite": ["rewriting"]}.get(spec.stage, [])
    what += [f"T{spec.sampling.temperature:g}"] * (spec.sampling.temperature > 0)
    what += [f"×{spec.n}"] * (spec.n > 1)
    what += [f"try {spec.start + 1}"] * (spec.start > 0)
    what += ["hinted"] * bool(spec.hint)
    whose = asked.training if asked.checkpoint else f"{spec.task.dataset}/{spec.model.name}"
    return f"complete {whose}: {' '.join(what)}" + (f", epoch {spec.epoch}" if spec.epoch else "")


def _unless_right(cell: Cell, draw: Draw) -> UnlessRight | None:
    if not draw.unless_right:
        return None
    return UnlessRight(
        extractor=cell.primary,
        extractor_key=dict(cell.extractors)[cell.primary],
        answer_prefixes=[one.answer_prefix for one in draw.unless_right],
        right=draw.right,
    )


def _with_seed(sampling: Sampling, hint: str) -> Sampling:
    """Return the sampling with the seed that its draws depend on."""
    if sampling.temperature == 0:  # a greedy completion does not depend on the seed: share it between seeds
        return replace(sampling, seed=0)
    # With a hint, use different draws from those that were wrong without it.
    return replace(sampling, seed=derived_seed("hint", sampling.seed)) if hint else sampling


def as_asked(given: Sequence[AskedStep]) -> tuple[AskedStep, ...]:
    """Return asked steps, which methods may also pass as pairs ``(step, prefix)``."""
    return tuple([AskedStep(*one) for one in given]) if given else ()
