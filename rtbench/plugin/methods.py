"""Methods: how a cell becomes steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from rtbench.plugin.cells import Cell
from rtbench.schema.base import Fold
from rtbench.schema.prompts import PromptFormat
from rtbench.schema.steps import Step


class AskedStep(NamedTuple):
    """A step that asks a model, and what stands before the answers in its completions."""

    step: Step
    answer_prefix: str | None


class StepBuilder(Protocol):
    """Makes the steps of a cell. Equal steps are one step, whichever cells ask for them."""

    def ask_teacher(
        self, cell: Cell, *, fold: Fold, n: int = 1, hint: str = "", unless_right: Sequence[AskedStep] = ()
    ) -> list[AskedStep]:
        """Ask the cell's teacher for completions of a fold's questions.

        Args:
            cell: whose teacher it is.
            fold: whose questions.
            n: completions of each question.
            hint: added behind each question; may name the gold ``{answer}``.
            unless_right: what was asked before; questions that it answers right are left out.

        Returns:
            One step for each model behind the teacher: the last stage's.

        Raises:
            UnavailableError: it has nothing for this task, or is a recording and cannot be given a hint.
        """

    def ask_student(
        self,
        cell: Cell,
        prompt_format: PromptFormat,
        *,
        checkpoint: Step | None = None,
        epoch: int | None = None,
        n: int = 1,
        temperature: float = 0.0,
        fold: Fold | None = None,
        hint: str = "",
        unless_right: Sequence[AskedStep] = (),
    ) -> Step:
        """Ask the cell's student for completions of a fold's questions.

        Args:
            cell: whose student it is.
            prompt_format: how it is asked.
            checkpoint: a ``train`` step; None: the untrained base is asked.
            epoch: of the checkpoint, from 1; None: the selected one.
            n: completions of each question.
            temperature: of the draws; 0 is greedy.
            fold: whose questions; None: the cell's fold.
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
    ) -> Step:
        """Make training examples from completions, or from the gold answers where there are none.

        Args:
            cell: whose curators choose, and whose extractor judges.
            asked: the completions.
            degree: completions of each question that are looked at, taken in turn of all that were asked; None: the
                cell's degree.
            own: they are the student's, not the teacher's.
            also: curators that run after the cell's.

        Raises:
            UnavailableError: the training questions are missing.
        """

    def train(self, cell: Cell, prompt_format: PromptFormat, examples: Step, *, note: str = "") -> Step:
        """Fine-tune the cell's student on examples, always from its base.

        Args:
            cell: whose student it is.
            prompt_format: words prompts and labels.
            examples: a ``curate`` step.
            note: tells several trainings of one method apart in titles.
        """

    def test(self, cell: Cell, prompt_format: PromptFormat, checkpoint: Step) -> Step:
        """Ask a trained student the cell's fold and score it, by the recipe's selection."""

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
            cell: whose fold and extractors.
            answer_prefix: what stands before the answer in the completions; None: nothing.
            completions: ``complete`` steps.
            aggregate: ``majority``: the answer that most completions of a question give; ``best-epoch``: the steps are
                epochs, and the best one counts.

        Raises:
            PluginError: they are of another fold.
        """


class Method(ABC):
    """Expands a cell into steps. See docs/plugins.md for one of a few dozen lines."""

    name: str
    uses_teacher: bool = False
    uses_degree: bool = False
    uses_student: bool = True
    trains: bool = False
    """Seeds and fractions of the training questions make a difference."""
    rank: int = 100
    """Place of its rows in a leaderboard, low numbers first."""

    @abstractmethod
    def steps(self, cell: Cell, build: StepBuilder) -> Step:
        """Return the cell's ``score`` step; the steps it rests on hang below it."""
