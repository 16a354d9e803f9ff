"""Choice of the data type of the arithmetic by a measurement on this machine, which is kept for later runs."""

from __future__ import annotations

import platform
import re
import time
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from rtbench_plugins.hf.options import gpus_for

from rtbench.api import BadInputError, Machine, Record, content_key, cpu_count, read_json, write_json

ComputeType = Literal["float32", "bfloat16"]
FASTER = 1.2
"""bfloat16 is chosen where it is at least this many times as fast as float32: it rounds more."""
_SIZE, _SECONDS = 768, 0.12
"""Width of the square matrices that are multiplied, and seconds of each of the six turns, three for each data type."""


class MeasuredSpeed(Record, frozen=True):
    """Speed of matrix products on this machine, in GFLOP/s, over all cores."""

    float32: float
    bfloat16: float

    @property
    def faster(self) -> ComputeType:
        """Return the data type to compute in."""
        return "bfloat16" if self.bfloat16 >= FASTER * self.float32 else "float32"


def compute_type(device: str | None, machine: Machine, folder: Path | None) -> ComputeType:
    """Return the data type that ``dtype: auto`` stands for.

    On a GPU that is bfloat16, on a CPU what the measurement says. Where another machine computes on a CPU, it is float32,
    since that machine cannot be measured from here.

    Args:
        device: the option of the student.
        machine: the machine that computes.
        folder: folder in which measurements are kept; None: the measurement is made once per process.
    """
    if gpus_for(device, machine):
        return "bfloat16"
    return "float32" if machine.memory_gb is None else speed(folder).faster


@cache
def speed(folder: Path | None) -> MeasuredSpeed:
    """Return the speed of this machine: measured before on a CPU of this kind and with this torch, or measured now."""
    kind = content_key(_processor(), cpu_count(), version("torch"))[:16]
    path = None if folder is None else folder / "compute" / f"{kind}.json"
    if path is not None and path.is_file():
        try:
            kept: MeasuredSpeed = read_json(path, MeasuredSpeed)
        except BadInputError:
            pass  # measured again below
        else:
            return kept
    measured = _measured()
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, measured)
    return measured


def _processor() -> str:
    """Return the processor's name and the extensions that matter for bfloat16."""
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.is_file() else ""
    name = re.search(r"model name\s*:\s*(.+)", text)
    extensions = sorted(set(re.findall(r"\b(?:avx512_bf16|amx_bf16|bf16|avx512f|avx2)\b", text)))
    return " ".join([name[1] if name else platform.processor() or platform.machine(), *extensions])


def _measured() -> MeasuredSpeed:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(cpu_count())
    best = {torch.float32: 0.0, torch.bfloat16: 0.0}
    try:
        for turn in range(3):  # the first turn warms up; alternating, so that other work slows both alike
            for dtype, rate in list(best.items()):
                measured = _rate(torch.ones((_SIZE, _SIZE), dtype=dtype))
                best[dtype] = max(rate, measured) if turn else 0.0
    finally:
        torch.set_num_threads(threads)
    return MeasuredSpeed(float32=round(best[torch.float32], 1), bfloat16=round(best[torch.bfloat16], 1))


def _rate(matrix: object) -> float:
    """Return the speed of products of a matrix with itself, in GFLOP/s."""
    done, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < _SECONDS or done < 1:
        matrix @ matrix  # type: ignore[operator]
        done += 1
    return 2 * _SIZE**3 * done / spent / 1e9
