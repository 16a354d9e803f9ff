"""Teachers that are named inside the options of another."""

from __future__ import annotations

from typing import Any

from rtbench.api import BadInputError, ModelServices, Teacher


def named_teacher(entry: dict[str, Any], services: ModelServices, *, where: str, example: str) -> Teacher:
    """Return the teacher of an entry as in a matrix: ``use`` or ``name``, or ``from``, and its options.

    Args:
        entry: the entry.
        services: for the registered teachers.
        where: the place that errors name.
        example: an entry as it could be, for the message.

    Raises:
        BadInputError: the entry names no teacher.
        UnknownNameError: no teacher has the name.
    """
    options = dict(entry)
    if isinstance(options.get("from"), dict):  # the student of another cell
        options = {"use": "trained", **options.pop("from"), **options}
    use = options.pop("use", None) or options.get("name")
    name = options.pop("name", None) or use
    if not isinstance(use, str) or not isinstance(name, str):
        raise BadInputError("it names no teacher", where=where, next_step=f"Write {example}, or a registered name.")
    registered = services.registry("teachers").get(use, where=where)
    return services.teacher(use, name, {**registered.options, **options})
