"""Procedural twins: seeded generators of a task's questions, with the chain of steps behind each.

A twin draws problems (:meth:`Twin.draw`) and can explain each one (:meth:`Twin.explain`): the explanation is a small
program that computes the answer step by step and says what it does through a :class:`Pen`. The pen chooses among
wordings and, where it is told to, makes mistakes that the following steps then build on; so one method serves as
solution, as scripted teacher and as a source of hundreds of distinct rationales.

Folds are disjoint by *pattern*: two problems of one pattern (operands, flip sequence, swap sequence …) never lie in
different folds, whatever names and wording they have.
"""

from __future__ import annotations

import copy
import hashlib
import random
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from string import ascii_uppercase
from typing import Any, Generic, Self, TypeVar

import msgspec

from rtbench.errors import BadInputError
from rtbench.files import convert
from rtbench.keys import content_key
from rtbench.records import Fold, Record, Sample, Split

FOLDS: tuple[Fold, ...] = ("train", "validation", "test", "ood")
_PREFIX = "twin-"
_DATASET = re.compile(r"(.+?)@(twin-.+?)(?:-v\d+)?")
_PATIENCE = 200
"""Draws per wanted problem before a fold counts as impossible to fill."""

K = TypeVar("K", bound="Knobs")
T = TypeVar("T")


class Knobs(Record, frozen=True):
    """How hard a twin's problems are; each twin has fields of its own."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One drawn question with all that its explanation needs."""

    question: str
    """Text as a model sees it, choices included."""
    answer: str
    """Gold answer in the task's own format."""
    pattern: str
    """What no other fold may hold: the question without its names and wording."""
    facts: Any
    """Whatever :meth:`Twin.explain` needs; the twin's own type."""
    choices: tuple[str, ...] = ()
    """Texts of the choices in letter order."""


class Pen:
    """What a twin writes an explanation with.

    Args:
        words: chooses wordings.
        errors: makes mistakes; apart from ``words``, so that an error rate changes no wording.
        fine: say every step; a twin's coarse explanation merges steps.
        verbosity: 0 never restates what the question says, 1 does so half of the time, 2 always.
        error_rate: probability of a mistake at each step.
        mix: probabilities of a slip, a malformed answer and a truncation, given a mistake; they sum to 1.
    """

    def __init__(
        self,
        words: random.Random,
        errors: random.Random | None = None,
        *,
        fine: bool = True,
        verbosity: int = 1,
        error_rate: float = 0.0,
        mix: tuple[float, float, float] = (1.0, 0.0, 0.0),
    ) -> None:
        self.words = words
        self.fine = fine
        self.verbosity = verbosity
        self.malformed = False
        """The answer must not be written as it should be."""
        self.slips = 0
        self._errors = errors or words
        self._rate = error_rate
        self._mix = mix
        self._sentences: list[str] = []
        self._cutting = False
        """The next sentence is the last."""
        self._cut = False

    @property
    def truncated(self) -> bool:
        """The text ends in the middle of a sentence."""
        return self._cutting

    def say(self, *wordings: str, **values: object) -> None:
        """Adds one sentence: one of the wordings, filled in with ``str.format``."""
        if not self._cut:
            wording = wordings[0] if len(wordings) == 1 else self.words.choice(wordings)
            self._sentences.append(wording.format(**values))
            self._cut = self._cutting

    def restate(self, *wordings: str, **values: object) -> None:
        """A sentence that repeats what the question says; said or not by verbosity."""
        if self.verbosity >= 2 or (self.verbosity == 1 and self.words.random() < 0.5):
            self.say(*wordings, **values)

    def result(self, right: T, wrong: Callable[[random.Random], T] | Sequence[T]) -> T:
        """The result of one step: the right one, or at the pen's error rate a wrong one.

        Args:
            right: what the step comes to.
            wrong: alternatives, or what draws one; a draw that equals ``right`` is repeated.
        """
        if self._rate == 0 or self._errors.random() >= self._rate:
            return right
        kind = self._errors.choices(("slip", "malformed", "truncated"), self._mix)[0]
        if kind == "malformed":
            self.malformed = True
            return right
        if kind == "truncated":
            self._cutting = True
            return right
        options = wrong if callable(wrong) else None
        for _ in range(_PATIENCE):
            found = options(self._errors) if options else self._errors.choice(wrong)  # type: ignore[arg-type]
            if found != right:
                self.slips += 1
                return found
        return right

    def order(self, items: Sequence[T]) -> list[T]:
        """The items in an order of the pen's choice, for steps whose order is free."""
        return self.words.sample(items, len(items))

    def pick(self, *options: str) -> str:
        """One of several words or phrases that mean the same."""
        return self.words.choice(options)

    @property
    def text(self) -> str:
        """All that was said; a truncated text ends somewhere in its last sentence."""
        text = " ".join(self._sentences)
        if not self.truncated or not text:
            return text
        words = text.split(" ")
        return " ".join(words[: max(1, len(words) - self._errors.randint(1, 4))])


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
    def explain(self, problem: Problem, pen: Pen) -> str:
        """Says the steps and returns the answer they lead to; the gold answer where the pen makes no mistake."""

    def problems(self, seed: int, knobs: K | None = None) -> Iterator[Problem]:
        """Endless; the same for the same seed and knobs."""
        rng = random.Random(f"{type(self).__name__}/{self.version}/{seed}")  # noqa: S311 - reproducible, not secret
        chosen = self.knobs if knobs is None else knobs
        while True:
            yield self.draw(rng, chosen)

    def distinct(self, seed: int, count: int, knobs: K | None = None) -> list[Problem]:
        """The first so many different questions of :meth:`problems`.

        Raises:
            BadInputError: there are not so many.
        """
        found: dict[str, Problem] = {}
        for drawn, problem in enumerate(self.problems(seed, knobs)):
            if len(found) == count:
                break
            found.setdefault(problem.question, problem)
            if drawn > _PATIENCE * count:
                raise BadInputError(
                    f"only {len(found)} different questions after {drawn} draws",
                    where=type(self).__name__,
                    next_step="Ask for fewer, or turn knobs that give more.",
                )
        return list(found.values())

    def rationale(self, problem: Problem, draw: str) -> str:
        """An explanation without mistakes; another ``draw`` is another wording."""
        pen = Pen(random.Random(f"{draw}/{problem.question}"))  # noqa: S311
        self.explain(problem, pen)
        return pen.text

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
        bounds = _bounds(wanted)
        asked: set[str] = set()
        home: dict[str, Fold] = {}
        left = sum(wanted.values())
        for count, problem in enumerate(self.problems(seed)):
            fold = home.setdefault(problem.pattern, _fold_of(problem.pattern, seed, bounds))
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


# ------------------------------------------------------------------------------------------------------ as task data


class TwinSetting(Record, frozen=True):
    """Which of a twin's endless data a variant of its task is."""

    seed: int
    knobs: dict[str, object] = {}
    """Of train, validation and test questions, instead of the twin's own."""
    ood_knobs: dict[str, object] = {}
    """Of the out-of-distribution fold."""


def variant_of(
    seed: int, knobs: Mapping[str, object] | None = None, ood_knobs: Mapping[str, object] | None = None
) -> str:
    """Name of a twin's data as a variant of its task: ``twin-0``, ``twin-0+steps=3+ood.steps=4``."""
    turned = sorted((knobs or {}).items())
    turned += [(f"ood.{name}", value) for name, value in sorted((ood_knobs or {}).items())]
    return "".join([f"{_PREFIX}{seed}", *(f"+{name}={msgspec.json.encode(value).decode()}" for name, value in turned)])


def setting_of(variant: str) -> TwinSetting | None:
    """What :func:`variant_of` was made of; None where the variant is no twin's."""
    seed, *turned = variant.removeprefix(_PREFIX).split("+")
    if not (variant.startswith(_PREFIX) and seed.isdecimal()):
        return None
    knobs: dict[str, object] = {}
    ood_knobs: dict[str, object] = {}
    for item in turned:
        name, _, value = item.partition("=")
        target = ood_knobs if name.startswith("ood.") else knobs
        try:
            target[name.removeprefix("ood.")] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            return None
    found = TwinSetting(seed=int(seed), knobs=knobs, ood_knobs=ood_knobs)
    return found if variant_of(found.seed, found.knobs, found.ood_knobs) == variant else None


def dataset_of(task: str, twin: Twin[Any], variant: str) -> str:
    """Name of a twin's samples in ledgers."""
    version = "" if twin.version == 1 else f"-v{twin.version}"
    return f"{task}@{variant}{version}"


def task_and_setting(dataset: str) -> tuple[str, TwinSetting] | None:
    """What :func:`dataset_of` was made of; None where the samples are no twin's."""
    found = _DATASET.fullmatch(dataset)
    setting = setting_of(found[2]) if found else None
    return (found[1], setting) if found and setting else None


def twin_fingerprint(name: str, twin: Twin[Any], setting: TwinSetting) -> str:
    """Identifies a twin's data without drawing them."""
    turned = twin.turned(setting)
    knobs = [msgspec.to_builtins(turned.knobs), msgspec.to_builtins(turned.harder)]
    return content_key("twin", name, twin.version, dict(twin.sizes), knobs, setting.seed)


class TwinData(Record, frozen=True):
    """A twin's folds as a task's samples. Indices run through train, validation, test and ood."""

    samples: dict[int, Sample]
    split: Split
    problems: dict[int, Problem]


def twin_data(twin: Twin[Any], setting: TwinSetting) -> TwinData:
    """Draws all folds of a setting. Takes a tenth of a second or so."""
    samples: dict[int, Sample] = {}
    problems: dict[int, Problem] = {}
    members: dict[Fold, tuple[int, ...]] = {}
    for fold, drawn in twin.turned(setting).draw_folds(setting.seed).items():
        start = len(samples)
        for index, problem in enumerate(drawn, start):
            problems[index] = problem
            samples[index] = Sample(
                index=index,
                question=problem.question,
                answer=problem.answer,
                choices=problem.choices,
                group=problem.pattern,
            )
        members[fold] = tuple(range(start, len(samples)))
    split = Split(train=members["train"], test=members["test"], validation=members["validation"], ood=members["ood"])
    return TwinData(samples=samples, split=split, problems=problems)


def _bounds(sizes: Mapping[Fold, int]) -> list[tuple[float, Fold]]:
    """Upper ends of the folds' parts of [0, 1)."""
    total, at = sum(sizes.values()), 0.0
    out: list[tuple[float, Fold]] = []
    for fold, size in sizes.items():
        at += size / total
        out.append((at, fold))
    return out


def _fold_of(pattern: str, seed: int, bounds: Sequence[tuple[float, Fold]]) -> Fold:
    digest = hashlib.blake2b(f"{seed}/{pattern}".encode(), digest_size=8).digest()
    place = int.from_bytes(digest, "big") / 2**64
    return next((fold for end, fold in bounds if place < end), bounds[-1][1])


def near(number: int, least: int = 0) -> Callable[[random.Random], int]:
    """Wrong results of a sum, as people make them: off by one or two, or by ten."""

    def draw(rng: random.Random) -> int:
        return max(least, number + rng.choice((-10, -2, -1, 1, 2, 10)))

    return draw


def lettered(stem: str, choices: Sequence[str]) -> str:
    """Question and choices in the original project's wording: ``stem Answer choices: (A) x, (B) y.``"""
    listed = ", ".join(f"({ascii_uppercase[i]}) {choice}" for i, choice in enumerate(choices))
    return f"{stem} Answer choices: {listed}."
