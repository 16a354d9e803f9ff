"""How long a student's trainings and tests take on a device, from measured speeds. Imports no torch."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from rtbench_plugins.hf.compute_type import ComputeType, speed

from rtbench.api import Duration, Machine, Record, convert, read_yaml

DEVICES = Path(__file__).with_name("devices.yaml")
LEAST_PARAMETERS = 50 * 10**6
"""Smaller models spend their time on other things than matrix products, so that these say nothing about it."""
TRAINING, READING, WRITING = 0.55, 0.55, 0.13
"""Shares of a CPU's matrix products that training, reading prompts and writing texts reach: rounded down from single
measurements of SmolLM2-135M on two cores (docs/experiments.md, 2026-11-29)."""


class DeviceSpeed(Record, frozen=True):
    """One entry of ``devices.yaml``."""

    device: str
    """Part of the device's name."""
    training: float
    """Model-TFLOP/s in training."""
    measured: str
    source: str


@cache
def device_speeds() -> tuple[DeviceSpeed, ...]:
    """Return the entries of ``devices.yaml``."""
    return tuple(
        convert(entry, DeviceSpeed, where=f"{DEVICES}, entry {i}") for i, entry in enumerate(read_yaml(DEVICES), 1)
    )


def training_time(
    parameters: int, tokens: int, dtype: ComputeType, machine: Machine, cache: Path | None
) -> Duration | None:
    """Return the time of a training on a number of tokens (6 × parameters operations for each; Kaplan et al. 2020)."""
    work = 6 * parameters * tokens
    if machine.gpus:
        return _on_gpu(work, machine)
    return _on_cpu(work / TRAINING, parameters, dtype, machine, cache)


def generation_time(
    parameters: int, read: int, written: int, dtype: ComputeType, machine: Machine, cache: Path | None
) -> Duration | None:
    """Return the time to read prompts and write texts, given their tokens (2 × parameters operations for each)."""
    if machine.gpus:
        return _on_gpu(2 * parameters * (read + written), machine)
    work = 2 * parameters * (read / READING + written / WRITING)
    return _on_cpu(work, parameters, dtype, machine, cache)


def _on_gpu(work: float, machine: Machine) -> Duration | None:
    name = (machine.gpu_name() or "").lower()
    entry = next((entry for entry in device_speeds() if entry.device.lower() in name), None)
    if entry is None:
        return None
    return Duration(seconds=work / (entry.training * 1e12), least=True, source=f"{entry.measured}: {entry.source}")


def _on_cpu(work: float, parameters: int, dtype: ComputeType, machine: Machine, folder: Path | None) -> Duration | None:
    if parameters < LEAST_PARAMETERS or machine.memory_gb is None:
        return None
    rate = getattr(speed(folder), dtype) * 1e9
    return Duration(seconds=work / rate, least=False, source="matrix products on this machine, measured by rtbench")
