"""Read a matrix file. Asks no plugin: names are checked by :mod:`rtbench.matrix.resolve`.

A matrix states axes (methods, tasks, teachers, students, degrees, seeds, fractions) and settings. Its ``blocks`` are each
the cross product of their own axes, with the top level as their defaults; equal cells count once.
"""

from __future__ import annotations

from pathlib import Path

from rtbench.errors import BadInputError
from rtbench.schema.matrix import Block, Matrix, MatrixFile
from rtbench.storage.files import convert, read_yaml
from rtbench.storage.paths import as_name, check_name


def read_matrix(path: Path) -> Matrix:
    """Read a matrix from its YAML file.

    Raises:
        BadInputError: the file breaks the rules; names the key or line.
        UnknownNameError: a key or value is none of those known; names the nearest.
    """
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise BadInputError("a matrix is a mapping of keys", where=str(path), next_step="See docs/matrix.md.")
    file = convert(data, MatrixFile, where=str(path))
    blocks = tuple(_merged(file, block) for block in file.blocks or [Block()])
    name = as_name(path.stem) if file.name is None else check_name(file.name, where=f"{path}, name")
    return Matrix(name, str(path), file, blocks)


def _merged(file: MatrixFile, block: Block) -> Block:
    """Return the block with the top level's values where it states none. ``recipe`` is merged key by key."""
    values = {key: getattr(block, key) for key in Block.__struct_fields__}
    for key, value in values.items():
        if value is None:
            values[key] = getattr(file, key)
    values["recipe"] = {**(file.recipe or {}), **(block.recipe or {})}
    return Block(**values)
