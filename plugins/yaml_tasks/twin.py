"""The procedural twin that a task's YAML names.

A task's file may come from others, so that it cannot make rtbench import or call anything: a twin is a class of a module
that is loaded already, such as a file given with ``--plugin``, or of a package with plugins of rtbench.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import sys
from types import ModuleType
from typing import Any

from rtbench.api import BadInputError
from rtbench.twins import Knobs, Twin

_TARGET = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")
_GROUP = "rtbench"
"""Entry points of packages with plugins."""


def load_twin(target: str, file: str) -> Twin[Any]:
    """Return an instance of the twin ``module:Class``.

    Args:
        target: the import path, as in the YAML.
        file: the YAML's path, for messages.

    Raises:
        BadInputError: the class is not a twin of a loaded module or of a package with plugins, cannot be created, or lacks
            its knobs.
    """
    where = f"{file}: metadata.rtbench.twin"
    kind = _class_of(target, where)
    try:
        twin: Twin[Any] = kind()
    except (AttributeError, TypeError, ValueError) as error:
        raise BadInputError(
            f"{target!r} cannot be created ({type(error).__name__}: {error})",
            where=where,
            next_step="Write a class that can be created without arguments.",
        ) from error
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


def _class_of(target: str, where: str) -> type[Twin[Any]]:
    """Return the class of a twin without calling anything.

    Raises:
        BadInputError: there is no such class where twins may be.
    """
    match = _TARGET.fullmatch(target)
    if match is None:
        raise BadInputError(
            f"{target!r} is not of the form module:Class", where=where, next_step="Write `module:Class`."
        )
    module, name = _module(match[1], target, where), match[2]
    if name not in vars(module):
        raise BadInputError(f"{match[1]} has no {name!r}", where=where, next_step="Write `module:Class`.")
    found: Any = vars(module)[name]
    if not (isinstance(found, type) and issubclass(found, Twin)):
        raise BadInputError(
            f"{target!r} is not a class of twins", where=where, next_step="Derive it from rtbench.twins.Twin."
        )
    return found


def _module(name: str, target: str, where: str) -> ModuleType:
    if name in sys.modules:
        return sys.modules[name]
    package = name.partition(".")[0]
    known = {point.module.partition(".")[0] for point in importlib.metadata.entry_points(group=_GROUP)}
    what, cause = f"{target!r} is in no plugin", None
    if package in known:
        try:
            return importlib.import_module(name)
        except ImportError as error:
            what, cause = f"{target!r} cannot be imported ({error})", error
    raise BadInputError(
        what, where=where, next_step="Load a file of your own with --plugin FILE.py, or install its package of plugins."
    ) from cause
