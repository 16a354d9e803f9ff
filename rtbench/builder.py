"""What a method builds its steps with."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import msgspec

from rtbench.asking_steps import Asked, AskingSteps
from rtbench.errors import PluginError, UnavailableError
from rtbench.interfaces import PromptFormat, RationaleSource, Recipe
from rtbench.records import Resources
from rtbench.specs import Cell, CompleteSpec, CurateSpec, Input, ScoreSpec, Step, TrainSpec

if TYPE_CHECKING:
    from rtbench.session import Session


class StepBuilder(AskingSteps):
    """What a method builds its steps with: from asking (:class:`~rtbench.asking_steps.AskingSteps`) over curating and training
    to scoring."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._curated: dict[tuple[object, ...], Step] = {}

    def curate(
        self,
        cell: Cell,
        asked: Asked = (),
        *,
        degree: int | None = None,
        own: bool = False,
        also: Sequence[str] = (),
    ) -> Step:
        """Training examples from completions, or from the gold answers where there are none.

        Args:
            cell: whose curators and extractor judge them.
            asked: the completions.
            degree: so many of each question are looked at, of all that were asked in turn; None: the cell's degree.
            own: they are the student's, not the teacher's.
            also: curators besides the cell's, at the end.

        Raises:
            UnavailableError: the training questions are not at hand.
        """
        degree = (degree or cell.degree or 1) if asked else 0
        learns_from = cell.models.teacher.learns_from if asked and cell.models.teacher and not own else None
        keys = tuple((step.key, prefix) for step, prefix in asked)
        stated = msgspec.json.encode((cell.curators, also))
        key = (keys, cell.task, self._questions(cell, "train"), stated, cell.primary, degree, learns_from)
        if key not in self._curated:  # for another student
            self._curated[key] = self._curate(cell, asked, degree, learns_from, own=own, also=also)
        return self._curated[key]

    def _curate(
        self,
        cell: Cell,
        asked: Asked,
        degree: int,
        learns_from: RationaleSource | None,
        *,
        own: bool,
        also: Sequence[str],
    ) -> Step:
        data = self._session.task_data(cell.task.name, cell.task.variant)
        if not data.fold(cell.task.split, "train"):
            raise UnavailableError(data.missing or f"{cell.task.name} has no training questions")
        curators, judges = self._curators([*cell.curators, *((name, {}) for name in also)], gold=not asked)
        spec = CurateSpec(
            task=cell.task,
            questions=self._questions(cell, "train"),
            curators=curators,
            extractor=cell.primary if asked else "",
            extractor_key=dict(cell.extractors)[cell.primary] if asked else "",
            degree=degree,
            answer_prefixes=[prefix for _, prefix in asked],
            learns_from=learns_from,
            judges=judges,
        )
        inputs = [Input(role="completions", kind="complete", key=step.key) for step, _ in asked]
        source = "gold answers"
        if asked:
            source = cell.student.name if own and cell.student else cell.teacher.name if cell.teacher else "?"
        drawn = f"/D{cell.degree}" if asked and cell.degree else ""
        needs = self._session.judges(spec)[0].resources() if judges else Resources()
        return self._step(spec, inputs, f"curate {cell.task.dataset}/{source}{drawn}", needs)

    def _curators(
        self, stated: Sequence[tuple[str, dict[str, object]]], *, gold: bool
    ) -> tuple[list[tuple[str, int, dict[str, object]]], dict[str, dict[str, object]]]:
        """Curators as a step names them, and the models that they ask."""
        found: list[tuple[str, int, dict[str, object]]] = []
        judges: dict[str, dict[str, object]] = {}
        for name, options in stated:
            curator = self._session.curator(name, dict(options))
            if gold and not curator.of_questions:
                continue
            named = dict(options)
            if (teacher := curator.asks(self._session)) is not None:
                fingerprint = teacher.members()[0].fingerprint
                judges[fingerprint] = dict(options["model"])  # type: ignore[call-overload]
                named["model"] = fingerprint
            found.append((name, curator.version, named))
        return found, judges

    def train(self, cell: Cell, prompt_format: PromptFormat, examples: Step, *, note: str = "") -> Step:
        """Fine-tunes the cell's student on examples, always from its base. ``note``: tells a method's trainings apart in
        titles."""
        student = cell.models.student
        assert student is not None, f"method {cell.method} trains a student but uses_student is off"
        spec = TrainSpec(
            task=cell.task,
            model=self._base(student, cell),
            family=student.family,
            format=prompt_format,
            recipe=_training_recipe(cell.recipe),
            seed=cell.seed,
        )
        inputs = [Input(role="examples", kind="curate", key=examples.key)]
        title = f"train {cell.training}" + (f", {note}" if note else "")
        return self._step(spec, inputs, title, cell.models.student_needs("train", cell.recipe))

    def test(self, cell: Cell, prompt_format: PromptFormat, checkpoint: Step) -> Step:
        """Completes and scores the cell's fold with a trained student, by the recipe's selection."""
        if cell.recipe.selection != "best-test":
            completions = [self.ask_student(cell, prompt_format, checkpoint=checkpoint)]
            return self.score(cell, prompt_format.answer_prefix, completions)
        completions = [
            self.ask_student(cell, prompt_format, checkpoint=checkpoint, epoch=epoch)
            for epoch in range(1, cell.recipe.epochs + 1)
        ]
        return self.score(cell, prompt_format.answer_prefix, completions, aggregate="best-epoch")

    def score(
        self,
        cell: Cell,
        answer_prefix: str | None,
        completions: Sequence[Step],
        *,
        aggregate: Literal["single", "majority", "best-epoch"] = "single",
    ) -> Step:
        """Scores completions of the cell's fold with all of the cell's extractors.

        Raises:
            PluginError: they are of another fold.
        """
        for step in completions:
            if isinstance(step.spec, CompleteSpec) and step.spec.questions.fold != cell.fold:
                raise PluginError(
                    f"method {cell.method} scores completions of the {step.spec.questions.fold} fold as if of "
                    f"{cell.fold}",
                    next_step="Ask with `fold=cell.fold` for what is scored.",
                )
        spec = ScoreSpec(
            task=cell.task,
            questions=self._questions(cell, cell.fold),
            extractors=cell.extractors,
            answer_prefix=answer_prefix,
            aggregate=aggregate,
            primary=cell.primary if aggregate == "best-epoch" else "",
        )
        inputs = [Input(role="completions", kind="complete", key=step.key) for step in completions]
        return self._step(spec, inputs, f"score {cell.name}", Resources())


@functools.lru_cache(maxsize=64)
def _training_recipe(recipe: Recipe) -> Recipe:
    """How long a test completion may get does not change the training."""
    return msgspec.structs.replace(recipe, max_new_tokens=0)
