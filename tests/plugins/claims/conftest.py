"""Hand-written runs, as for the paper's claims."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.claims import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "user" / "rtbench-workspace")
