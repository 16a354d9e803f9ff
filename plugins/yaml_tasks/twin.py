"""The procedural twin that a task's YAML names."""

from __future__ import annotations

import importlib
from typing import Any

from rtbench.api import BadInputError
from rtbench.twins import Knobs, Twin


def load_twin(target: str, file: str) -> Twin[Any]:
    """Imports ``module:Class`` and makes one.

    Args:
        target: as in the YAML.
        file: the YAML, for messages.

    Raises:
        BadInputError: it cannot be imported, is no twin, or lacks its knobs.
    """
    where = f"{file}: metadata.rtbench.twin"
    module, _, name = target.partition(":")
    try:
        made = getattr(importlib.import_module(module), name)()
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise BadInputError(
            f"{target!r} cannot be made ({type(error).__name__}: {error})",
            where=where,
            next_step="Write `module:Class`; a module of your own is found where --plugin FILE.py loads it.",
        ) from error
    if not isinstance(made, Twin):
        raise BadInputError(
            f"{target!r} is a {type(made).__name__}, not a Twin",
            where=where,
            next_step="Derive it from rtbench.twins.Twin.",
        )
    knobs, harder = getattr(made, "knobs", None), getattr(made, "harder", None)
    for attribute, found in (("knobs", knobs), ("harder", harder)):
        if not isinstance(found, Knobs):
            said = "none" if found is None else f"a {type(found).__name__}"
            raise BadInputError(
                f"{target!r} has {said} as `{attribute}`",
                where=where,
                next_step=f"Give the class `{attribute} = …`, an instance of its own subclass of rtbench.twins.Knobs.",
            )
    if type(knobs) is not type(harder):
        raise BadInputError(
            f"`knobs` and `harder` of {target!r} are of two classes",
            where=where,
            next_step="Make `harder` an instance of the class of `knobs`, with other values.",
        )
    return made
