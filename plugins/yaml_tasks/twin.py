"""The procedural twin that a task's YAML names."""

from __future__ import annotations

import importlib
from typing import Any

from rtbench.api import BadInputError
from rtbench.twins import Knobs, Twin


def load_twin(target: str, file: str) -> Twin[Any]:
    """Import ``module:Class`` and return an instance.

    Args:
        target: the import path, as in the YAML.
        file: the YAML's path, for messages.

    Raises:
        BadInputError: the class cannot be imported or created, is not a twin, or lacks its knobs.
    """
    where = f"{file}: metadata.rtbench.twin"
    module, _, name = target.partition(":")
    try:
        twin = getattr(importlib.import_module(module), name)()
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise BadInputError(
            f"{target!r} cannot be created ({type(error).__name__}: {error})",
            where=where,
            next_step="Write `module:Class`; load a module of your own with --plugin FILE.py.",
        ) from error
    if not isinstance(twin, Twin):
        raise BadInputError(
            f"{target!r} is a {type(twin).__name__}, not a Twin",
            where=where,
            next_step="Derive it from rtbench.twins.Twin.",
        )
    knobs, harder = getattr(twin, "knobs", None), getattr(twin, "harder", None)
    for attribute, value in (("knobs", knobs), ("harder", harder)):
        if not isinstance(value, Knobs):
            what = f"no `{attribute}`" if value is None else f"a {type(value).__name__} as `{attribute}`"
            raise BadInputError(
                f"{target!r} has {what}",
                where=where,
                next_step=f"Set `{attribute} = …` in the class, an instance of a subclass of rtbench.twins.Knobs.",
            )
    if type(knobs) is not type(harder):
        raise BadInputError(
            f"`knobs` and `harder` of {target!r} are of different classes",
            where=where,
            next_step="Make `harder` an instance of the class of `knobs`, with other values.",
        )
    return twin
