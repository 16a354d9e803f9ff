"""Read the teachers and students of a block."""

from __future__ import annotations

from typing import Any, Literal

from rtbench.errors import BadInputError
from rtbench.plugin.services import Services
from rtbench.schema.matrix import Block, ModelEntry
from rtbench.storage.paths import check_label
from rtbench.storage.plain_data import convert


def entries_of(
    services: Services, block: Block, axis: Literal["teachers", "students"], *, where: str
) -> list[ModelEntry]:
    """Return the teachers or students of a block, which are registered names, or mappings with their own name.

    Raises:
        UnknownNameError: a model or a task is not registered.
        BadInputError: a model has no name, or two models have the same name.
    """
    registry = services.registry(axis)
    entries: list[ModelEntry] = []
    for number, item in enumerate(getattr(block, axis) or []):
        place = f"{where}, {axis}[{number}]"
        fields: dict[str, Any] = {"name": item} if isinstance(item, str) else dict(item)
        name = fields.pop("name", None)
        if not isinstance(name, str):
            raise BadInputError("`name` is missing", where=place, next_step="Write `name: …`.")
        check_label(name, where=f"{place}, name", parts=True)
        keys = ("tasks", "degrees", "tries") if axis == "teachers" else ("tasks", "degrees")
        own = {key: fields.pop(key) for key in keys if key in fields}
        if "from" in fields and axis == "teachers":
            fields = _trained_teacher(fields, place)
        if fields and "use" not in fields and name not in registry:
            raise BadInputError(
                f"{name!r} is not registered, and `use` is missing (keys: {', '.join(fields)})",
                where=place,
                next_step=f"Write `use: NAME`, one of: {', '.join(registry.names())}.",
            )
        use = fields.pop("use", name)
        if not isinstance(use, str):
            raise BadInputError("`use` is not a name", where=place, next_step="Write `use: REGISTERED_NAME`.")
        options = {**registry.get(use, where=place).options, **fields}
        entry = convert({"name": name, "use": use, "options": options, **own}, ModelEntry, where=place)
        for task in entry.tasks or ():
            services.registry("tasks").get(task, where=f"{place}, tasks")
        entries.append(entry)
    duplicates = {e.name for e in entries if sum(o.name == e.name for o in entries) > 1}
    if duplicates:
        raise BadInputError(
            f"duplicate names of {axis}: {', '.join(sorted(duplicates))}", where=where, next_step="Use different names."
        )
    return entries


def _trained_teacher(fields: dict[str, Any], place: str) -> dict[str, Any]:
    """Return the options of a teacher that is the student of another cell, written as ``from: {method: …}``."""
    cell = fields["from"]
    if len(fields) > 1 or not isinstance(cell, dict) or {"use", "name"} & cell.keys():
        raise BadInputError(
            "`from` must be a mapping that selects a cell"
            if not isinstance(cell, dict)
            else "`from` selects a cell, and cannot be combined with other options",
            where=place,
            next_step="Write {name: …, from: {method: fine-tune-cot, student: …}}.",
        )
    return {"use": "trained", **cell}
