"""The ``mix`` teacher: each question is asked of one of several teachers, in a stated ratio, or of all of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta
from rtbench_plugins.teachers.named import named_teacher

from rtbench.api import (
    BadInputError,
    ModelServices,
    ModelSpec,
    Record,
    Register,
    Teacher,
    TextModel,
    convert,
    hookimpl,
)


class MixOptions(Record, frozen=True):
    """Options of a mix."""

    sources: tuple[dict[str, Any], ...]
    """Teachers as in a matrix (``use`` or ``name``, and options), each with a ``share`` of the questions."""
    questions: Literal["split", "all"] = "split"
    """``split``: each question is asked of one source; ``all``: of every source, which share its rationales equally."""


class Share(Record, frozen=True):
    """The share of a source, relative to the others'."""

    share: Annotated[float, Meta(gt=0)] = 1.0


class MixTeacher(Teacher):
    """A teacher whose sources each write rationales for a part of the questions, or for all of them.

    Which questions a source gets is random but fixed. It is asked only these, and its completions are shared with other
    cells that ask it. The core asks each member through its :meth:`owner`.
    """

    def __init__(self, name: str, options: MixOptions, services: ModelServices) -> None:
        self.name = name
        where = f"teacher {name}"
        if len(options.sources) < 2:
            raise BadInputError(
                "a mix needs two sources or more",
                where=where,
                next_step="Add some to `sources`, or use the one itself.",
            )
        stated = [
            _source(entry, services, where=f"{where}, source {at}") for at, entry in enumerate(options.sources, 1)
        ]
        if options.questions == "all" and len({share for _, share in stated}) > 1:
            raise BadInputError(
                "its sources have different shares of questions that all of them are asked",
                where=where,
                next_step="Leave out `share`, or write `questions: split`.",
            )
        self._sources = tuple(teacher for teacher, _ in stated)
        ends = [0.0, *itertools.accumulate(share for _, share in stated)]
        parts: list[tuple[float, float] | None] = [None] * len(stated)
        if options.questions == "split":
            parts = [(first / ends[-1], last / ends[-1]) for first, last in itertools.pairwise(ends)]
        self._owners = {
            member.fingerprint: (teacher, part)
            for teacher, part in zip(self._sources, parts, strict=True)
            for member in teacher.members()
        }
        if len(self._owners) < sum(len(teacher.members()) for teacher in self._sources):
            raise BadInputError("two of its sources ask the same model", where=where, next_step="Add up their shares.")
        self._check_alike(where)
        self.recorded = all(teacher.recorded for teacher in self._sources)
        self.saw_answers = any(teacher.saw_answers for teacher in self._sources)
        self.learns_from = self._sources[0].learns_from

    def _check_alike(self, where: str) -> None:
        """Raise BadInputError where students would learn from different parts of completions, or prices have two currencies."""
        if len({teacher.learns_from for teacher in self._sources}) > 1:
            raise BadInputError(
                "its sources state different values of `rationale`", where=where, next_step="Use one of them for all."
            )
        currencies = {teacher.price.currency for teacher in self._sources if teacher.price is not None}
        if len(currencies) > 1:
            raise BadInputError(
                f"its sources have prices in {' and '.join(sorted(currencies))}",
                where=where,
                next_step="State all of them in one currency.",
            )

    def members(self) -> Sequence[ModelSpec]:
        return [member for teacher in self._sources for member in teacher.members()]

    def owner(self, member: ModelSpec) -> Teacher:
        return self._owners[member.fingerprint][0]

    def part(self, member: ModelSpec) -> tuple[float, float] | None:
        return self._owners[member.fingerprint][1]

    def sources(self) -> Sequence[Teacher]:
        return self._sources

    def open(self, member: ModelSpec) -> TextModel:
        return self.owner(member).open(member)


def _source(entry: dict[str, Any], services: ModelServices, *, where: str) -> tuple[Teacher, float]:
    """Return a source and its share.

    Raises:
        BadInputError: the entry names no teacher, or is a mix itself.
        UnknownNameError: no teacher has the name.
    """
    options = dict(entry)
    if "tries" in options:
        raise BadInputError("`tries` is an option of the mix, not of a source", where=where)
    share = convert({"share": options.pop("share", 1.0)}, Share, where=where).share
    teacher = named_teacher(options, services, where=where, example="{share: 0.5, use: openai, model: …}")
    if len(teacher.sources()) > 1:
        raise BadInputError(
            "a teacher that is made of others cannot be part of a mix", where=where, next_step="List its sources here."
        )
    return teacher, share


def mix(name: str, options: dict[str, Any], services: ModelServices) -> Teacher:
    """Create a ``mix`` teacher.

    Raises:
        BadInputError, UnknownNameError: an option is wrong, or names no teacher.
    """
    return MixTeacher(name, convert(options, MixOptions, where=f"teacher {name}"), services)


@hookimpl
def rtbench_register_teachers(register: Register) -> None:
    register("mix", "rtbench_plugins.teachers.mix:mix", summary="several teachers, each for a share of the questions")
