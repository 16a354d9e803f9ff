"""Resources of the machine, determined without importing torch."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

NVIDIA_SMI_SECONDS = 10.0


@dataclass(frozen=True)
class Machine:
    """Resources of the machine that steps run on. None stands for an unknown value."""

    gpus: int
    """Number of GPUs; a step that names no device uses one of them, if there are any."""
    most_gpus: int | None
    """Maximum number of GPUs that one step may request."""
    gpu_memory_gb: Callable[[], float | None]
    """Returns the memory of the smallest GPU in GiB; called only where it is needed, because it is slow."""
    memory_gb: float | None
    """Main memory in GiB."""
    gpu_name: Callable[[], str | None] = lambda: None
    """Returns the name of the GPU; called only where it is needed, because it is slow."""
    imagined: bool = False
    """True where a plan is made for another machine, so that times of this workspace's steps say nothing about it."""


def here() -> Machine:
    """Return the machine that this process runs on."""
    gpus = gpu_count()
    return Machine(gpus=gpus, most_gpus=gpus, gpu_memory_gb=gpu_memory_gb, memory_gb=memory_gb(), gpu_name=gpu_name)


def cpu_count() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpu_count() -> int:
    """Return the number of NVIDIA GPUs that a process started here would see."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    nodes = len([node for node in Path("/dev").glob("nvidia*") if node.name.removeprefix("nvidia").isdigit()])
    return nodes if visible is None else min(nodes, len(_visible(visible)))


def _visible(names: str) -> list[str]:
    """Return the GPUs that CUDA_VISIBLE_DEVICES names. As in CUDA, those from the first invalid index on are hidden."""
    shown = itertools.takewhile(lambda name: name and not name.startswith("-"), map(str.strip, names.split(",")))
    return list(shown)


def gpu_memory_gb() -> float | None:
    """Return the memory of the smallest GPU that a process started here would see, in GiB.

    Returns:
        The value that nvidia-smi reports; None without a GPU, or where nvidia-smi fails.
    """
    return _smallest_gpu(os.environ.get("CUDA_VISIBLE_DEVICES")) if gpu_count() else None


def gpu_name() -> str | None:
    """Return the name of the first GPU that a process started here would see; None without a GPU, or if it is not known."""
    lines = _asked("name", os.environ.get("CUDA_VISIBLE_DEVICES")) if gpu_count() else ()
    return lines[0] if lines else None


def _smallest_gpu(visible: str | None) -> float | None:
    try:
        return min(map(float, _asked("memory.total", visible)), default=0.0) / 1024 or None
    except ValueError:
        return None


@functools.lru_cache(maxsize=8)
def _asked(field: str, visible: str | None) -> tuple[str, ...]:
    """Return a field of each visible GPU, as nvidia-smi reports it; empty where it fails."""
    import shutil
    import subprocess  # imported here, because neither is needed without a GPU

    command = shutil.which("nvidia-smi")
    if command is None:
        return ()
    query = [command, f"--query-gpu={field}", "--format=csv,noheader,nounits"]
    query += [] if visible is None else [f"--id={','.join(_visible(visible))}"]
    try:
        output = subprocess.run(  # noqa: S603 - a fixed command
            query, capture_output=True, text=True, check=True, timeout=NVIDIA_SMI_SECONDS
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in output.splitlines() if line.strip())


def memory_gb() -> float:
    """Return the main memory of the machine, in GiB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
