"""What this machine is found to have."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtbench import machine


@pytest.mark.parametrize(
    ("visible", "count"),
    [(None, 3), ("", 0), ("-1", 0), ("0", 1), ("1,0", 2), ("0,-1,1", 1), ("GPU-8f1c,GPU-22ab", 2), ("0, 1", 2)],
)
def test_hidden_gpus_are_not_counted(monkeypatch: pytest.MonkeyPatch, visible: str | None, count: int) -> None:
    nodes = [Path("/dev/nvidia0"), Path("/dev/nvidia1"), Path("/dev/nvidia2"), Path("/dev/nvidiactl")]
    monkeypatch.setattr(Path, "glob", lambda _self, _pattern: iter(nodes))
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert machine.gpu_count() == count
