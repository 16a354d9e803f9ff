"""The base class of twins, which draws problems, explains them and fills folds."""

from __future__ import annotations

import copy
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, Self, TypeVar

import msgspec

from rtbench.errors import BadInputError
from rtbench.schema.base import Fold
from rtbench.storage.plain_data import convert
from rtbench.twins.folds import FOLDS, Bounds, bounds_of, fold_of
from rtbench.twins.naming import TwinSetting
from rtbench.twins.narrator import Narrator
from rtbench.twins.problem import Knobs, Problem

_PATIENCE = 200
"""Number of draws per wanted problem after which a fold counts as impossible to fill."""

K = TypeVar("K", bound=Knobs)


class Twin(ABC, Generic[K]):
    """A seeded generator of one task's questions. It has no state: all random generators are arguments."""

    version: int = 1
    """Raise it when the same seed gives other problems, or the same problem another explanation. It is part of the name
    of the samples in ledgers."""
    knobs: K
    """Knobs of train, validation and test questions."""
    harder: K
    """Knobs of the out-of-distribution fold: more steps than any training question has."""
    sizes: Mapping[Fold, int] = {"train": 600, "validation": 100, "test": 200, "ood": 200}

    @abstractmethod
    def draw(self, rng: random.Random, knobs: K) -> Problem:
        """Draw one problem."""

    @abstractmethod
    def explain(self, problem: Problem, narrator: Narrator) -> str:
        """Explain the steps through the narrator, and return the answer that they lead to.

        Returns:
            The gold answer where the narrator makes no mistake.
        """

    def problems(self, seed: int, knobs: K | None = None, stream: str = "") -> Iterator[Problem]:
        """Yield problems without end; the same seed and knobs give the same problems.

        Args:
            seed: the folds' seed; the folds consist of the first problems of the stream without a name.
            knobs: knobs that replace the twin's own.
            stream: name of the stream; another name gives other problems.
        """
        name = f"{type(self).__name__}/{self.version}/{seed}" + (f"/{stream}" if stream else "")
        rng = random.Random(name)  # noqa: S311 - reproducible, not secret
        chosen = self.knobs if knobs is None else knobs
        while True:
            yield self.draw(rng, chosen)

    def fresh(
        self,
        seed: int,
        count: int,
        knobs: K | None = None,
        *,
        stream: str = "fresh",
        allows: Callable[[Problem], bool] | None = None,
    ) -> list[Problem]:
        """Return different questions, from a separate stream, to train on before a test on this seed's folds.

        Args:
            seed: seed of the folds and of the stream.
            count: number of questions.
            knobs: knobs that replace the twin's own.
            stream: name of the stream.
            allows: returns whether a problem may be used; None: :meth:`outside_folds`.

        Raises:
            BadInputError: there are fewer than ``count``.
        """
        allows = allows or self.outside_folds(seed)
        fresh: dict[str, Problem] = {}
        for drawn, problem in enumerate(self.problems(seed, knobs, stream)):
            if len(fresh) == count:
                break
            if allows(problem):
                fresh.setdefault(problem.question, problem)
            if drawn > _PATIENCE * count:
                raise BadInputError(
                    f"only {len(fresh)} different questions outside the folds after {drawn} draws",
                    where=type(self).__name__,
                    next_step="Ask for fewer, or set knobs that allow more.",
                )
        return list(fresh.values())

    def outside_folds(self, seed: int) -> Callable[[Problem], bool]:
        """Return a function that tells whether a problem may be trained on before a test on a seed's folds.

        It is not in a fold of the seed. It has no pattern that the seed validates or tests on, whatever the knobs, and no
        pattern of the out-of-distribution fold.
        """
        fold_questions, ood_patterns = self._in_folds(seed)
        bounds = self._bounds()

        def allows(problem: Problem) -> bool:
            held_out = problem.pattern in ood_patterns or (
                bool(fold_questions) and fold_of(problem.pattern, seed, bounds) != "train"
            )
            return not held_out and problem.question not in fold_questions

        return allows

    def _in_folds(self, seed: int) -> tuple[set[str], set[str]]:
        """Return the questions of the seed's folds, and the patterns of its out-of-distribution fold.

        Returns:
            Empty sets where the folds cannot be drawn.
        """
        try:
            folds = self.draw_folds(seed)
        except BadInputError:
            return set(), set()
        questions = {problem.question for problems in folds.values() for problem in problems}
        return questions, {problem.pattern for problem in folds["ood"]}

    def _bounds(self) -> Bounds:
        """Return the intervals of the folds that use the twin's own knobs."""
        return bounds_of({fold: self.sizes[fold] for fold in FOLDS if fold != "ood"})

    def rationale(self, problem: Problem, draw: str) -> str:
        """Return an explanation without mistakes; another ``draw`` gives another wording."""
        narrator = Narrator(random.Random(f"{draw}/{problem.question}"), twin=type(self).__name__)  # noqa: S311
        self.explain(problem, narrator)
        return narrator.text

    def with_knobs(self, given: Mapping[str, object], *, where: str, harder: bool = False) -> K:
        """Return the twin's own knobs (or its harder ones) with some values replaced.

        Args:
            given: values by knob.
            where: source of the values, for messages.
            harder: start from the knobs of the out-of-distribution fold.

        Raises:
            BadInputError: a knob is unknown, or a value has the wrong type.
        """
        merged = {**msgspec.to_builtins(self.harder if harder else self.knobs), **given}
        return convert(merged, type(self.knobs), where=where)

    def changed(self, given: Mapping[str, object], *, where: str, harder: bool = False) -> dict[str, object]:
        """Return those of some knobs that differ from the twin's own (or its harder ones).

        A knob that is set to its default must not give the same questions a second name.

        Args:
            given: values by knob.
            where: source of the values, for messages.
            harder: compare with the knobs of the out-of-distribution fold.

        Raises:
            BadInputError: a knob is unknown, or a value has the wrong type.
        """
        own = msgspec.to_builtins(self.harder if harder else self.knobs)
        wanted = msgspec.to_builtins(self.with_knobs(given, where=where, harder=harder))
        return {name: value for name, value in wanted.items() if value != own[name]}

    def turned(self, setting: TwinSetting) -> Self:
        """Return a copy of the twin with a setting's knobs.

        Raises:
            BadInputError: a knob is unknown, or a value has the wrong type.
        """
        if not (setting.knobs or setting.ood_knobs):
            return self
        twin = copy.copy(self)
        twin.knobs = self.with_knobs(setting.knobs, where=f"{type(self).__name__}, knobs")
        twin.harder = self.with_knobs(setting.ood_knobs, where=f"{type(self).__name__}, ood_knobs", harder=True)
        return twin

    def draw_folds(self, seed: int) -> dict[Fold, list[Problem]]:
        """Draw all folds of one seed, without repeated questions and without a pattern in two folds.

        The seed also decides the fold of each pattern, so that another seed gives other folds.

        Raises:
            BadInputError: the pattern space is too small for the sizes.
        """
        wanted: dict[Fold, int] = {fold: self.sizes[fold] for fold in FOLDS if fold != "ood"}
        folds: dict[Fold, list[Problem]] = {fold: [] for fold in FOLDS}
        bounds = self._bounds()
        questions: set[str] = set()
        home: dict[str, Fold] = {}
        left = sum(wanted.values())
        for count, problem in enumerate(self.problems(seed)):
            fold = home.setdefault(problem.pattern, fold_of(problem.pattern, seed, bounds))
            if len(folds[fold]) < wanted[fold] and problem.question not in questions:
                questions.add(problem.question)
                folds[fold].append(problem)
                left -= 1
            if left == 0:
                break
            self._check_patience(count, sum(wanted.values()), folds)
        for count, problem in enumerate(self.problems(-1 - seed, self.harder)):
            if len(folds["ood"]) == self.sizes["ood"]:
                break
            if problem.pattern not in home and problem.question not in questions:
                questions.add(problem.question)
                folds["ood"].append(problem)
            self._check_patience(count, self.sizes["ood"], folds)
        return folds

    def _check_patience(self, count: int, wanted: int, folds: Mapping[Fold, Sequence[Problem]]) -> None:
        if count > _PATIENCE * wanted:
            have = ", ".join(f"{fold} {len(problems)}" for fold, problems in folds.items())
            raise BadInputError(
                f"the pattern space is too small: only {have} after {count} draws", where=type(self).__name__
            )
