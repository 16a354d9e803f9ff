"""Times of plans, from measured speeds of devices."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from rtbench_plugins.hf.compute_type import MeasuredSpeed, speed
from rtbench_plugins.hf.duration import TRAINING, device_speeds, generation_time, small_model_speeds, training_time

from rtbench.machine import Machine, here
from tests.helpers.cli import Cli

GPU = Machine(gpus=1, most_gpus=1, gpu_memory_gb=lambda: 80.0, memory_gb=64.0, gpu_name=lambda: "NVIDIA A100-SXM4-80GB")


def test_every_device_states_what_was_measured_and_where() -> None:
    for entry in device_speeds():
        assert entry.training > 0
        assert entry.measured
        assert entry.source.startswith(("https://", "docs/"))


def test_time_on_a_gpu_is_the_least_time() -> None:
    """172 TFLOP/s for 6 × 124M × 1M tokens."""
    found = training_time(124_000_000, 1_000_000, "float32", GPU, None)
    assert found is not None
    assert found.seconds == pytest.approx(744e12 / 172e12)
    assert found.least
    assert "github.com" in found.source


def test_time_on_an_unknown_gpu_is_not_known() -> None:
    other = dataclasses.replace(GPU, gpu_name=lambda: "Some GPU")
    assert training_time(10**8, 10**6, "float32", other, None) is None
    assert generation_time(10**8, 10, 10, "float32", dataclasses.replace(GPU, gpu_name=lambda: None), None) is None


def test_time_on_this_cpu_follows_its_own_matrix_products(tmp_path: Path) -> None:
    machine = dataclasses.replace(here(), gpus=0)
    found = training_time(10**8, 1000, "float32", machine, tmp_path)
    assert found is not None
    assert not found.least
    assert found.seconds == pytest.approx(6e11 / TRAINING / (speed(tmp_path).float32 * 1e9))


def test_time_of_a_small_model_is_that_of_its_size_elsewhere_scaled(tmp_path: Path) -> None:
    machine, here_ = dataclasses.replace(here(), gpus=0), speed(tmp_path).float32
    first, last = small_model_speeds()[0], small_model_speeds()[-1]

    def seconds(parameters: int) -> float:
        found = training_time(parameters, 1000, "float32", machine, tmp_path)
        assert found is not None
        return found.seconds

    assert seconds(first.parameters) == pytest.approx(1000 / first.training * first.products / here_)
    assert seconds(first.parameters // 2) == seconds(first.parameters)
    assert seconds(first.parameters) < seconds(first.parameters + 1000) < seconds(last.parameters)
    assert seconds(10 * last.parameters) == pytest.approx(10 * seconds(last.parameters))
    told = generation_time(first.parameters, 500, 100, "float32", machine, tmp_path)
    assert told is not None
    assert told.seconds == pytest.approx((500 / first.reading + 100 / first.writing) * first.products / here_)
    assert generation_time(10**6, 1, 1, "float32", dataclasses.replace(machine, memory_gb=None), tmp_path) is None


def test_measured_speed_is_kept_and_a_damaged_file_is_measured_again(tmp_path: Path) -> None:
    first = speed(tmp_path)
    (kept,) = (tmp_path / "compute").iterdir()
    speed.cache_clear()
    assert speed(tmp_path) == first
    kept.write_text("{")
    speed.cache_clear()
    assert speed(tmp_path).float32 > 0
    assert kept.read_text() != "{"


@pytest.mark.parametrize(
    ("float32", "bfloat16", "chosen"), [(100, 119, "float32"), (100, 120, "bfloat16"), (100, 3, "float32")]
)
def test_bfloat16_is_chosen_only_where_it_is_clearly_faster(float32: float, bfloat16: float, chosen: str) -> None:
    assert MeasuredSpeed(float32=float32, bfloat16=bfloat16).faster == chosen


def test_plan_for_another_device_states_hours_disk_and_source(cli: Cli) -> None:
    options = (
        "--matrix",
        "paper",
        "--tasks",
        "multiarith",
        "--source",
        "twin",
        "--students",
        "gpt2",
        "--teachers",
        "scripted",
    )
    text = cli("plan", *options, "--device", "A100").stdout
    assert "≥ " in text
    assert "time: at least, by a published pre-training, GPT-2 124M" in text
    assert "disk: about" in text
    assert "if no epoch is removed before the end" in text
    testing = [line for line in text.splitlines() if line.startswith("complete") and "gpt2" in line]
    assert testing
    assert "≥" not in "".join(testing), "the speed of writing is not known from that of training"
    unknown = cli("plan", *options, "--device", "Unheard-of 9000").stdout
    assert "time: at least" not in unknown
    assert "--device Unheard-of 9000: no times are known for it, only for A100, H100." in unknown
    assert "no times are known" not in text


def test_first_plan_of_the_default_run_knows_its_time(cli: Cli) -> None:
    text = cli("plan").stdout
    assert "time of the run on" in text
    assert "?" not in text
    assert "time of the run on" not in cli("plan", "--device", "Unheard-of 9000").stdout
