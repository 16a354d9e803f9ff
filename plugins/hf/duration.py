"""How long a student's trainings and tests take on a device, from measured speeds. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path

from rtbench_plugins.hf.compute_type import ComputeType, speed

from rtbench.api import Duration, Machine, Record, convert, read_yaml

DEVICES = Path(__file__).with_name("devices.yaml")
LEAST_PARAMETERS = 50 * 10**6
"""Smaller models spend their time on other things than matrix products: their speed is that of ``small_models.yaml``."""
SMALL = Path(__file__).with_name("small_models.yaml")
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


class SmallModelSpeed(Record, frozen=True):
    """One entry of ``small_models.yaml``. Speeds are tokens per second on one core."""

    parameters: int
    training: float
    reading: float
    writing: float
    products: float
    """Speed of matrix products on the machine of the measurement, in GFLOP/s (:class:`MeasuredSpeed`)."""


@cache
def small_model_speeds() -> tuple[SmallModelSpeed, ...]:
    """Return the entries of ``small_models.yaml``, smallest model first."""
    entries = [
        convert(entry, SmallModelSpeed, where=f"{SMALL}, entry {i}") for i, entry in enumerate(read_yaml(SMALL), 1)
    ]
    return tuple(sorted(entries, key=lambda entry: entry.parameters))


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
    if parameters < LEAST_PARAMETERS:
        return _small(parameters, {"training": tokens}, machine, cache)
    return _on_cpu(work / TRAINING, dtype, machine, cache)


def generation_time(
    parameters: int, read: int, written: int, dtype: ComputeType, machine: Machine, cache: Path | None
) -> Duration | None:
    """Return the time to read prompts and write texts, given their tokens (2 × parameters operations for each).

    On a GPU it is not known: writing is bound by memory and by the batch, not by matrix products.
    """
    if machine.gpus:
        return None
    if parameters < LEAST_PARAMETERS:
        return _small(parameters, {"reading": read, "writing": written}, machine, cache)
    work = 2 * parameters * (read / READING + written / WRITING)
    return _on_cpu(work, dtype, machine, cache)


def _on_gpu(work: float, machine: Machine) -> Duration | None:
    name = (machine.gpu_name() or "").lower()
    entry = next((entry for entry in device_speeds() if entry.device.lower() in name), None)
    if entry is None:
        return None
    return Duration(
        seconds=work / (entry.training * 1e12),
        least=True,
        source=f"a published pre-training, {entry.measured}: {entry.source}",
    )


def _on_cpu(work: float, dtype: ComputeType, machine: Machine, folder: Path | None) -> Duration | None:
    if machine.memory_gb is None:
        return None
    rate = getattr(speed(folder), dtype) * 1e9
    return Duration(seconds=work / rate, least=False, source="matrix products on this machine, measured by rtbench")


def _small(parameters: int, tokens: Mapping[str, int], machine: Machine, folder: Path | None) -> Duration | None:
    """Return the time in which a small model treats tokens in some ways: attributes of :class:`SmallModelSpeed`."""
    if machine.memory_gb is None:
        return None
    here, seconds = speed(folder).float32, 0.0
    for way, count in tokens.items():
        seconds += count / _interpolated(parameters, way) / here
    return Duration(
        seconds=seconds, least=False, source="models of this size elsewhere, scaled by matrix products on this machine"
    )


def _interpolated(parameters: int, way: str) -> float:
    """Return the tokens per second of a model, for each GFLOP/s of the machine: a power of its size between two entries."""
    entries = small_model_speeds()
    known = [(entry.parameters, float(getattr(entry, way)) / entry.products) for entry in entries]
    if parameters <= known[0][0]:
        return known[0][1]
    for (small, fast), (large, slow) in pairwise(known):
        if parameters <= large:
            share = math.log(parameters / small) / math.log(large / small)
            return math.exp((1 - share) * math.log(fast) + share * math.log(slow))
    largest, rate = known[-1]
    return rate * largest / parameters
