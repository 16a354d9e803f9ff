"""Read a matrix file. Names are checked later, by :mod:`rtbench.matrix.resolve`.

A matrix has axes (methods, tasks, teachers, students, degrees, seeds, fractions) and settings. Each of its ``blocks``
is the cross product of its axes, with the top level as defaults. Equal cells of several blocks count once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rtbench.errors import BadInputError
from rtbench.schema.matrix import Block, Matrix, MatrixFile
from rtbench.storage.keys import content_key
from rtbench.storage.paths import as_name, check_name
from rtbench.storage.plain_data import convert
from rtbench.storage.yaml_files import read_yaml


def read_matrix(path: Path) -> Matrix:
    """Read a matrix from its YAML file.

    Raises:
        BadInputError: the file is not a valid matrix; the message names the key or line.
        UnknownNameError: a key or value is unknown; the message names the most similar one.
    """
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise BadInputError("a matrix must be a mapping", where=str(path), next_step="See docs/matrix.md.")
    return matrix_of(data, where=str(path), stem=as_name(path.stem))


def matrix_of(data: Mapping[str, Any], *, where: str, stem: str | None = None) -> Matrix:
    """Return a matrix from its content.

    Args:
        data: as in a YAML file.
        where: the place that errors name.
        stem: its name, if the content states none; None: ``matrix`` with a digest of the content.

    Raises:
        BadInputError, UnknownNameError: as :func:`read_matrix` does.
    """
    file = convert(dict(data), MatrixFile, where=where)
    blocks = tuple(_merged(file, block) for block in file.blocks or [Block()])
    if stem is None and file.name is None:
        stem = f"matrix-{content_key(dict(data))[:6]}"
    name = (stem or "") if file.name is None else check_name(file.name, where=f"{where}, name")
    return Matrix(name, where, file, blocks)


def _merged(file: MatrixFile, block: Block) -> Block:
    """Return a block with missing values taken from the top level. ``recipe`` is merged key by key."""
    values = {key: getattr(block, key) for key in Block.__struct_fields__}
    for key, value in values.items():
        if value is None:
            values[key] = getattr(file, key)
    values["recipe"] = {**(file.recipe or {}), **(block.recipe or {})}
    return Block(**values)
