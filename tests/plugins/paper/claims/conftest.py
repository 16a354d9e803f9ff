"""Hand-written runs: cells whose answers are known, through the real run records and the real store."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.claims import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "user" / "rtbench-workspace")


@pytest.fixture
def upstream(tmp_path: Path) -> Bench:
    """All seeds answer the same, published questions."""
    return Bench(tmp_path / "user" / "rtbench-workspace", source="upstream")
