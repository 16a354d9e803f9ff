"""What the machine has, found out without importing torch."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

NVIDIA_SMI_SECONDS = 10.0


@dataclass(frozen=True)
class Machine:
    """What a step finds where it runs. None: nobody here knows."""

    gpus: int
    """A step that names no device takes one of them, where there are any."""
    most_gpus: int | None
    """All that one step may ask for."""
    gpu_memory_gb: Callable[[], float | None]
    """GiB of the smallest of them; found out where it is needed, as it takes a while."""
    memory_gb: float | None
    """Main memory, in GiB."""


def here() -> Machine:
    """The one that this process runs on."""
    gpus = gpu_count()
    return Machine(gpus=gpus, most_gpus=gpus, gpu_memory_gb=gpu_memory_gb, memory_gb=memory_gb())


def cpu_count() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpu_count() -> int:
    """NVIDIA GPUs that a process started here would see."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    nodes = len([node for node in Path("/dev").glob("nvidia*") if node.name.removeprefix("nvidia").isdigit()])
    return nodes if visible is None else min(nodes, len([name for name in visible.split(",") if name.strip()]))


def gpu_memory_gb() -> float | None:
    """Memory of the smallest GPU that a process started here would see, in GiB, as nvidia-smi has it; None where there is none
    or it cannot be asked."""
    return _smallest_gpu(os.environ.get("CUDA_VISIBLE_DEVICES")) if gpu_count() else None


@functools.lru_cache(maxsize=8)
def _smallest_gpu(visible: str | None) -> float | None:
    import shutil
    import subprocess  # neither is needed where there is no GPU

    command = shutil.which("nvidia-smi")
    if command is None:
        return None
    asked = [command, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    asked += [] if visible is None else [f"--id={visible}"]
    try:
        said = subprocess.run(  # noqa: S603 - a fixed command
            asked, capture_output=True, text=True, check=True, timeout=NVIDIA_SMI_SECONDS
        ).stdout
        return min(float(line) for line in said.splitlines() if line.strip()) / 1024
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def memory_gb() -> float:
    """Memory of the machine, in GiB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
