"""The keys of built-in matrices are a promise: with other keys, users would pay and wait for everything again.

A digest may change only where results do, or where the matrix itself was changed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from rtbench.matrix.read import read_matrix
from rtbench.matrix.resolve import matrix_path
from rtbench.storage.keys import content_key
from tests.helpers.matrices import plan_of
from tests.helpers.sessions import session

TWINS = {"pocket": "79b63454729f9f0ba5be4d1b56ef1921", "pocket-full": "77e81ce0d93402dbc3bce982865b2ad5"}
PUBLISHED = {"quickstart": "6e74bf01ae9b98d6a3e2902af0868f25", "recorded": "c8b083bd06339996701e8245e3354b00"}


def digest(name: str, workspace: Path, data: Path | None = None) -> str:
    services = session(data_dir=None if data is None else str(data), offline=True).with_workspace(workspace)
    path = matrix_path(services, name)
    assert read_matrix(path).name == name
    return content_key(sorted(plan_of(services, path).steps))


@pytest.mark.parametrize("name", TWINS)
def test_keys_of_matrices_of_twins(name: str, tmp_path: Path) -> None:
    assert digest(name, tmp_path) == TWINS[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_keys_of_matrices_of_published_data(name: str, tmp_path: Path, data_dir: Path) -> None:
    assert digest(name, tmp_path, data_dir) == PUBLISHED[name]
