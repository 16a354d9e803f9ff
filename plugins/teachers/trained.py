"""The ``trained`` teacher: the student of another cell of the same matrix writes the rationales.

A student that was fine-tuned before can teach a smaller one (Mentor-KD, Lee et al. 2024) or itself (self-training).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from rtbench.api import (
    CellSelector,
    ModelServices,
    ModelSpec,
    PluginError,
    Register,
    Teacher,
    TextModel,
    content_key,
    convert,
    hookimpl,
)


class TrainedTeacher(Teacher):
    """Stands for the student that a cell trains. The core asks that student, in the format it was trained on."""

    def __init__(self, name: str, cell: CellSelector) -> None:
        self.name = name
        self.cell = cell
        options = msgspec.to_builtins(cell)
        self._member = ModelSpec(
            role="teacher", plugin="trained", name=name, options=options, fingerprint=f"trained-{content_key(options)}"
        )

    def members(self) -> Sequence[ModelSpec]:
        return (self._member,)

    def open(self, member: ModelSpec) -> TextModel:
        raise PluginError(
            "it has no model of its own: a cell of the matrix trains it",
            where=f"teacher {self.name}",
            next_step="Use a teacher that can be asked without a matrix.",
        )


def trained(name: str, options: dict[str, Any], services: ModelServices) -> Teacher:
    """Create a ``trained`` teacher from the cell that its options select.

    Raises:
        BadInputError: an option is wrong, or the method is missing.
    """
    del services
    return TrainedTeacher(name, convert(options, CellSelector, where=f"teacher {name}"))


@hookimpl
def rtbench_register_teachers(register: Register) -> None:
    register("trained", "rtbench_plugins.teachers.trained:trained", summary="the student of another cell of the matrix")
