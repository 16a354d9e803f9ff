"""Methods: turn a cell into steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from rtbench.plugin.cells import Cell
from rtbench.schema.base import Fold
from rtbench.schema.objectives import Objective
from rtbench.schema.prompts import PromptFormat
from rtbench.schema.steps import Step


class AskedStep(NamedTuple):
    """A step that asks a model, and the prefix of the answers in its completions."""

    step: Step
    answer_prefix: str | None


class StepBuilder(Protocol):
    """Builds the steps of a cell. Equal steps are shared between cells."""

    def ask_teacher(
        self, cell: Cell, *, fold: Fold, n: int = 1, hint: str = "", unless_right: Sequence[AskedStep] = ()
    ) -> list[AskedStep]:
        """Ask the cell's teacher for completions of a fold's questions.

        Args:
            cell: the cell whose teacher is asked.
            fold: the fold whose questions are asked.
            n: number of completions per question.
            hint: text added after each question; may contain the gold answer as ``{answer}``.
            unless_right: earlier steps; questions that one of them answers correctly are left out.

        Returns:
            One step for each model behind the teacher: that of the last stage.

        Raises:
            UnavailableError: the teacher has nothing for this task, or is a recording and cannot take a hint.
        """

    def ask_student(
        self,
        cell: Cell,
        prompt_format: PromptFormat,
        *,
        checkpoint: Step | None = None,
        epoch: int | None = None,
        n: int | None = None,
        temperature: float | None = None,
        fold: Fold | None = None,
        hint: str = "",
        unless_right: Sequence[AskedStep] = (),
    ) -> Step:
        """Ask the cell's student for completions of a fold's questions.

        Args:
            cell: the cell whose student is asked.
            prompt_format: format of the prompts.
            checkpoint: a ``train`` step; None asks the untrained base.
            epoch: epoch of the checkpoint, from 1; None means the selected epoch.
            n: number of completions per question; None: as the matrix states for tests (its ``sampling``), or 1 on another
                fold than the cell's.
            temperature: sampling temperature; 0 is greedy; None: likewise, or greedy.
            fold: the fold whose questions are asked; None means the cell's fold.
            hint: as in :meth:`ask_teacher`.
            unless_right: as in :meth:`ask_teacher`.
        """

    def curate(
        self,
        cell: Cell,
        asked: Sequence[AskedStep] = (),
        *,
        degree: int | None = None,
        own: bool = False,
        also: Sequence[str] = (),
        prompt_format: PromptFormat | None = None,
    ) -> Step:
        """Make training examples from completions, or from the gold answers where there are no completions.

        Args:
            cell: the cell whose curators select and whose extractor scores.
            asked: the steps that hold the completions.
            degree: number of completions per question to consider, taken from all ``asked`` steps in turn; None means
                the cell's degree.
            own: the completions are the student's, not the teacher's.
            also: names of curators that run after the cell's.
            prompt_format: format of the training rows, for curators that use a model's likelihood of them.

        Raises:
            UnavailableError: the training questions are missing, or a curator needs ``prompt_format`` or another model.
        """

    def train(
        self,
        cell: Cell,
        prompt_format: PromptFormat,
        examples: Step,
        *,
        note: str = "",
        start: Step | None = None,
        objective: Objective | None = None,
        guide: AskedStep | Step | None = None,
        stored: Sequence[AskedStep] = (),
    ) -> Step:
        """Train the cell's student on examples: fine-tune it, or train it with another objective.

        Args:
            cell: the cell whose student is trained.
            prompt_format: format of prompts and labels.
            examples: a ``curate`` step.
            note: distinguishes several trainings of one method in titles.
            start: a ``train`` step of the same student, whose selected weights the training begins with; None: the base.
            objective: what is minimised; None: the cross entropy of the examples.
            guide: the ``complete`` step that asked the teacher whose probabilities the objective uses.
            stored: the steps whose completions' log-probabilities the objective uses, in place of a guide's.

        Raises:
            UnavailableError: the student cannot be trained in this way, or the teacher gives no probabilities of tokens.
        """

    def test(self, cell: Cell, prompt_format: PromptFormat, checkpoint: Step) -> Step:
        """Ask a trained student the questions of the cell's fold and score it, by the recipe's epoch selection."""

    def score(
        self,
        cell: Cell,
        answer_prefix: str | None,
        completions: Sequence[Step],
        *,
        aggregate: Literal["single", "majority", "best-epoch"] = "single",
    ) -> Step:
        """Score completions of the cell's fold with all of the cell's extractors.

        Args:
            cell: the cell whose fold and extractors are used.
            answer_prefix: text before the answer in the completions; None where there is none.
            completions: ``complete`` steps.
            aggregate: ``single``: each completion counts; ``majority``: the most frequent answer of a question counts;
                ``best-epoch``: the steps are epochs, and the best epoch counts.

        Raises:
            PluginError: the completions are of another fold.
        """


class Method(ABC):
    """Expands a cell into steps. docs/methods.md has an example of a few dozen lines."""

    name: str
    uses_teacher: bool = False
    uses_degree: bool = False
    uses_student: bool = True
    trains: bool = False
    """True where the method trains, so that seeds and fractions of the training questions make a difference."""
    rank: int = 100
    """Position of its rows in a leaderboard, low numbers first."""

    @abstractmethod
    def steps(self, cell: Cell, build: StepBuilder) -> Step:
        """Return the cell's ``score`` step; the steps it depends on are its inputs."""
