"""The base class of twins: drawing, explaining, folds."""

from __future__ import annotations

import copy
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Generic, Self, TypeVar

import msgspec

from rtbench.errors import BadInputError
from rtbench.schema.base import Fold
from rtbench.storage.files import convert
from rtbench.twins.folds import FOLDS, Bounds, bounds_of, fold_of
from rtbench.twins.naming import TwinSetting
from rtbench.twins.narrator import Narrator
from rtbench.twins.problem import Knobs, Problem

_PATIENCE = 200
"""Draws per wanted problem before a fold counts as impossible to fill."""

K = TypeVar("K", bound=Knobs)


class Twin(ABC, Generic[K]):
    """A seeded generator of one task's questions. No state: all randomness comes in."""

    version: int = 1
    """Raised when the same seed gives other problems, or the same problem another explanation; it is in the name that
    ledgers keep the answers under."""
    knobs: K
    """Of train, validation and test questions."""
    harder: K
    """Of the out-of-distribution fold: more steps than any training question has."""
    sizes: Mapping[Fold, int] = {"train": 600, "validation": 100, "test": 200, "ood": 200}

    @abstractmethod
    def draw(self, rng: random.Random, knobs: K) -> Problem:
        """One problem."""

    @abstractmethod
    def explain(self, problem: Problem, narrator: Narrator) -> str:
        """Says the steps and returns the answer they lead to; the gold answer where the narrator makes no mistake."""

    def problems(self, seed: int, knobs: K | None = None, stream: str = "") -> Iterator[Problem]:
        """Endless; the same for the same seed and knobs.

        Args:
            seed: as of the folds, which are the first of the stream without a name.
            knobs: instead of the twin's own.
            stream: another name, other problems.
        """
        name = f"{type(self).__name__}/{self.version}/{seed}" + (f"/{stream}" if stream else "")
        rng = random.Random(name)  # noqa: S311 - reproducible, not secret
        chosen = self.knobs if knobs is None else knobs
        while True:
            yield self.draw(rng, chosen)

    def fresh(self, seed: int, count: int, knobs: K | None = None) -> list[Problem]:
        """So many different questions, from a stream of their own, that one may train on and still be tested on the
        folds of this seed: none stands in one of them, and no pattern is one that the seed validates or tests on,
        whatever the knobs, or has in its out-of-distribution fold.

        Raises:
            BadInputError: there are not so many.
        """
        asked, patterns = self._in_folds(seed)
        bounds = self._bounds()
        found: dict[str, Problem] = {}
        for drawn, problem in enumerate(self.problems(seed, knobs, "fresh")):
            if len(found) == count:
                break
            held_out = problem.pattern in patterns or (asked and fold_of(problem.pattern, seed, bounds) != "train")
            if not held_out and problem.question not in asked:
                found.setdefault(problem.question, problem)
            if drawn > _PATIENCE * count:
                raise BadInputError(
                    f"only {len(found)} different questions outside the folds after {drawn} draws",
                    where=type(self).__name__,
                    next_step="Ask for fewer, or turn knobs that give more.",
                )
        return list(found.values())

    def _in_folds(self, seed: int) -> tuple[set[str], set[str]]:
        """Questions of the seed's folds, and patterns of the out-of-distribution one; nothing where no folds can be
        drawn."""
        try:
            folds = self.draw_folds(seed)
        except BadInputError:
            return set(), set()
        asked = {problem.question for found in folds.values() for problem in found}
        return asked, {problem.pattern for problem in folds["ood"]}

    def _bounds(self) -> Bounds:
        """Of the folds that share the twin's own knobs."""
        return bounds_of({fold: self.sizes[fold] for fold in FOLDS if fold != "ood"})

    def rationale(self, problem: Problem, draw: str) -> str:
        """An explanation without mistakes; another ``draw`` is another wording."""
        narrator = Narrator(random.Random(f"{draw}/{problem.question}"), twin=type(self).__name__)  # noqa: S311
        self.explain(problem, narrator)
        return narrator.text

    def with_knobs(self, given: Mapping[str, object], *, where: str, harder: bool = False) -> K:
        """The standard knobs (or the harder ones) with some values replaced.

        Raises:
            BadInputError: an unknown knob, or a value of the wrong type.
        """
        merged = {**msgspec.to_builtins(self.harder if harder else self.knobs), **given}
        return convert(merged, type(self.knobs), where=where)

    def changed(self, given: Mapping[str, object], *, where: str, harder: bool = False) -> dict[str, object]:
        """Those of some knobs that differ from the twin's own (or its harder ones): one that is stated as it is anyway
        must not give the same questions a second name.

        Raises:
            BadInputError: an unknown knob, or a value of the wrong type.
        """
        own = msgspec.to_builtins(self.harder if harder else self.knobs)
        wanted = msgspec.to_builtins(self.with_knobs(given, where=where, harder=harder))
        return {name: value for name, value in wanted.items() if value != own[name]}

    def turned(self, setting: TwinSetting) -> Self:
        """The twin with a setting's knobs as its own.

        Raises:
            BadInputError: an unknown knob, or a value of the wrong type.
        """
        if not (setting.knobs or setting.ood_knobs):
            return self
        found = copy.copy(self)
        found.knobs = self.with_knobs(setting.knobs, where=f"{type(self).__name__}, knobs")
        found.harder = self.with_knobs(setting.ood_knobs, where=f"{type(self).__name__}, ood_knobs", harder=True)
        return found

    def draw_folds(self, seed: int) -> dict[Fold, list[Problem]]:
        """All folds of one seed: no question twice, no pattern in two folds. The seed also decides which patterns are
        whose, so another seed has other folds.

        Raises:
            BadInputError: the pattern space is too small for the sizes.
        """
        wanted: dict[Fold, int] = {fold: self.sizes[fold] for fold in FOLDS if fold != "ood"}
        folds: dict[Fold, list[Problem]] = {fold: [] for fold in FOLDS}
        bounds = self._bounds()
        asked: set[str] = set()
        home: dict[str, Fold] = {}
        left = sum(wanted.values())
        for count, problem in enumerate(self.problems(seed)):
            fold = home.setdefault(problem.pattern, fold_of(problem.pattern, seed, bounds))
            if len(folds[fold]) < wanted[fold] and problem.question not in asked:
                asked.add(problem.question)
                folds[fold].append(problem)
                left -= 1
            if left == 0:
                break
            self._check_patience(count, sum(wanted.values()), folds)
        for count, problem in enumerate(self.problems(-1 - seed, self.harder)):
            if problem.pattern not in home and problem.question not in asked:
                asked.add(problem.question)
                folds["ood"].append(problem)
            if len(folds["ood"]) == self.sizes["ood"]:
                break
            self._check_patience(count, self.sizes["ood"], folds)
        return folds

    def _check_patience(self, count: int, wanted: int, folds: Mapping[Fold, Sequence[Problem]]) -> None:
        if count > _PATIENCE * wanted:
            have = ", ".join(f"{fold} {len(found)}" for fold, found in folds.items())
            raise BadInputError(
                f"the pattern space is too small: only {have} after {count} draws", where=type(self).__name__
            )
