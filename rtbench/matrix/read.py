"""Read a matrix file. Names are checked later, by :mod:`rtbench.matrix.resolve`.

A matrix has axes (methods, tasks, teachers, students, degrees, seeds, fractions) and settings. Each of its ``blocks``
is the cross product of its axes, with the top level as defaults. Equal cells of several blocks count once.
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
        BadInputError: the file is not a valid matrix; the message names the key or line.
        UnknownNameError: a key or value is unknown; the message names the most similar one.
    """
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise BadInputError("a matrix must be a mapping", where=str(path), next_step="See docs/matrix.md.")
    file = convert(data, MatrixFile, where=str(path))
    blocks = tuple(_merged(file, block) for block in file.blocks or [Block()])
    name = as_name(path.stem) if file.name is None else check_name(file.name, where=f"{path}, name")
    return Matrix(name, str(path), file, blocks)


def _merged(file: MatrixFile, block: Block) -> Block:
    """Return a block with missing values taken from the top level. ``recipe`` is merged key by key."""
    values = {key: getattr(block, key) for key in Block.__struct_fields__}
    for key, value in values.items():
        if value is None:
            values[key] = getattr(file, key)
    values["recipe"] = {**(file.recipe or {}), **(block.recipe or {})}
    return Block(**values)
