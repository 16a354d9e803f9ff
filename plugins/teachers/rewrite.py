"""The ``rewrite`` teacher: one teacher rewrites the rationales of another, such as shorter, finer or in another style."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rtbench_plugins.teachers.named import named_teacher

from rtbench.api import (
    BadInputError,
    ModelServices,
    ModelSpec,
    Record,
    Register,
    Resources,
    Teacher,
    TextModel,
    convert,
    fields_of,
    hookimpl,
)

_EXAMPLE = "{use: openai, model: …}"


class RewriteOptions(Record, frozen=True):
    """Options of a teacher that rewrites."""

    source: dict[str, Any]
    """Teacher whose rationales are rewritten, as in a matrix (``use`` or ``name``, and options)."""
    by: dict[str, Any]
    """Teacher that rewrites them; its ``prompt`` contains ``{rationale}``."""


class RewriteTeacher(Teacher):
    """A teacher that rewrites the rationales of another. The core asks the other one first."""

    rewrites: Teacher

    def __init__(self, name: str, source: Teacher, by: Teacher) -> None:
        self.name = name
        self.rewrites = source
        self._by = by
        self.format, self.family, self.max_new_tokens = by.format, by.family, by.max_new_tokens
        self.leaves_out = by.leaves_out  # prices are those of its sources
        self.learns_from = by.learns_from
        self.saw_answers = True  # it is not measured: what it answers is its source's

    def members(self) -> Sequence[ModelSpec]:
        return self._by.members()

    def open(self, member: ModelSpec) -> TextModel:
        return self._by.open(member)

    def check_ready(self) -> None:
        self._by.check_ready()
        self.rewrites.check_ready()

    def resources(self) -> Resources:
        return self._by.resources()

    def sources(self) -> Sequence[Teacher]:
        return (self._by, *self.rewrites.sources())


def rewrite(name: str, options: dict[str, Any], services: ModelServices) -> Teacher:
    """Create a ``rewrite`` teacher.

    Raises:
        BadInputError, UnknownNameError: an option is wrong, or names no teacher.
    """
    where = f"teacher {name}"
    stated = convert(options, RewriteOptions, where=where)
    source = named_teacher(stated.source, services, where=f"{where}, source", example=_EXAMPLE)
    by = named_teacher(stated.by, services, where=f"{where}, by", example=_EXAMPLE)
    if by.recorded or len(by.members()) != 1 or by.cell is not None:
        raise BadInputError("it must be one model that can be asked", where=f"{where}, by")
    if "rationale" not in fields_of(by.format.template(by.family).input):
        raise BadInputError(
            "its prompt has no {rationale}",
            where=f"{where}, by",
            next_step='Write `prompt: "… {question} … {rationale} …"`.',
        )
    return RewriteTeacher(name, source, by)


@hookimpl
def rtbench_register_teachers(register: Register) -> None:
    summary = "one teacher rewrites the rationales of another"
    register("rewrite", "rtbench_plugins.teachers.rewrite:rewrite", summary=summary)
